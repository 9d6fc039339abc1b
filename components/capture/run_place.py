"""Where in wall time the runs of one connection are put: by their anchors, the record and the box's clock.

A run begins where its anchor says, but never over what is recorded. When the record is ahead of a clock that is
believed, it is the record that is wrong: it is parted from there (see `catalogue/misdated`) and goes on at the true
time. At cuts the run is compared with the clock, and made to follow it as `core/placement` decides.

Used by the recording thread, at keyframes, while no segment is open.
"""

from __future__ import annotations

from components.capture.clock_watch import ClockWatch
from components.capture.core.placement import LEAD_NS_MAX, decide_placement, is_followed
from components.capture.core.timeline import RunTimeline
from components.capture.stream_ledger import StreamLedger
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S, WallNs


def leave_future(ledger: StreamLedger, watch: ClockWatch, now_ns: WallNs) -> bool:
    """Part the record from `now_ns` on if it is ahead of a clock that is believed; whether that was so."""
    end_ns = ledger.record_end_ns(now_ns)
    if end_ns - now_ns <= LEAD_NS_MAX or not is_followed(watch.look(end_ns)):
        return False
    return ledger.part_from_future(now_ns)


class RunPlace:
    """See the module. One per connection."""

    def __init__(self, timeline: RunTimeline, ledger: StreamLedger, watch: ClockWatch, log: Log) -> None:
        self._timeline = timeline
        self._ledger = ledger
        self._watch = watch
        self._log = log

    def begin(self, dts: int) -> None:
        """The connection's first run begins with the picture at `dts`. Transient when the catalogue does not answer."""
        if not leave_future(self._ledger, self._watch, self._timeline.wall_ns(dts)):
            self._begin_behind(dts)

    def follow(self, dts: int) -> bool:
        """Whether a new run is to begin with the picture at `dts`, which is moved to where that run begins."""
        timeline = self._timeline
        if self._ledger.is_room_ending(timeline.wall_ns(dts)):
            self._begin_behind(dts)
            return True
        placement = decide_placement(timeline.ahead_ns)
        if placement == "keep":
            return False
        ahead_s = round(timeline.ahead_ns / NS_PER_S, 3)
        if placement == "renew":
            true_ns = timeline.box_wall_ns(dts)
            if timeline.ahead_ns < 0 or self._ledger.part_from_future(true_ns):
                timeline.move_to(dts, true_ns)
                self._begin_behind(dts)
                self._ledger.skip_to(timeline.wall_ns(dts))
                self._log.warning("clock_followed", ahead_s=ahead_s)
                return True
        timeline.approach()
        self._log.info("clock_approached", ahead_s=ahead_s)
        return False

    def _begin_behind(self, dts: int) -> None:
        """Where the record ends, when that is later."""
        end_ns = self._ledger.record_end_ns(self._timeline.wall_ns(dts))
        moved_ns = self._timeline.begin_at(dts, end_ns)
        if moved_ns > NS_PER_S:
            self._log.warning("clock_behind_record", moved_s=round(moved_ns / NS_PER_S, 3))
