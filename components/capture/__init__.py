"""Capture: cameras to segment files, with every second accounted for."""
