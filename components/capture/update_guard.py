"""Answers the core when it is going to update components, on cores that ask (the classic nucleus).

Each deployment is put off once at most, to the next cuts (`core/update_plan`); what is asked again is answered with "go
on". No answer would make the core wait for its whole minute, so there is always one, at once. Whether the deployment
changes this component is not told; a cut that was waited for in vain costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from components.capture.core.update_plan import put_off_ns
from components.shared.catalogue.capture import SegmentRow
from components.shared.errors import Transient
from components.shared.runtime.bus import Bus, UpdateInbox
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S

WAITING_MAX = 4
"""A core carries out one deployment at a time."""

LOOK_NS = 3_600 * NS_PER_S
"""There is nothing to do before an announcement or the stop."""


class UpdateGuard:
    """`run` is a task of the component."""

    def __init__(
        self,
        bus: Bus,
        open_segments: Callable[[], Sequence[SegmentRow]],
        target_ns: Callable[[], int],
        clock: Clock,
        log: Log,
    ) -> None:
        """`open_segments` are those that are being recorded; Transient when the catalogue cannot be read."""
        self._bus = bus
        self._open_segments = open_segments
        self._target_ns = target_ns
        self._clock = clock
        self._log = log
        self._put_off = ""
        self._inbox = UpdateInbox(WAITING_MAX)

    def run(self, stop: threading.Event) -> None:
        """Answer every announcement until `stop` is set."""
        self._bus.subscribe_updates(self._inbox)
        while not stop.is_set():
            ahead = self._inbox.take(self._clock, stop, LOOK_NS)
            if ahead is not None:
                self._answer(ahead.deployment)

    def _answer(self, deployment: str) -> None:
        duration_ns = 0 if deployment == self._put_off else self._until_cuts_ns()
        self._put_off = deployment
        try:
            self._bus.put_off_update(deployment, duration_ns, "segments are nearly complete" if duration_ns else "")
        except Transient as error:  # the core has gone on: then it is as if there had been no answer
            self._log.info("update_not_answered", deployment=deployment, error=error)
            return
        self._log.info("update_answered", deployment=deployment, put_off_s=round(duration_ns / NS_PER_S, 1))

    def _until_cuts_ns(self) -> int:
        try:
            now_ns = self._clock.wall_ns()
            ages_ns = [now_ns - row.start_ns for row in self._open_segments()]
        except Transient:  # no reason to hold anybody up
            return 0
        return put_off_ns(ages_ns, self._target_ns())
