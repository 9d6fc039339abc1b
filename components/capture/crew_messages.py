"""What the keeper and a crew's process say to each other beside calls: orders one way, reports the other.

Orders are numbered. A report tells the number of the newest order that was followed and all cameras that are recorded:
so each report says everything, and one that finds no place, because its reader is busy, is not missed. Messages keep
their borders (SOCK_SEQPACKET) and are never waited for. They are pickled for the reason that calls are.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.crew import CameraReport
from components.shared.catalogue.capture import Volume
from components.shared.errors import Transient
from components.shared.runtime.log import Level

MESSAGE_BYTES_MAX = 64 * 1024
"""A report of eight cameras is 1 KiB; the system's own limit for such messages is above 200 KiB."""

REPORT_ERRORS_MAX = 8
"""Errors for the status board between two reports: it keeps the last one."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first order: who the crew is, where it works, how much the keeper's time is ahead of the box's clock.

    `thing` is the site, for the traces in its log.
    """

    name: str
    data: Path
    volume: Volume
    log_level: Level
    clock_ahead_ns: int = 0
    thing: str = ""


@dataclass(frozen=True, slots=True)
class BeginCamera:
    """Record this camera."""

    camera: str
    plan: CameraPlan
    start: WorkerStart | None


@dataclass(frozen=True, slots=True)
class EndCamera:
    """Record it no more."""

    camera: str


@dataclass(frozen=True, slots=True)
class Want:
    """This is wanted of the camera from now on."""

    camera: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Tune:
    """How long segments should be, and whether the disk has room."""

    segment_ns: int
    has_room: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """End all cameras, then yourself."""


Order = Setup | BeginCamera | EndCamera | Want | Tune | Stop


@dataclass(frozen=True, slots=True)
class CrewReport:
    """How a crew is. `followed` orders so far; what was done and what failed since the report before."""

    followed: int
    cameras: Mapping[str, CameraReport]
    has_progressed: bool
    errors: tuple[str, ...]


def post(connection: socket.socket, message: Order | CrewReport) -> None:
    """Send a message without waiting. Transient when it finds no place, or nobody is there."""
    try:
        connection.send(pickle.dumps(message, pickle.HIGHEST_PROTOCOL), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError as error:
        raise Transient(f"a message to the other process is not taken: {error.strerror or error}") from error


def receive(connection: socket.socket) -> object | None:
    """The next message that is there already; None when there is none. EOFError when the other end is closed."""
    with suppress(BlockingIOError):
        data = connection.recv(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
        if not data:
            raise EOFError
        return pickle.loads(data)  # type: ignore[no-any-return]  # noqa: S301 - see calls: from our own process
    return None
