"""Puts Capture together: what start-up repairs, what every camera uses, and the tasks that run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.capture.camera_worker import CameraPlan, CameraWorker
from components.capture.cameras import Cameras
from components.capture.core.room import Room
from components.capture.footage import Footage
from components.capture.group_sync import GroupSync
from components.capture.hints import Hints
from components.capture.packet_source import OpenSource
from components.capture.picture_check import is_whole
from components.capture.pump import Pump
from components.capture.recorded_file import DISK, DiskDoor
from components.capture.rtsp_source import open_rtsp
from components.capture.scribe import Scribe
from components.capture.stream_ledger import StreamLedger, WorkerStart
from components.capture.workshop import RecorderLimits, Workshop
from components.shared.catalogue.capture import CaptureWriter, Volume
from components.shared.catalogue.reconcile import Repair, adopt_strays, find_strays, repair_rows
from components.shared.runtime.applied import AppliedReporter
from components.shared.runtime.component import Context, Task
from components.shared.runtime.files import make_folders
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import WallNs

VOLUME = "main"
"""The volume that every box has: a folder of the data root."""

STREAM: StreamName = "main"


@dataclass(frozen=True, slots=True)
class Parts:
    """What was put together: the tasks, and the catalogue that they write, which ends with the process."""

    tasks: tuple[Task, ...]
    catalogue: CaptureWriter


def build(context: Context) -> Sequence[Task]:
    """The component's tasks; Transient while its catalogue or disk cannot be used."""
    return put_together(context, open_rtsp(context.clock)).tasks


def put_together(
    context: Context,
    open_source: OpenSource,
    room: Room | None = None,
    limits: RecorderLimits | None = None,
    door: DiskDoor = DISK,
) -> Parts:
    """The same with another source of packets, another reserve of disk, other limits, another way to the disk."""
    clock, log, stop = context.clock, context.log, context.stop
    started_ns = clock.wall_ns()
    start = WorkerStart(started_ns, WallNs(started_ns - clock.monotonic_ns()))
    catalogue = CaptureWriter.open(context.data)
    volume = Volume(VOLUME, media_folder(context.data))
    make_folders(volume.root)
    catalogue.register_volume(volume)
    _tell(log, repair_rows(catalogue))
    strays, failures = find_strays(catalogue)
    _tell(log, failures)
    disk = GroupSync(volume.root, room or Room(), clock, log, door)
    disk.look()
    hints = Hints(context.bus, clock, log)
    scribe = Scribe(clock)
    pump = Pump(clock, scribe.wake)
    workshop = Workshop(
        *(context.data, open_source, is_whole, disk, context.status, clock, pump, scribe),
        limits=limits or RecorderLimits(),
    )

    def make_ledger(camera: str) -> StreamLedger:
        return StreamLedger(camera, STREAM, catalogue, hints, clock, log.bind(camera=camera))

    def make_worker(camera: str, plan: CameraPlan, first: WorkerStart | None) -> CameraWorker:
        bound = log.bind(camera=camera)
        footage = Footage(camera, STREAM, catalogue, volume, disk, hints, bound)
        return CameraWorker(camera, plan, workshop, footage, make_ledger(camera), bound, first)

    applied = AppliedReporter(context.bus, context.name, clock)
    known = frozenset(row.camera for row in catalogue.streams())
    cameras = Cameras(context.config, applied, make_worker, make_ledger, known, start, workshop, log)

    def adopt() -> None:
        _tell(log, adopt_strays(catalogue, strays, not failures, proceed=lambda: not stop.is_set()))

    all_closed = threading.Event()

    def record() -> None:
        try:
            cameras.run(stop)
        finally:
            all_closed.set()

    tasks = (
        Task("cameras", record),
        Task("pump", lambda: pump.run(all_closed)),
        Task("scribe", lambda: scribe.run(all_closed)),
        Task("sync", lambda: disk.run(stop)),
        Task("hints", lambda: hints.run(all_closed)),
        Task("strays", adopt),
    )
    return Parts(tasks, catalogue)


def media_folder(data: Path) -> Path:
    """Where the volume that every box has begins."""
    return data / "media" / VOLUME


def _tell(log: Log, repairs: Sequence[Repair]) -> None:
    for repair in repairs:
        log.warning("repaired", what=repair.what, path=repair.where, detail=repair.detail)
