"""How what we say reaches those who asked: match, compose, deliver, settle. Delivery looks; news does not push."""
