"""What a component says about itself: since when it runs, last progress, backlog, last error.

The last error is kept when things go well again, with its time, and over a restart of the worker, so that the reason
of a crash is known to whoever looks afterwards. Progress means that work was done, not that the process lives.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from components.shared.errors import NvrError
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import disk_errors, make_folders, write_durably
from components.shared.runtime.log import redact_url
from components.shared.wire.messages import ERROR_TEXT_CHARS_MAX, StatusReported


class StatusBoard:
    """Where the tasks of a component write down how they are; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._started_wall_ns = clock.wall_ns()
        self._progress_wall_ns = self._started_wall_ns
        self._backlog = 0
        self._error: str | None = None
        self._error_wall_ns: int | None = None
        self.changed = threading.Event()
        """Set when the last error became another one: worth a report at once."""

    def progressed(self) -> None:
        """Work was done just now."""
        with self._lock:
            self._progress_wall_ns = self._clock.wall_ns()

    def backlog(self, count: int) -> None:
        """So much waits to be done."""
        with self._lock:
            self._backlog = count

    def failed(self, text: str) -> None:
        """Something went wrong; the text names the camera, segment or document and the step."""
        cut = redact_url(text)[:ERROR_TEXT_CHARS_MAX]
        with self._lock:
            is_new = cut != self._error
            self._error = cut
            self._error_wall_ns = self._clock.wall_ns()
        if is_new:
            self.changed.set()

    def report(self, component: str, version: str) -> StatusReported:
        """All of it as a message."""
        with self._lock:
            return StatusReported(
                component=component,
                version=version,
                started_wall_ns=self._started_wall_ns,
                last_progress_wall_ns=self._progress_wall_ns,
                backlog=self._backlog,
                last_error=self._error,
                last_error_wall_ns=self._error_wall_ns,
            )

    def save_error(self, path: Path) -> None:
        """Keep the last error for the next worker; Transient when the disk does not take it."""
        with self._lock:
            content = {"error": self._error, "wall_ns": self._error_wall_ns}
        make_folders(path.parent)
        write_durably(path, json.dumps(content).encode())

    def load_error(self, path: Path) -> None:
        """Take over the last error of the worker before. A file that is not there or damaged says nothing."""
        try:
            with disk_errors(path, "read"):
                content = json.loads(path.read_bytes())
            error, wall_ns = content["error"], content["wall_ns"]
        except (NvrError, ValueError, KeyError, TypeError):
            return
        if isinstance(error, str) and isinstance(wall_ns, int):
            with self._lock:
                self._error, self._error_wall_ns = error[:ERROR_TEXT_CHARS_MAX], wall_ns
