"""A crew in a process of its own, as the keeper sees it.

Two sockets lead there: orders and reports on one, calls for the catalogue on the other. A thread of the keeper answers
the calls; reports are read by whoever looks. So a call that waits for a slow disk delays no report, and a crew is only
called hung when its own loop, which touches neither disk nor catalogue, says nothing for `HUNG_NS`. Then it is killed.

Its end is certain when its process is gone and its last call is answered: only then may what it left be settled.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from components.capture.calls import Table, answer_calls
from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.reconnect import StreamStatus
from components.capture.crew import CameraReport, CrewEnd
from components.capture.crew_messages import (
    BeginCamera,
    CrewReport,
    EndCamera,
    Order,
    Setup,
    Stop,
    Tune,
    Want,
    post,
    receive,
)
from components.capture.pidfd import has_ended
from components.capture.workshop import Board
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_MS, NS_PER_S

HUNG_NS = 10 * NS_PER_S
"""A crew reports every two seconds. Ten without a word are no busy machine; its footage is lost by then."""

REASON_NS = 500 * NS_PER_MS
"""How long the reason of a process's end may take to arrive after the end itself."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that was forked for a crew; `pidfd` is the crew's to close."""

    pid: int
    pidfd: int
    orders: socket.socket
    calls: socket.socket


class KnowsEnds(Protocol):
    """Who forked a crew."""

    @property
    def is_there(self) -> bool:
        """Whether it runs; all that it forked ends with it."""

    def reason(self, pid: int) -> str | None:
        """How a process has ended: in words, nothing if in good order. None when that is not known yet."""


class CrewProcess:
    """See the protocol, Crew."""

    def __init__(
        self,
        setup: Setup,
        forked: Forked,
        table: Table,
        zygote: KnowsEnds,
        board: Board,
        clock: Clock,
        hung_ns: int = HUNG_NS,
    ) -> None:
        """`table` is what the crew may call."""
        self.name = setup.name
        self._forked = forked
        self._table = table
        self._zygote = zygote
        self._board = board
        self._clock = clock
        self._hung_ns = hung_ns
        self._news = select.poll()
        self._news.register(forked.orders, select.POLLIN)
        self._news.register(forked.pidfd, select.POLLIN)
        self._ordered = 0
        self._begun: dict[str, int] = {}
        self._cameras: dict[str, CameraReport] = {}
        self._heard_ns: int = clock.monotonic_ns()
        self._looked_ns: int = self._heard_ns
        self._gone_ns: int | None = None
        self._is_stopping = False
        self._why_killed = ""
        self._failure: BaseException | None = None
        self._answering = threading.Thread(target=self._answer, name=f"answer-{self.name}", daemon=True)
        self._answering.start()
        self._order(setup)

    @property
    def cameras(self) -> Mapping[str, CameraReport]:
        """See Crew."""
        return self._cameras

    @property
    def pid(self) -> int:
        """The process."""
        return self._forked.pid

    def begin(self, camera: str, plan: CameraPlan, start: WorkerStart | None) -> None:
        """See Crew."""
        self._cameras[camera] = CameraReport(StreamStatus("connecting" if plan.is_on else "off"))
        self._begun[camera] = self._order(BeginCamera(camera, plan, start))

    def end(self, camera: str) -> None:
        """See Crew."""
        self._order(EndCamera(camera))

    def want(self, camera: str, wanted: Wanted) -> None:
        """See Crew."""
        self._order(Want(camera, wanted))

    def tune(self, segment_ns: int, has_room: bool) -> None:
        """See Crew."""
        self._order(Tune(segment_ns, has_room))

    def stop(self) -> None:
        """See Crew."""
        self._is_stopping = True
        self._order(Stop())

    def kill(self) -> None:
        """See Crew."""
        with suppress(OSError):  # it has gone by itself
            signal.pidfd_send_signal(self._forked.pidfd, signal.SIGKILL)

    def look(self) -> CrewEnd | None:
        """See Crew. Raises what the catalogue failed with when it was called: that is not this crew's matter alone.

        Not while it stops, so that the others may still close what they have.
        """
        if self._failure is not None and not self._is_stopping:
            raise self._failure
        now_ns = self._clock.monotonic_ns()
        if self._gone_ns is None and not self._news.poll(0):  # nearly always: this is asked five times a second
            self._check_hung(now_ns)
            return None
        self._hear(now_ns)
        if self._gone_ns is None:
            if not has_ended(self._forked.pidfd):
                self._check_hung(now_ns)
                return None
            self._gone_ns = now_ns
        if self._answering.is_alive():
            return None
        how = self._zygote.reason(self.pid)
        if how is None and now_ns - self._gone_ns < REASON_NS:
            return None
        self._close()
        if self._is_stopping and how == "":
            return CrewEnd()
        fault = self._why_killed or how or "for a reason that is not known"
        return CrewEnd(fault, is_blameless=not self._zygote.is_there)

    def _order(self, order: Order) -> int:
        """Its number. An order that is not taken is one to a process that hangs or is gone: its end tells."""
        self._ordered += 1
        try:
            post(self._forked.orders, order)
        except Transient as error:
            if not has_ended(self._forked.pidfd):
                self._why_killed = self._why_killed or f"killed: {error}"
                self.kill()
        return self._ordered

    def _hear(self, now_ns: int) -> None:
        while True:
            try:
                report = receive(self._forked.orders)
            except (EOFError, OSError):
                return
            if not isinstance(report, CrewReport):
                return
            self._heard_ns = now_ns
            if report.has_progressed:
                self._board.progressed()
            for error in report.errors:
                self._board.failed(error)
            for camera, number in list(self._begun.items()):
                if camera in report.cameras:
                    self._cameras[camera] = report.cameras[camera]
                elif report.followed >= number:
                    del self._begun[camera], self._cameras[camera]

    def _check_hung(self, now_ns: int) -> None:
        if now_ns - self._looked_ns >= self._hung_ns // 2:
            self._heard_ns = now_ns  # this process itself, or the machine, stood still
        self._looked_ns = now_ns
        if now_ns - self._heard_ns >= self._hung_ns and not self._why_killed:
            self._why_killed = f"killed: it did not answer for {self._hung_ns // NS_PER_S} s"
            self.kill()

    def _answer(self) -> None:
        try:
            answer_calls(self._forked.calls, self._table)
        except BaseException as error:  # noqa: BLE001 - raised again by `look`, in the keeper's thread
            self._failure = error

    def _close(self) -> None:
        self._forked.orders.close()
        self._forked.calls.close()
        os.close(self._forked.pidfd)
