"""What makes delivery run. Every engine calls the same two functions: `tick` and `send_batch`."""
