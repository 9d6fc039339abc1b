"""Spans of time, joined and sorted, so that many others can be held against them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

FOREVER_NS = 2**63 - 1
"""Where a span ends that has no end yet."""


class Spans:
    """Half-open spans `[start, end)`, joined where they touch."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start_ns, end_ns in sorted(spans):
            if start_ns >= end_ns:
                continue
            if self._ends and start_ns <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end_ns)
            else:
                self._starts.append(start_ns)
                self._ends.append(end_ns)

    def touch(self, start_ns: int, end_ns: int) -> bool:
        """Whether any of `[start_ns, end_ns)` is in one of them."""
        last = bisect_left(self._starts, end_ns) - 1
        return last >= 0 and self._ends[last] > start_ns
