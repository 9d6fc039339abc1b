"""Answers people: which sites and cameras there are, what was recorded when, and how it is played."""
