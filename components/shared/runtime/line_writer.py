"""Whole lines to standard output without ever waiting for its reader.

A component's output goes through a pipe or socket to the core or the journal. If that stalls, a plain `print` would
block the thread that records. Here a line that cannot be written at once is dropped and counted, and the next line
that gets through is preceded by the count. Standard library only: the launcher uses it too.
"""

from __future__ import annotations

import os
import select
import threading

LINE_BYTES_MAX = 4_096
"""A pipe takes a line of up to PIPE_BUF (4 096 bytes on Linux) whole or not at all, never mixed with another."""

STALL_MS_MAX = 20
"""How long the first line after a good one waits for its reader; while it stalls, lines are dropped without waiting."""


class LineWriter:
    """Writes lines to a file descriptor; thread-safe; never raises, never waits longer than `STALL_MS_MAX`."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._lost = 0

    @property
    def lost(self) -> int:
        """Lines dropped since the last one that got through."""
        return self._lost

    def __call__(self, line: str) -> None:
        """Write `line` and a newline, or count it as lost. A line above `LINE_BYTES_MAX` is cut."""
        data = line.encode(errors="backslashreplace")[: LINE_BYTES_MAX - 1] + b"\n"
        with self._lock:
            if self._lost and self._write(b'{"event":"log_lines_lost","lines":%d}\n' % self._lost):
                self._lost = 0
            if self._lost or not self._write(data):
                self._lost += 1

    def _write(self, data: bytes) -> bool:
        try:
            ready = self._poll.poll(0 if self._lost else STALL_MS_MAX)
            if not any(events & select.POLLOUT for _, events in ready):
                return False
            os.write(self._descriptor, data)
        except OSError:  # the reader is gone; what happens to the component is not the log's to decide
            return False
        return True
