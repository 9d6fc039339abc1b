"""A crew's own process, from its first order to its end.

Its main thread reads orders and reports: what changes at once, that nothing does every two seconds. It touches neither
disk nor catalogue, so that its reports say whether the process lives and nothing else. Cameras have their threads, and
so has the group sync of their files. What is written in the catalogue, and hints, go to the keeper as calls.

A camera's thread that fails ends the process with exit code 1, the reason logged: the keeper settles what is left.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from components.capture.calls import Caller
from components.capture.camera_threads import CameraThreads, workers_of
from components.capture.clock_watch import ClockWatch
from components.capture.core.segmenter import IsWhole
from components.capture.crew import CameraReport
from components.capture.crew_messages import (
    REPORT_ERRORS_MAX,
    BeginCamera,
    CrewReport,
    EndCamera,
    Setup,
    Stop,
    Tune,
    Want,
    post,
    receive,
)
from components.capture.group_sync import GroupSync
from components.capture.jpeg import to_jpeg
from components.capture.live_server import LiveServer
from components.capture.packet_source import OpenSource
from components.capture.pump import Pump
from components.capture.recorded_file import DISK, DiskDoor
from components.capture.remote_rows import RemoteHints, RemoteImports, RemoteRows
from components.capture.scribe import Scribe
from components.capture.snapshots import Snapshots
from components.capture.workshop import RecorderLimits, Workshop
from components.shared.errors import NvrError, Transient
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.clock_sync import read_synchronised
from components.shared.runtime.line_writer import LineWriter
from components.shared.runtime.log import Log, json_log
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_MS, NS_PER_S

LOOK_NS = 500 * NS_PER_MS
"""How old the keeper's knowledge of a stream may be."""

REPORT_NS = 2 * NS_PER_S
"""How often a crew says that nothing has changed; a report costs 50 us on each side."""

WAITING_TOLD = 100
"""Packets that wait for the disk are told in steps of this: a few always do."""

END_LOOK_NS = 10 * NS_PER_MS
"""How often it looks while a camera ends: that should take as long as it needs and no longer."""

TRACEBACK_CHARS_MAX = 1_500


@dataclass(frozen=True, slots=True)
class CrewSources:
    """Where a crew's packets come from, who says whether a keyframe is one, and how files get to the disk."""

    open_source: OpenSource
    is_whole: IsWhole
    limits: RecorderLimits = field(default_factory=RecorderLimits)
    door: DiskDoor = DISK


class ToldRoom:
    """Whether the disk has room, as the keeper says: it looks for all crews."""

    def __init__(self) -> None:
        self.reserve_bytes = 0
        self.has_room = True

    def seen(self, free_bytes: int) -> bool:
        """Nothing: the keeper sees it too."""
        del free_bytes
        return False


