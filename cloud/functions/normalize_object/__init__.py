"""Moves foreign uploads to their canonical keys."""
