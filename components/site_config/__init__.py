"""Owns the site's configuration: shadows and secrets to last-good files, edits made here and reports back."""
