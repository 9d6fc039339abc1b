"""Keeps one camera recorded: attempts, retries, state and gaps.

It runs in a thread of its own until it is told to stop, and ends with every segment closed. Attempts are made by the
supervisor; what each failure means for the record is decided here. A camera that is switched off has a worker too: its
record goes on, as one gap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.gap_story import GapStory, Reason
from components.capture.core.reconnect import Cause, StreamStatus
from components.capture.footage import Footage
from components.capture.packet_source import SourceFailed, SourceRefused, SourceRequest
from components.capture.recorder import Attempt
from components.capture.run_place import leave_future
from components.capture.snapshots import SnapshotPlan
from components.capture.stream_ledger import StreamLedger
from components.capture.workshop import Workshop
from components.shared.errors import Rejected, Transient
from components.shared.runtime.log import Log
from components.shared.runtime.secrets import Secret, read_secret
from components.shared.runtime.supervisor import Backoff, retry, supervise
from components.shared.wire.units import NS_PER_S

WAIT_NS = 3_600 * NS_PER_S
"""A camera that is off has nothing to look at meanwhile: an hour is as good as a minute."""


@dataclass(frozen=True, slots=True)
class SinceRecording(Backoff):
    """Pauses that grow with the failures since something was recorded: however little that was, it ends the row.

    A camera that is cut off every minute is tried after 5 s each time. An attempt that merely lasts long, because the
    camera does not answer, ends nothing.
    """

    failures: Callable[[], int] = int

    def is_steady(self, duration_ns: int) -> bool:
        """Whether the failure at hand is a first one, whatever time has passed."""
        del duration_ns
        return self.failures() == 0


class CameraWorker:
    """One stream's worker; `run` is called once, `want` and the properties are for other threads too."""

    def __init__(
        self,
        name: str,
        plan: CameraPlan,
        workshop: Workshop,
        footage: Footage,
        ledger: StreamLedger,
        log: Log,
        start: WorkerStart | None,
    ) -> None:
        """`name` is for messages."""
        self.name = name
        self.plan = plan
        self._wanted = plan.wanted
        self._story = GapStory(plan.wanted.cause, "starting")
        self._live = workshop.live.stream(ledger.camera, ledger.stream)
        self._workshop = workshop
        self._footage = footage
        self._ledger = ledger
        self._log = log
        self._start = start
        self._status = StreamStatus("connecting" if plan.is_on else "off")
        self._attempt: Attempt | None = None
        self._ended_before_ns: int | None = None
        self.has_begun = False
        """Whether the stream's record has been begun: the time before is accounted for."""

    @property
    def status(self) -> StreamStatus:
        """What the stream is now."""
        return self._status

    @property
    def waiting(self) -> int:
        """Packets that wait to be recorded."""
        attempt = self._attempt
        return attempt.queue.waiting if attempt is not None else 0

    def want(self, wanted: Wanted) -> None:
        """What is wanted from now on; pictures follow it as they come."""
        before, self._wanted = self._wanted, wanted
        if before.cause != wanted.cause:
            self._story.turned(self._workshop.clock.wall_ns(), wanted.cause)
        self._plan_snapshots()

    def run(self, stop: threading.Event) -> None:
        """Record, or keep the record of not recording, until `stop` is set. Fatal and foreign exceptions are raised."""
        self._plan_snapshots()
        try:
            self._run(stop)
        finally:
            self._workshop.snapshots.drop_plan(self._ledger.camera, self._live)
            self._workshop.live.forget(self._ledger.camera, self._ledger.stream)

    def _run(self, stop: threading.Event) -> None:
        clock = self._workshop.clock
        backoff = SinceRecording(self._workshop.limits.backoff.schedule_s, failures=self._failures_of_camera)
        began = retry("begin", self._begin, backoff, clock, stop, self._log, self._tell_board)
        if began is None:
            return
        self.has_begun = True
        self._ledger.changed(self._status)
        if not self.plan.is_on:
            while not clock.wait(stop, WAIT_NS):
                continue
        else:
            supervise("record", lambda: self._record(stop), backoff, clock, stop, self._log, self._failed)
        self._ledger.paused()

    def _failures_of_camera(self) -> int:
        """A disk is looked at every few seconds, however long the camera had failed before it did."""
        return 0 if self._status.cause == "disk" else self._status.failures

    def _begin(self) -> bool:
        self._ledger.begin(self._start, self._wanted.cause or "starting")
        return True

    def _plan_snapshots(self) -> None:
        """Have the stream's picture kept as often as is wanted; a stream that is off shows none."""
        period_ns = self._wanted.snapshot_ns if self.plan.is_on else 0
        if period_ns:
            self._workshop.snapshots.set_plan(self._ledger.camera, SnapshotPlan(period_ns, (self._live,)))
        else:
            self._workshop.snapshots.drop_plan(self._ledger.camera, self._live)

    def _record(self, stop: threading.Event) -> None:
        self._ended_before_ns = self._footage.ended_ns
        request = SourceRequest(
            camera=self.name,
            url=self.plan.url,
            transport=self.plan.transport,
            wants_audio=self.plan.wants_audio,
            secret=self.plan.secret,
            login=self._read_login(),
            reader=self.plan.reader,
            read_login=self._read_login,
        )
        self._attempt = Attempt(
            *(request, self._workshop, self._footage, self._ledger, self._log),
            *(self._live, lambda: self._wanted, self._on_pictures),
        )
        try:
            self._attempt.run(stop)
        finally:
            self._attempt = None
            self._workshop.snapshots.lost(self._ledger.camera)

    def _read_login(self) -> Secret | None:
        if self.plan.secret is None:
            return None
        try:
            return read_secret(self._workshop.data, self.plan.secret)
        except Transient as error:
            raise SourceFailed("authentication", f"camera {self.name}: {error}") from error
        except Rejected as error:
            raise SourceRefused("authentication", f"camera {self.name}: {error}") from error

    def _on_pictures(self, is_recorded: bool) -> None:
        """Pictures come: the stream is recorded, or it is off though it is read; nothing while a keyframe is due."""
        cause = self._wanted.cause
        if is_recorded:
            status = self._status.recording()
        elif cause is not None:
            status = StreamStatus("off", cause)
        else:
            return
        self._workshop.board.progressed()
        if status != self._status:
            self._status = status
            self._ledger.changed(status)

    def _failed(self, error: Transient | Rejected) -> None:
        cause: Cause = getattr(error, "cause", "disk")  # what has no cause of its own comes from the catalogue
        ended_ns = self._footage.ended_ns
        has_recorded = ended_ns is not None and ended_ns != self._ended_before_ns
        since_ns = ended_ns if has_recorded and ended_ns is not None else self._workshop.clock.wall_ns()
        self._status = self._status.failed(cause)
        for reason in self._story.failed(Reason(since_ns, cause, str(error)), has_recorded):
            self._ledger.lost(reason.since_ns, reason.cause, reason.detail)
        self._follow_clock()
        self._ledger.changed(self._status)
        self._tell_board(error)

    def _follow_clock(self) -> None:
        """A camera that is away has its gap now, and not in a future that a wrong clock has made."""
        try:
            leave_future(self._ledger, self._workshop.clock, self._workshop.clock.wall_ns())
        except Transient as error:
            self._log.debug("clock_not_followed", error=error)

    def _tell_board(self, error: Transient | Rejected) -> None:
        self._workshop.board.failed(str(error))
