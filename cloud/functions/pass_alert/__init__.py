"""Passes a site's alerts on to people, each once, and tells the site that they have arrived."""
