"""A crew in this process: a thread for each camera's worker, one that reads all cameras and one that records them.

It is what a crew's own process runs, and what tests run without one. A thread that fails, or a worker that ends by
itself, is a fault in the program: `look` raises it, and the process ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.camera_worker import CameraWorker
from components.capture.core.reconnect import StreamStatus
from components.capture.crew import CameraReport, CrewEnd
from components.capture.footage import Footage
from components.capture.hints import GivesHints
from components.capture.import_folder import FolderImporter, ImportPlan, ImportTools
from components.capture.import_ledger import ImportLedger
from components.capture.import_rows import ImportRows
from components.capture.import_segments import Archive
from components.capture.stream_ledger import StreamLedger
from components.capture.stream_rows import StreamRows
from components.capture.workshop import Workshop
from components.shared.catalogue.capture import Volume
from components.shared.errors import Fatal
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import StreamName, split_stem


class Worker(Protocol):
    """Keeps the record of one camera, in a thread of its own."""

    @property
    def has_begun(self) -> bool:
        """Whether the stream's record has been begun."""

    @property
    def status(self) -> StreamStatus:
        """What the stream is now."""

    @property
    def waiting(self) -> int:
        """Packets, or files, that wait."""

    def want(self, wanted: Wanted) -> None:
        """What is wanted from now on."""

    def run(self, stop: threading.Event) -> None:
        """Do it until `stop` is set."""


MakeWorker = Callable[[str, CameraPlan, WorkerStart | None], Worker]


@dataclass(frozen=True, slots=True)
class _Running:
    worker: Worker
    thread: threading.Thread
    stop: threading.Event


def workers_of(
    workshop: Workshop, rows: StreamRows, imports: ImportRows, volume: Volume, hints: GivesHints, log: Log
) -> MakeWorker:
    """What makes the workers of a crew: each with the footage and the record of its stream."""
    tools = ImportTools(
        clock=workshop.clock,
        board=workshop.board,
        is_whole=workshop.is_whole,
        has_room=lambda: workshop.disk.has_room,
        target_ns=lambda: workshop.segment.target_ns,
    )

    def make_importer(camera: str, stream: StreamName, plan: ImportPlan, bound: Log) -> Worker:
        ledger = ImportLedger(camera, stream, rows, hints, workshop.clock, bound)
        return FolderImporter(plan, Archive(camera, stream, rows, imports, volume, hints), ledger, tools, bound)

    def make_worker(name: str, plan: CameraPlan, start: WorkerStart | None) -> Worker:
        camera, stream = split_stem(name)
        bound = log.bind(camera=camera) if stream == "main" else log.bind(camera=camera, stream=stream)
        if plan.folder is not None and plan.is_on:
            files = ImportPlan(Path(plan.folder), ZoneInfo(plan.time_zone), plan.wants_audio)
            return make_importer(camera, stream, files, bound)
        footage = Footage(camera, stream, rows, volume, workshop.disk, hints, bound)
        ledger = StreamLedger(camera, stream, rows, hints, workshop.clock, bound)
        return CameraWorker(name, plan, workshop, footage, ledger, bound, start)

    return make_worker


class CameraThreads:
    """See the protocol, Crew."""

    def __init__(self, name: str, make_worker: MakeWorker, workshop: Workshop, log: Log) -> None:
        """`workshop` is that of the workers which `make_worker` makes, and of this crew alone."""
        self.name = name
        self._make_worker = make_worker
        self._workshop = workshop
        self._log = log
        self._running: dict[str, _Running] = {}
        self._failures: list[tuple[str, BaseException]] = []
        self._is_stopping = False
        self._all_ended = threading.Event()
        self._start("pump", lambda: workshop.pump.run(self._all_ended))
        self._start("scribe", lambda: workshop.scribe.run(self._all_ended))
        self._start("live", lambda: workshop.live.run(self._all_ended))
        self._start("snapshots", lambda: workshop.snapshots.run(self._all_ended))

    @property
    def cameras(self) -> Mapping[str, CameraReport]:
        """Those with a thread."""
        return {
            camera: CameraReport(running.worker.status, running.worker.waiting, running.worker.has_begun)
            for camera, running in self._running.items()
        }

    @property
    def is_ending(self) -> bool:
        """Whether a camera has been told to end and has not yet."""
        return self._is_stopping or any(running.stop.is_set() for running in self._running.values())

    def begin(self, camera: str, plan: CameraPlan, start: WorkerStart | None) -> None:
        """See Crew."""
        worker = self._make_worker(camera, plan, start)
        stop = threading.Event()
        self._running[camera] = _Running(worker, self._start(f"record-{camera}", lambda: worker.run(stop)), stop)

    def end(self, camera: str) -> None:
        """See Crew."""
        self._running[camera].stop.set()
        self._workshop.scribe.wake()

    def want(self, camera: str, wanted: Wanted) -> None:
        """See Crew."""
        if camera in self._running:
            self._running[camera].worker.want(wanted)

    def tune(self, segment_ns: int, has_room: bool) -> None:
        """See Crew; whether there is room the workers see by themselves."""
        del has_room
        self._workshop.segment.target_ns = segment_ns

    def look(self) -> CrewEnd | None:
        """See Crew; raises what a worker failed with."""
        for thread, error in self._failures:
            self._log.error("thread_failed", thread=thread, kind=type(error).__name__, error=error)
            raise error
        for camera, running in list(self._running.items()):
            if running.thread.is_alive():
                continue
            if not running.stop.is_set():
                raise Fatal(f"camera {camera}: its worker ended by itself")
            del self._running[camera]
        if not self._is_stopping or self._running:
            return None
        self._all_ended.set()
        return CrewEnd()

    def stop(self) -> None:
        """See Crew."""
        self._is_stopping = True
        for running in self._running.values():
            running.stop.set()
        self._workshop.scribe.wake()

    def kill(self) -> None:
        """Threads cannot be ended; they end with the process."""

    def _start(self, name: str, run: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self._guard, args=(name, run), name=name, daemon=True)
        thread.start()
        return thread

    def _guard(self, name: str, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised again by the look of whoever watches the threads
            self._failures.append((name, error))
