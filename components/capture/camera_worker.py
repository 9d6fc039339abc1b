"""Keeps one camera recorded: attempts, retries, state and gaps.

It runs in a thread of its own until it is told to stop, and ends with every segment closed. Attempts are made by the
supervisor; what each failure means for the record is decided here. A camera that is switched off has a worker too: its
record goes on, as one gap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.capture.camera_plan import CameraPlan, WorkerStart
from components.capture.core.reconnect import Cause, StreamStatus
from components.capture.footage import Footage
from components.capture.packet_source import SourceFailed, SourceRefused, SourceRequest
from components.capture.recorder import Attempt
from components.capture.run_place import leave_future
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
    """One camera's worker; `run` is called once, the properties may be asked by other threads."""

    def __init__(
        self,
        camera: str,
        plan: CameraPlan,
        workshop: Workshop,
        footage: Footage,
        ledger: StreamLedger,
        log: Log,
        start: WorkerStart | None,
    ) -> None:
        self.camera = camera
        self.plan = plan
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

    def run(self, stop: threading.Event) -> None:
        """Record, or keep the record of not recording, until `stop` is set. Fatal and foreign exceptions are raised."""
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
        self._ledger.begin(self._start, "starting" if self.plan.is_on else "policy")
        return True

    def _record(self, stop: threading.Event) -> None:
        self._ended_before_ns = self._footage.ended_ns
        request = SourceRequest(
            camera=self.camera,
            url=self.plan.url,
            transport=self.plan.transport,
            wants_audio=self.plan.wants_audio,
            secret=self.plan.secret,
            login=self._read_login(),
        )
        self._attempt = Attempt(request, self._workshop, self._footage, self._ledger, self._log, self._on_pictures)
        try:
            self._attempt.run(stop)
        finally:
            self._attempt = None

    def _read_login(self) -> Secret | None:
        if self.plan.secret is None:
            return None
        try:
            return read_secret(self._workshop.data, self.plan.secret)
        except Transient as error:
            raise SourceFailed("authentication", f"camera {self.camera}: {error}") from error
        except Rejected as error:
            raise SourceRefused("authentication", f"camera {self.camera}: {error}") from error

    def _on_pictures(self) -> None:
        self._workshop.board.progressed()
        if self._status.state != "recording":
            self._status = self._status.recording()
            self._ledger.changed(self._status)

    def _failed(self, error: Transient | Rejected) -> None:
        cause: Cause = getattr(error, "cause", "disk")  # what has no cause of its own comes from the catalogue
        ended_ns = self._footage.ended_ns
        has_recorded = ended_ns is not None and ended_ns != self._ended_before_ns
        since_ns = ended_ns if has_recorded and ended_ns is not None else self._workshop.clock.wall_ns()
        self._status = self._status.failed(cause)
        self._ledger.lost(since_ns, cause, str(error))
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
