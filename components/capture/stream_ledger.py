"""The rows that say how a stream is and why it was not recorded: state and gaps.

Recorded + gaps = wall time: from the moment a stream is enabled there is always either an open segment or an open gap.
A gap begins where footage ends, not where that was noticed, and ends where footage begins again.

A full disk takes no rows either. What cannot be written is owed, in order, and written before anything else as soon as
it can be; only `found`, which must precede footage, insists.
"""

from __future__ import annotations

from collections.abc import Callable

from components.capture.camera_plan import WorkerStart
from components.capture.core.coverage import absence
from components.capture.core.reconnect import StreamStatus
from components.capture.hints import GivesHints
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import GapCause, GapRow, StreamRow
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.messages import StreamChanged
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S, WallNs, format_iso

OWED_MAX = 200
"""Gaps that wait for a disk: one per change of cause, hours of a camera that comes and goes."""

SOON_NS = 1_200 * NS_PER_S
"""Two of the longest segments, with long GOPs, and time to spare: a segment that begins earlier ends in time."""

_FAR_FUTURE_NS = 2**62
"""Gaps that last longer than this have no end."""


class StreamLedger:
    """The rows of one stream; used by its worker's thread."""

    def __init__(
        self, camera: str, stream: StreamName, catalogue: StreamRows, hints: GivesHints, clock: Clock, log: Log
    ) -> None:
        self.camera = camera
        self.stream = stream
        self._catalogue = catalogue
        self._hints = hints
        self._clock = clock
        self._log = log
        self._status: StreamStatus | None = None
        self._since_ns = clock.wall_ns()
        self._enabled_ns: WallNs | None = None
        self._gap_cause: GapCause | None = None
        self._owed: list[Callable[[], object]] = []
        self._owes_status = False

    def begin(self, start: WorkerStart | None, cause: GapCause, detail: str = "") -> None:
        """Begin to keep the record: nothing is recorded yet, for this cause.

        `start` is given once per process and stream: the time since the record ends is then a gap of its own, because
        nobody was there. Transient when the catalogue does not take it.
        """
        known = [row for row in self._catalogue.streams() if (row.camera, row.stream) == (self.camera, self.stream)]
        now_ns = self._clock.wall_ns()
        self._enabled_ns = known[0].enabled_since_ns if known else now_ns
        open_gap = self._open_gap()
        self._gap_cause = None if open_gap is None else open_gap.cause  # type: ignore[assignment]  # checked on its way in
        if known and open_gap is None and start is not None:
            self._add_absence(start)
        since_ns = now_ns
        if known and open_gap is None:  # at once where the record ends
            since_ns = self._enabled_ns
        elif known and start is not None:
            since_ns = start.started_ns
        self.lost(since_ns, cause, detail)
        self.flush()

    def changed(self, status: StreamStatus) -> None:
        """The stream's state is this now."""
        before = self._status
        if before == status:
            return
        self._status = status
        if before is None or (before.state, before.cause) != (status.state, status.cause):
            self._since_ns = self._clock.wall_ns()
            self._hints.give(
                StreamChanged(
                    camera=self.camera,
                    stream=self.stream,
                    state=status.state,
                    cause=status.cause,
                    since_wall_ns=self._since_ns,
                    failures=status.failures,
                )
            )
            tell = self._log.warning if status.cause else self._log.info
            tell("stream_changed", state=status.state, cause=status.cause, failures=status.failures)
        self._owes_status = True
        self._try_flush()

    def lost(self, since_ns: WallNs, cause: GapCause, detail: str) -> None:
        """From then on nothing is recorded, for this cause; the same cause again changes nothing."""
        if cause == self._gap_cause:
            return
        self._gap_cause = cause
        if len(self._owed) >= OWED_MAX:
            self._owed.pop()  # its time goes to the cause before it: the record stays whole

        def write() -> None:
            self._check_settled()
            start_ns = self._end_of_record(since_ns)
            self._catalogue.begin_gap(self.camera, self.stream, start_ns, cause, detail)

        self._owed.append(write)
        self._try_flush()

    def found(self, start_ns: WallNs) -> None:
        """Footage begins there: the gap ends. Transient when the catalogue does not take it."""
        self.flush()
        self._catalogue.end_gap(self.camera, self.stream, start_ns)
        self._gap_cause = None

    def paused(self) -> None:
        """This process stops: the open gap ends here, because what comes next has another cause."""
        if self._gap_cause not in (None, "policy"):
            end_ns = self._end_of_record(self._clock.wall_ns())
            self._owed.append(lambda: self._catalogue.end_gap(self.camera, self.stream, end_ns))
            self._try_flush()

    def removed(self) -> None:
        """The stream is no longer configured: its record ends here. Transient when the catalogue does not take it."""
        self.flush()
        self._catalogue.end_gap(self.camera, self.stream, self._end_of_record(self._clock.wall_ns()))
        self._catalogue.remove_stream(self.camera, self.stream)

    def record_end_ns(self, now_ns: WallNs) -> WallNs:
        """Footage begins there or later. What is misdated does not count until the time comes there."""
        self._catalogue.rejoin_future(self.camera, self.stream, WallNs(now_ns + SOON_NS))
        return self._end_of_record(WallNs(0))

    def is_room_ending(self, now_ns: WallNs) -> bool:
        """Whether the record will soon come to what is misdated."""
        start_ns = self._catalogue.misdated_ns(self.camera, self.stream)
        return start_ns is not None and start_ns <= now_ns + SOON_NS

    def part_from_future(self, now_ns: WallNs) -> bool:
        """Take what the record says of the time after `now_ns` as misdated; whether footage can begin there now."""
        self.flush()
        if not self._catalogue.part_from_future(self.camera, self.stream, now_ns):
            return False
        if self._enabled_ns is not None and self._enabled_ns > now_ns:
            self._enabled_ns = now_ns
            self._owes_status = True
        self._log.warning("record_is_misdated", goes_on=format_iso(now_ns))
        return True

    def skip_to(self, start_ns: WallNs) -> None:
        """The clock was put forward to there: the time between was none, and is told as a gap."""
        self.flush()
        self._catalogue.skip_to(self.camera, self.stream, start_ns)

    def flush(self) -> None:
        """Write what is owed; Transient when the catalogue does not take it."""
        self._write_status()
        while self._owed:
            self._owed[0]()
            del self._owed[0]

    def _write_status(self) -> None:
        """What a stream is can be said before it is known where its gap begins."""
        if self._owes_status and self._status is not None and self._enabled_ns is not None:
            status = self._status
            self._catalogue.set_stream(
                StreamRow(
                    *(self.camera, self.stream, status.state, status.cause),
                    *(self._since_ns, status.failures, self._enabled_ns),
                )
            )
            self._owes_status = False

    def _try_flush(self) -> None:
        try:
            self.flush()
        except Transient as error:
            self._log.warning("rows_owed", owed=len(self._owed), error=error)

    def _add_absence(self, start: WorkerStart) -> None:
        assert self._enabled_ns is not None, "set before"
        self._catalogue.rejoin_future(self.camera, self.stream, start.started_ns)
        end_ns = self._catalogue.record_end_ns(self.camera, self.stream)
        found = absence(end_ns, self._enabled_ns, start.booted_ns, start.started_ns)
        if found is not None:
            span, cause = found
            self._catalogue.add_gap(GapRow(self.camera, self.stream, span.start_ns, span.end_ns, cause))

    def _check_settled(self) -> None:
        """Transient while a segment that was broken off is not settled: where the gap begins is not known yet."""
        for row in self._catalogue.open_segments():
            if (row.camera, row.stream) == (self.camera, self.stream):
                raise Transient(f"camera {self.camera}: segment {row.segment} is to be settled first")

    def _end_of_record(self, not_before_ns: WallNs) -> WallNs:
        end_ns = self._catalogue.record_end_ns(self.camera, self.stream)
        return not_before_ns if end_ns is None else max(not_before_ns, end_ns)

    def _open_gap(self) -> GapRow | None:
        found = self._catalogue.gaps(self.camera, since_ns=_FAR_FUTURE_NS, stream=self.stream)
        return found[0] if found else None
