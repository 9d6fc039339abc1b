"""Keeps which sites are connected, whatever the order of the events that tell."""
