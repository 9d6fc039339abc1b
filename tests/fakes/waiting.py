"""Waiting for a condition with a deadline, for what happens in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_S = 0.005


def eventually(condition: Callable[[], object], within_s: float = 5.0, what: str = "") -> None:
    """Return once `condition()` is true; AssertionError when it is not within the deadline."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {within_s} s: {what or condition}"
        time.sleep(LOOK_S)
