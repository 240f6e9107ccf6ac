"""Who asked for what: addresses, subscriptions, consent."""
