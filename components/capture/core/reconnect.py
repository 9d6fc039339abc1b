"""How often a stream is tried again, and what it is called meanwhile.

Pauses are 5, 10, 30 and then always 60 s. After ten failures in a row a camera is offline, and still tried every
minute. A full disk is not the camera's fault: it makes no camera offline. Recording anything ends a row of failures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["connecting", "recording", "frozen", "offline", "off"]
Cause = Literal["unreachable", "authentication", "no_keyframe", "frozen", "undecodable", "disk"]
"""Why an attempt failed, and of the gap that follows."""

SCHEDULE_S = (5, 10, 30, 60)
"""Pauses after the first, second, ... failure; the last one repeats."""

OFFLINE_FAILURES = 10
"""About eight minutes of trying: longer than a camera takes to start again."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What a stream is, why, and how many attempts in a row have failed."""

    state: State
    cause: str = ""
    failures: int = 0

    def failed(self, cause: Cause) -> StreamStatus:
        """After an attempt that failed for that cause."""
        if cause == "disk":
            return StreamStatus("connecting", cause, self.failures)
        failures = self.failures + 1
        if failures >= OFFLINE_FAILURES:
            return StreamStatus("offline", cause, failures)
        return StreamStatus("frozen" if cause == "frozen" else "connecting", cause, failures)

    def recording(self) -> StreamStatus:
        """While pictures are recorded."""
        return StreamStatus("recording")
