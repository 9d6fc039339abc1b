"""Why a stream is not recorded, and from which moment on, told from two sides.

One side is what went wrong with reading it; the other is that it was not to be recorded at all, by a schedule or
somebody's hand. While it is not to be, that is the cause, whatever else is wrong. Both change at any time, and what is
told late is told with the moment at which it was: the rows of gaps follow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from components.capture.core.reconnect import Cause
from components.capture.core.schedule import NotRecorded
from components.shared.wire.units import WallNs

CHANGES_MAX = 64
"""Between two tellings, a minute at most: somebody's hand is not faster, and what is told is right at its end."""


@dataclass(frozen=True, slots=True)
class Reason:
    """From `since_ns` on, this is why there is no footage."""

    since_ns: WallNs
    cause: Cause | NotRecorded | Literal["starting"]
    detail: str = ""


class GapStory:
    """One thread may say what turned, another what failed."""

    def __init__(self, why_not: NotRecorded | None, cause: Cause | Literal["starting"]) -> None:
        """`why_not` is why it is not to be recorded, None when it is; `cause` why it could not be anyway."""
        self._why_not = why_not
        self._failure = Reason(WallNs(0), cause)
        self._turns: deque[tuple[WallNs, NotRecorded | None]] = deque(maxlen=CHANGES_MAX)

    def turned(self, at_ns: WallNs, why_not: NotRecorded | None) -> None:
        """From then on it is to be recorded, or not."""
        self._turns.append((at_ns, why_not))

    def failed(self, failure: Reason, has_recorded: bool) -> list[Reason]:
        """What to tell after a failure; with `has_recorded` there was footage right up to its moment."""
        told = []
        turns = [self._turns.popleft() for _ in range(len(self._turns))]
        for at_ns, why_not in turns:
            if at_ns <= failure.since_ns:
                self._why_not = why_not
                if not has_recorded:
                    told.append(self._reason(at_ns))
        self._failure = failure
        told.append(self._reason(failure.since_ns))
        for at_ns, why_not in turns:
            if at_ns > failure.since_ns:
                self._why_not = why_not
                told.append(self._reason(at_ns))
        return told

    def _reason(self, since_ns: WallNs) -> Reason:
        if self._why_not is not None:
            return Reason(since_ns, self._why_not)
        return Reason(since_ns, self._failure.cause, self._failure.detail)
