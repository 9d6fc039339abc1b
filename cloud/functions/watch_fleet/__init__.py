"""Notices from outside that a site is silent, and that it is back."""
