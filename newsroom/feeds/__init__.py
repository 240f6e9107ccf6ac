"""Feeds: the same items for programs."""
