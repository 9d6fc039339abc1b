"""Puts the keeper together: what start-up repairs, the catalogue that it owns, the crews, and the tasks that run.

The keeper is Capture's first process. It owns all that there is once: capture.db, the bus, the configuration. Recording
is done by crews, in processes of their own (`build`), or in this one (`put_together`), for tests and shows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.capture.aftermath import settle_import, settle_left
from components.capture.camera_plan import WorkerStart
from components.capture.cameras import Cameras
from components.capture.clock_watch import ClockWatch, IsSynchronised
from components.capture.core.room import Room
from components.capture.crew import HireCrew
from components.capture.crew_messages import Setup
from components.capture.crew_process import HUNG_NS, CrewProcess
from components.capture.crews import Crews, Left
from components.capture.early_zygote import EarlyZygote
from components.capture.group_sync import GroupSync
from components.capture.hints import Hints
from components.capture.import_ledger import ImportLedger
from components.capture.janitor import Janitor, JanitorTools
from components.capture.packet_source import OpenSource
from components.capture.proven_sources import ProvenSources
from components.capture.recorded_file import DISK, DiskDoor
from components.capture.remote_rows import answering
from components.capture.source_trial import StartTrial
from components.capture.stream_ledger import StreamLedger
from components.capture.trial_process import try_in_processes
from components.capture.trials import Trials
from components.capture.update_guard import UpdateGuard
from components.capture.workshop import RecorderLimits
from components.capture.zygote_link import ZYGOTE_COMMAND, Zygote
from components.shared.catalogue.capture import CaptureWriter, Volume
from components.shared.catalogue.imports import Imports, repair_imports
from components.shared.catalogue.reconcile import Repair, adopt_strays, find_strays, repair_rows
from components.shared.catalogue.strays import Stray
from components.shared.catalogue.verify import Verified, verify
from components.shared.catalogue.volumes import VolumeNote, disk_watch, identify_volumes
from components.shared.runtime.applied import AppliedReporter
from components.shared.runtime.clock_sync import read_synchronised
from components.shared.runtime.component import Build, Context, Task
from components.shared.runtime.config import ConfigWatcher
from components.shared.runtime.files import make_folders
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import split_stem, stream_stem
from components.shared.wire.units import WallNs

VOLUME = "main"
"""The volume that every box has: a folder of the data root."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What was put together: the tasks, and the catalogue that they write, which ends with the process."""

    tasks: tuple[Task, ...]
    catalogue: CaptureWriter


@dataclass(frozen=True, slots=True)
class Supplies:
    """What crews are hired with: all that the keeper owns and they use."""

    context: Context
    catalogue: CaptureWriter
    volume: Volume
    disk: GroupSync
    hints: Hints
    watch: ClockWatch


@dataclass(frozen=True, slots=True)
class Hiring:
    """How crews come about, how sources are tried, and what is to be done when there are no crews any more."""

    hire: HireCrew
    start_trial: StartTrial
    close: Callable[[], None]


def build_with(early: EarlyZygote | None) -> Build:
    """What builds the component's tasks, its crews forked from that zygote as long as it lives.

    It raises Transient while the catalogue or disk cannot be used.
    """
    return lambda context: assemble(context, lambda supplies: hire_processes(supplies, early=early)).tasks


def put_together(
    context: Context,
    open_source: OpenSource,
    room: Room | None = None,
    limits: RecorderLimits | None = None,
    is_synchronised: IsSynchronised = read_synchronised,
    door: DiskDoor = DISK,
) -> Parts:
    """The same without any other process: with another source, reserve, limits, word of the kernel, way to the disk."""
    # Imported here, because only a process that records needs libav: the keeper would pay 20 MB for it.
    from components.capture.crew_here import hire_here

    def hiring(supplies: Supplies) -> Hiring:
        return hire_here(supplies, open_source, limits or RecorderLimits())

    return assemble(context, hiring, room, is_synchronised, door)


