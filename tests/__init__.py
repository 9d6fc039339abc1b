"""All tests: one folder per kind, the border of a room at a time."""