class ReportedBoard:
    """What is to be reported for the status board; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_progressed = False
        self._errors: list[str] = []

    def progressed(self) -> None:
        """Work was done just now."""
        self._has_progressed = True

    def failed(self, text: str) -> None:
        """Something went wrong."""
        with self._lock:
            self._errors = [*self._errors[1 - REPORT_ERRORS_MAX :], text]

    def take(self) -> tuple[bool, tuple[str, ...]]:
        """Whether there was progress, and what went wrong, since the last time."""
        with self._lock:
            taken = self._has_progressed, tuple(self._errors)
            self._has_progressed, self._errors = False, []
        return taken


def run_crew(orders: socket.socket, calls: socket.socket, sources: CrewSources) -> int:
    """Record what the keeper says until it says stop, or is gone; the exit code."""
    setup = _first_order(orders)
    log = json_log(CAPTURE, setup.log_level, LineWriter(), SystemClock(), setup.thing)
    clock = ClockWatch(SystemClock(), read_synchronised, log, setup.clock_ahead_ns)
    log.info("crew_began", crew=setup.name, process=os.getpid())
    try:
        _Crew(setup, orders, calls, sources, clock, log).run()
    except EOFError:
        return 1  # there is no keeper: what is left here is settled by the next one
    except Exception as error:  # noqa: BLE001 - a fault in the program ends the crew; this is where that is told
        details = {} if isinstance(error, NvrError) else {"traceback": _traceback(error)}
        log.error("crew_failed", crew=setup.name, kind=type(error).__name__, error=error, **details)
        return 1
    return 0


class _Crew:
    def __init__(
        self,
        setup: Setup,
        orders: socket.socket,
        calls: socket.socket,
        sources: CrewSources,
        clock: ClockWatch,
        log: Log,
    ) -> None:
        self._orders = orders
        self._followed = 1  # the setup
        self._board = ReportedBoard()
        self._room = ToldRoom()
        self._log = log
        self._clock = clock
        caller = Caller(calls)
        disk = GroupSync(setup.volume.root, self._room, clock, log, sources.door)
        threading.Thread(target=disk.run, args=(threading.Event(),), name="sync", daemon=True).start()
        live = LiveServer(setup.data, clock, log)
        scribe = Scribe(clock, live.is_watched)
        pump = Pump(clock, scribe.wake, live.is_watched)
        workshop = Workshop(
            *(setup.data, sources.open_source, sources.is_whole, disk, self._board, clock, pump, scribe),
            *(live, Snapshots(setup.data, to_jpeg, clock, log)),
            limits=sources.limits,
        )
        rows, imports, hints = RemoteRows(caller), RemoteImports(caller), RemoteHints(caller)
        make_worker = workers_of(workshop, rows, imports, setup.volume, hints, log)
        self._threads = CameraThreads(setup.name, make_worker, workshop, log)
        self._unsaid: tuple[bool, tuple[str, ...]] = (False, ())
        self._told: object = None
        self._report_due_ns = 0

    def run(self) -> None:
        """Follow orders until all cameras have ended after a stop. EOFError when the keeper is gone."""
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        while self._threads.look() is None:
            self._report()
            wait_ns = END_LOOK_NS if self._threads.is_ending else LOOK_NS
            poll.poll(wait_ns // NS_PER_MS)
            while (order := receive(self._orders)) is not None:
                self._follow(order)

    def _follow(self, order: object) -> None:
        self._followed += 1
        if isinstance(order, BeginCamera):
            self._threads.begin(order.camera, order.plan, order.start)
        elif isinstance(order, EndCamera):
            self._threads.end(order.camera)
        elif isinstance(order, Want):
            self._threads.want(order.camera, order.wanted)
        elif isinstance(order, Tune):
            self._room.has_room = order.has_room
            self._threads.tune(order.segment_ns, order.has_room)
        elif isinstance(order, Stop):
            self._threads.stop()

    def _report(self) -> None:
        """Tell the keeper what has changed, and now and then that nothing has."""
        progressed, errors = self._board.take()
        before_progressed, before_errors = self._unsaid
        self._unsaid = progressed or before_progressed, (*before_errors, *errors)[-REPORT_ERRORS_MAX:]
        cameras, now_ns = self._threads.cameras, self._clock.monotonic_ns()
        heart = self._followed, _in_steps(cameras), self._unsaid[1]
        if heart == self._told and now_ns < self._report_due_ns:
            return
        with suppress(Transient):  # the keeper is busy: the next report says it
            post(self._orders, CrewReport(self._followed, cameras, *self._unsaid))
            self._unsaid = (False, ())
            self._told = (*heart[:2], ())
            self._report_due_ns = now_ns + REPORT_NS


def _in_steps(cameras: Mapping[str, CameraReport]) -> dict[str, CameraReport]:
    """The same, but for small changes of how much waits."""
    return {
        camera: replace(report, waiting=report.waiting // WAITING_TOLD) if report.waiting else report
        for camera, report in cameras.items()
    }


def _first_order(orders: socket.socket) -> Setup:
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    poll.poll()  # it was sent before, or the keeper is gone: either ends the wait
    setup = receive(orders)
    assert isinstance(setup, Setup), "the keeper says first who the crew is"
    return setup


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]
