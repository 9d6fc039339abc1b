"""Benchmarks and the fault lab; may start anything, and nothing imports it."""
