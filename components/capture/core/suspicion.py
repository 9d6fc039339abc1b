"""What cameras may share a process after one that recorded them crashed.

Nobody can tell from outside which camera crashed a process that recorded several. After a first crash all of them are
recorded as before, at once: crashes that never come again should cost nothing more. But they are doubtful, and share
with nobody else. After a second crash within ten minutes each is a suspect and recorded alone, so that the one to
blame crashes alone; the others are cleared by time. One that crashed alone stays alone for a day, and its pauses grow
like those of any camera that cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from components.capture.core.reconnect import SCHEDULE_S
from components.shared.wire.units import NS_PER_S

SUSPECT_NS = 600 * NS_PER_S
"""Two crashes within ten minutes are no coincidence; ten minutes without one clear a camera."""

CULPRIT_NS = 86_400 * NS_PER_S
"""A camera that crashed alone crashes again: a process for a day costs less than the footage of its neighbours."""

Standing = Literal["clear", "doubtful", "suspect"]

CRASHES_MAX = 16
"""More of them change nothing."""


@dataclass(slots=True)
class _Past:
    crashed_ns: list[int] = field(default_factory=list)
    alone_ns: int | None = None


class Suspicion:
    """Remembers crashes by camera; times are monotonic."""

    def __init__(self) -> None:
        self._past: dict[str, _Past] = {}

    def crashed(self, cameras: Collection[str], now_ns: int) -> int:
        """The process that recorded these crashed, one at least; how long to wait before they are recorded again."""
        is_alone = len(cameras) == 1
        crashes = 0
        for camera in cameras:
            past = self._past.setdefault(camera, _Past())
            past.crashed_ns = [*past.crashed_ns[-CRASHES_MAX:], now_ns]
            if is_alone:
                past.alone_ns = now_ns
            crashes = self._recent(past, now_ns)
        if crashes < 2 or not is_alone:
            return 0
        return SCHEDULE_S[min(crashes - 2, len(SCHEDULE_S) - 1)] * NS_PER_S

    def standing(self, camera: str, now_ns: int) -> Standing:
        """A camera shares a process with others of the same standing, a suspect with nobody."""
        past = self._past.get(camera)
        if past is None:
            return "clear"
        if past.alone_ns is not None and now_ns - past.alone_ns < CULPRIT_NS:
            return "suspect"
        crashes = self._recent(past, now_ns)
        return "suspect" if crashes >= 2 else "doubtful" if crashes else "clear"

    def crashes(self, camera: str, now_ns: int) -> int:
        """How often a process that recorded it crashed within the last ten minutes."""
        past = self._past.get(camera)
        return 0 if past is None else self._recent(past, now_ns)

    def forget(self, camera: str) -> None:
        """It is no longer configured."""
        self._past.pop(camera, None)

    def _recent(self, past: _Past, now_ns: int) -> int:
        return sum(now_ns - crashed_ns < SUSPECT_NS for crashed_ns in past.crashed_ns)
