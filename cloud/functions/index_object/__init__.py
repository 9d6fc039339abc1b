"""Keeps one item per segment in the index of footage."""
