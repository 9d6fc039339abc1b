"""Watches cameras, components and the box; tells the site's health to its shadow, the cloud and the operator."""
