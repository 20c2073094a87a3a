"""Comparing pictures of one place: a line over the canvas with one on each side, and a key."""
