"""What we say: items and the topics that they belong to."""