def assemble(
    context: Context,
    hiring: Callable[[Supplies], Hiring],
    room: Room | None = None,
    is_synchronised: IsSynchronised = read_synchronised,
    door: DiskDoor = DISK,
) -> Parts:
    """The tasks, with crews as they are hired."""
    clock = ClockWatch(context.clock, is_synchronised, context.log)
    context = replace(context, clock=clock)
    log, stop = context.log, context.stop
    started_ns = clock.monotonic_ns()
    catalogue, volume = _repaired(context)
    clock.begin_after(catalogue.newest_end_ns())
    booted_ns = clock.wall_ns() - clock.monotonic_ns()
    start = WorkerStart(WallNs(booted_ns + started_ns), WallNs(booted_ns))
    strays, failures = find_strays(catalogue)
    _tell(log, failures)
    room = room or Room()
    disk = GroupSync(volume.root, room, clock, log, door, disk_watch(catalogue, VOLUME))
    disk.look()
    hints = Hints(context.bus, clock, log)
    hired = hiring(Supplies(context, catalogue, volume, disk, hints, clock))

    def make_ledger(name: str) -> StreamLedger:
        return StreamLedger(*split_stem(name), catalogue, hints, clock, log.bind(camera=name))

    def settle(left: Left) -> None:
        if left.plan.folder is not None and left.plan.is_on:
            bound = log.bind(camera=left.camera)
            settle_import(
                left, catalogue, ImportLedger(*split_stem(left.camera), catalogue, hints, clock, bound), bound
            )
        else:
            settle_left(left, catalogue, make_ledger, log)

    crews = Crews(hired.hire, settle, context.status, clock, log)
    applied = AppliedReporter(context.bus, context.name, clock)
    known = frozenset(stream_stem(row.camera, row.stream) for row in catalogue.streams())
    trials = Trials(hired.start_trial, ProvenSources(context.data, log), context.data, context.status, clock, log)
    cameras = Cameras(context, applied, crews, disk, make_ledger, trials, known, start)

    guard = UpdateGuard(context.bus, catalogue.open_segments, lambda: cameras.segment_ns, clock, log)
    all_closed = threading.Event()

    def record() -> None:
        try:
            cameras.run(stop)
        finally:
            hired.close()
            all_closed.set()

    tools = JanitorTools(
        *(context.data, room.reserve_bytes, hints, context.status, clock, log),
        lambda: clock.look().is_trusted,
        catalogue.motion_among,
    )
    janitor = Janitor(catalogue, ConfigWatcher(context.data, clock), tools)
    tasks = (
        Task("cameras", record),
        Task("sync", lambda: disk.run(stop)),
        Task("hints", lambda: hints.run(all_closed)),
        Task("strays", lambda: _adopt(context, catalogue, strays, not failures)),
        Task("roll-ups", lambda: _count(context, catalogue)),
        Task("verify", lambda: _hash_unverified(context, catalogue)),
        Task("janitor", lambda: janitor.run(stop)),
        Task("updates", lambda: guard.run(stop)),
    )
    return Parts(tasks, catalogue)


def _repaired(context: Context) -> tuple[CaptureWriter, Volume]:
    """The catalogue and the volume, agreeing again whatever was cut off where."""
    catalogue = CaptureWriter.open(context.data)
    volume = Volume(VOLUME, media_folder(context.data))
    make_folders(volume.root)
    catalogue.register_volume(volume)
    _tell_volumes(context.log, identify_volumes(catalogue))
    volume = next(each for each in catalogue.volumes() if each.volume == VOLUME)  # with its identity: see Footage
    _tell(context.log, repair_rows(catalogue))
    _tell(context.log, repair_imports(catalogue))  # before strays are looked for: what it removes would be one
    return catalogue, volume


def _adopt(context: Context, catalogue: CaptureWriter, strays: Sequence[Stray], is_all: bool) -> None:
    _tell(context.log, adopt_strays(catalogue, strays, is_all, proceed=lambda: not context.stop.is_set()))


def _count(context: Context, catalogue: CaptureWriter) -> None:
    if catalogue.roll_ups_due():
        catalogue.recount_roll_ups(lambda: not context.stop.is_set())


def _hash_unverified(context: Context, catalogue: CaptureWriter) -> None:
    def wait(duration_ns: int) -> bool:
        return context.clock.wait(context.stop, duration_ns)

    verify(catalogue, wait, lambda told: _tell_verified(context.log, told))


def hire_processes(
    supplies: Supplies,
    command: Sequence[str] = ZYGOTE_COMMAND,
    hung_ns: int = HUNG_NS,
    early: EarlyZygote | None = None,
) -> Hiring:
    """Crews in processes of their own, forked from `early`, or from a zygote that `command` starts."""
    context = supplies.context
    zygote = Zygote(context.log, command, early)
    table = answering(supplies.catalogue, Imports(supplies.catalogue), supplies.hints)

    def hire(name: str) -> CrewProcess:
        setup = Setup(
            *(name, context.data, supplies.volume, context.log.level, supplies.watch.ahead_ns), thing=context.thing
        )
        return CrewProcess(setup, zygote.fork(), table, zygote, context.status, context.clock, hung_ns)

    return Hiring(hire, try_in_processes(context.data, context.clock), zygote.close)


def media_folder(data: Path) -> Path:
    """Where the volume that every box has begins."""
    return data / "media" / VOLUME


def _tell(log: Log, repairs: Sequence[Repair]) -> None:
    for repair in repairs:
        log.warning("repaired", what=repair.what, path=repair.where, detail=repair.detail)


def _tell_volumes(log: Log, notes: Sequence[VolumeNote]) -> None:
    for note in notes:
        if note.what == "identified":
            log.info("volume_identified", volume=note.volume, detail=note.detail)
        else:
            log.error("volume_not_there", volume=note.volume, detail=note.detail)


def _tell_verified(log: Log, told: Verified) -> None:
    if told.what == "altered":
        log.error("segment_altered", path=told.where, detail=told.detail)
    elif told.what == "failed":
        log.warning("segment_unverified", path=told.where, detail=told.detail)
