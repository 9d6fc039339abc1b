"""Calls a function for somebody who waits for its answer, several at once as Lambda does: each in its own process.

Processes that have answered are kept for the next call; a call that finds none starts another, up to `PROCESSES_MAX`,
and then waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.lambda_process import FunctionProcess

PROCESSES_MAX = 2  # each has 60 MB and loads for seconds; a machine of two cores has no use for more


class CalledFunction:
    """One function."""

    def __init__(self, make: Callable[[], FunctionProcess], timeout_s: float) -> None:
        self._make = make
        self._timeout_s = timeout_s
        self._free: list[FunctionProcess] = []
        self._all: list[FunctionProcess] = []
        self._lock = threading.Lock()
        self._places = threading.Semaphore(PROCESSES_MAX)

    def call(self, event: Mapping[str, Any]) -> Any:
        """The handler's result, else FunctionFault."""
        with self._places:
            with self._lock:
                process = self._free.pop() if self._free else self._new()
            try:
                return process.call(event, self._timeout_s)
            finally:
                with self._lock:
                    self._free.append(process)

    def stop(self) -> None:
        """Ends all of them; calls under way are killed."""
        with self._lock:
            for process in self._all:
                process.stop()

    def _new(self) -> FunctionProcess:
        process = self._make()
        self._all.append(process)
        return process
