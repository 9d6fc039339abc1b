"""Turns the telemetry of sites into metrics and log lines."""
