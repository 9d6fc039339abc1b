"""When a stream counts as frozen, and when as one that shows no whole picture.

A connection may stand while nothing comes through it any more. It is looked at every 15 s: when the newest picture is
30 s old, the stream is frozen, to be noticed after 30 to 45 s. A stream whose pictures cannot be decoded, because no
keyframe comes or only damaged ones, is given up after 30 s and twice the longest distance between its keyframes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.wire.units import NS_PER_S

Trouble = Literal["frozen", "no_keyframe", "undecodable"]


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """How long is too long."""

    frozen_ns: int = 30 * NS_PER_S  # a camera that restarts its encoder is silent for a few seconds
    look_ns: int = 15 * NS_PER_S
    keyframe_ns: int = 30 * NS_PER_S  # cameras that save space send keyframes 10 s apart, hardly more


class StreamWatch:
    """Watches one connection; `now_ns` and arrivals are monotonic."""

    def __init__(self, limits: WatchLimits, opened_ns: int) -> None:
        self._limits = limits
        self._newest_ns = opened_ns
        self._keyframe_ns = opened_ns
        self._looked_ns = opened_ns
        self._distance_ns = 0
        self._has_keyframe = False
        self._has_damaged = False

    def saw_picture(self, arrived_ns: int) -> None:
        """A picture arrived, whatever is in it."""
        self._newest_ns = max(self._newest_ns, arrived_ns)

    def saw_keyframe(self, arrived_ns: int, is_damaged: bool) -> None:
        """A picture that arrived then turned out to be a keyframe; a damaged one does not help."""
        if is_damaged:
            self._has_damaged = True
            return
        if self._has_keyframe:
            self._distance_ns = max(self._distance_ns, arrived_ns - self._keyframe_ns)
        self._keyframe_ns = max(self._keyframe_ns, arrived_ns)
        self._has_keyframe = True
        self._has_damaged = False

    def look(self, now_ns: int) -> Trouble | None:
        """What is wrong, if it is time to look; None when nothing is."""
        since_ns = now_ns - self._looked_ns
        if since_ns < self._limits.look_ns:
            return None
        self._looked_ns = now_ns
        if since_ns >= 2 * self._limits.look_ns:
            return None  # this process itself stood still: what came meanwhile has not been read yet
        if now_ns - self._newest_ns >= self._limits.frozen_ns:
            return "frozen"
        if now_ns - self._keyframe_ns >= self._limits.keyframe_ns + 2 * self._distance_ns:
            return "undecodable" if self._has_damaged else "no_keyframe"
        return None
