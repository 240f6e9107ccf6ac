"""The catching mailbox: a real SMTP server on loopback that keeps every letter, and pages to read them on.

For trying things out. It doesn't run where the site's public address is not this very machine.
"""
