"""All cameras of this box: a worker thread for each, following the configuration.

Cameras come, go and change while the others are recorded without a break. A change that matters to a camera's recording
ends its worker, with every segment closed, and begins a new one; the length of segments changes for all at once.
A camera that failed is tried at once when its secret is written anew.

A worker's thread that ends by itself ends the component: that is a fault in the program.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.capture.camera_worker import CameraPlan, CameraWorker
from components.capture.core.reconnect import StreamStatus
from components.capture.stream_ledger import StreamLedger, WorkerStart
from components.capture.workshop import Workshop
from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.applied import AppliedReporter
from components.shared.runtime.config import ConfigWatcher, Snapshot
from components.shared.runtime.log import Log
from components.shared.runtime.secrets import secret_path
from components.shared.wire.site_config import CameraDocument
from components.shared.wire.units import NS_PER_S

LOOK_NS = NS_PER_S
"""How soon a change of the configuration is followed; a look costs a listing of one small folder."""

REPORT_NS = 15 * NS_PER_S
"""How often the answers to the documents are looked through for what is due; a new snapshot is answered at once."""

JOIN_S_MAX = 1.1
"""How long the workers have to close their segments when the component stops, of the 1.3 s that it has."""

Stamp = tuple[int, int] | None
MakeWorker = Callable[[str, CameraPlan, WorkerStart | None], CameraWorker]
MakeLedger = Callable[[str], StreamLedger]


@dataclass(slots=True)
class _Running:
    worker: CameraWorker
    thread: threading.Thread
    stop: threading.Event
    secret_stamp: Stamp
    is_wanted: bool = True


class Cameras:
    """The workers; `run` is the component's main task."""

    def __init__(
        self,
        config: ConfigWatcher,
        applied: AppliedReporter,
        make_worker: MakeWorker,
        make_ledger: MakeLedger,
        known: frozenset[str],
        start: WorkerStart,
        workshop: Workshop,
        log: Log,
    ) -> None:
        """`known` are the cameras that have a row, whether they are configured still or not."""
        self._config = config
        self._applied = applied
        self._make_worker = make_worker
        self._make_ledger = make_ledger
        self._known = set(known)
        self._start = start
        self._workshop = workshop
        self._clock = workshop.clock
        self._log = log
        self._snapshot: Snapshot | None = None
        self._report_due_ns: int | None = None
        self._plans: dict[str, CameraPlan] = {}
        self._named: frozenset[str] = frozenset()
        self._running: dict[str, _Running] = {}
        self._begun: set[str] = set()
        self._failures: list[tuple[str, BaseException]] = []

    def run(self, stop: threading.Event) -> None:
        """Follow the configuration until `stop` is set, then end all workers."""
        try:
            while not stop.is_set():
                self.look()
                self._clock.wait(stop, LOOK_NS)
        finally:
            self._end_all()

    def look(self) -> None:
        """Follow what has changed; raises what ended a worker that should not have ended."""
        self._follow_config()
        for camera, running in list(self._running.items()):
            if not running.thread.is_alive():
                self._ended(camera, running)
            elif self._plans.get(camera) != running.worker.plan or self._has_new_secret(running):
                running.is_wanted = False
                running.stop.set()
                self._workshop.scribe.wake()
        for camera, plan in self._plans.items():
            if camera not in self._running:
                self._begin(camera, plan)
        self._forget_removed()
        self._workshop.board.backlog(sum(running.worker.waiting for running in self._running.values()))
        self._report()

    def statuses(self) -> dict[str, StreamStatus]:
        """What each camera's stream is now."""
        return {camera: running.worker.status for camera, running in self._running.items()}

    def _report(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._snapshot is not None and (self._report_due_ns is None or now_ns >= self._report_due_ns):
            self._applied.report(self._snapshot)
            self._report_due_ns = now_ns + REPORT_NS

    def _follow_config(self) -> None:
        try:
            snapshot = self._config.poll()
        except Transient as error:
            self._log.warning("config_not_read", error=error)
            return
        if snapshot is None:
            return
        self._snapshot = snapshot
        self._report_due_ns = None
        site = snapshot.site.document
        self._workshop.segment.target_ns = site.recording.segment_s * NS_PER_S
        # A camera whose document is not good (yet) is still one of the site's: its record goes on.
        self._named = frozenset(site.cameras)
        self._plans = {camera: _plan(loaded.document) for camera, loaded in snapshot.cameras.items()}
        self._log.info("config_followed", cameras=len(self._plans), segment_s=site.recording.segment_s)

    def _begin(self, camera: str, plan: CameraPlan) -> None:
        start = None if camera in self._begun else self._start
        worker = self._make_worker(camera, plan, start)
        stop = threading.Event()
        thread = threading.Thread(target=self._guard, args=(worker, stop), name=f"record-{camera}", daemon=True)
        self._running[camera] = _Running(worker, thread, stop, self._secret_stamp(plan))
        self._begun.add(camera)
        self._known.add(camera)
        thread.start()

    def _guard(self, worker: CameraWorker, stop: threading.Event) -> None:
        try:
            worker.run(stop)
        except BaseException as error:  # noqa: BLE001 - raised again by the task that watches the threads
            self._failures.append((worker.camera, error))

    def _ended(self, camera: str, running: _Running) -> None:
        for failed, error in self._failures:
            self._log.error("worker_of_camera_failed", camera=failed, kind=type(error).__name__, error=error)
            raise error
        if running.is_wanted:
            raise Fatal(f"camera {camera}: its worker ended by itself")
        del self._running[camera]

    def _forget_removed(self) -> None:
        """End the records of streams that are no longer configured: those of now, and those of before this process."""
        if self._snapshot is None:
            return
        for camera in sorted(self._known - self._named - self._running.keys()):
            try:
                self._make_ledger(camera).removed()
            except (Transient, Rejected) as error:
                self._log.warning("camera_not_forgotten", camera=camera, error=error)
                continue
            self._known.discard(camera)
            self._begun.discard(camera)
            self._log.info("camera_removed", camera=camera)

    def _has_new_secret(self, running: _Running) -> bool:
        """Whether the secret was written since; a camera that records goes on with the one it has."""
        stamp = self._secret_stamp(running.worker.plan)
        if stamp == running.secret_stamp:
            return False
        running.secret_stamp = stamp
        return running.worker.status.state != "recording"

    def _secret_stamp(self, plan: CameraPlan) -> Stamp:
        if plan.secret is None:
            return None
        try:
            found = secret_path(self._workshop.data, plan.secret).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _end_all(self) -> None:
        for running in self._running.values():
            running.stop.set()
        self._workshop.scribe.wake()
        end_ns = self._clock.monotonic_ns() + int(JOIN_S_MAX * NS_PER_S)
        for camera, running in self._running.items():
            running.thread.join(max(0.0, (end_ns - self._clock.monotonic_ns()) / NS_PER_S))
            if running.thread.is_alive():
                self._log.warning("worker_left_behind", camera=camera)


def _plan(document: CameraDocument) -> CameraPlan:
    return CameraPlan(
        url=document.source.url,
        secret=document.source.secret,
        transport=document.source.transport,
        wants_audio=document.audio,
        is_on=document.mode != "off",
    )
