"""What records several cameras, as a protocol: threads of this process, or a process of its own.

A crew is told which cameras to record and ends with all of their segments closed. It never waits: what it was told
happens soon, and `cameras` says what has happened. One thread uses it, the keeper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.reconnect import StreamStatus


@dataclass(frozen=True, slots=True)
class CameraReport:
    """How the recording of a camera is: its stream, the packets that wait, and whether its record has been begun."""

    status: StreamStatus
    waiting: int = 0
    has_begun: bool = False


@dataclass(frozen=True, slots=True)
class CrewEnd:
    """A crew has ended, and nothing of it runs any more.

    `fault` tells how, in words, when it ended by itself; nothing when it was told to. `is_blameless`: its cameras had
    no part in it.
    """

    fault: str = ""
    is_blameless: bool = False


class Crew(Protocol):
    """See the module."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def cameras(self) -> Mapping[str, CameraReport]:
        """The cameras it was told to begin, until they have ended."""

    def begin(self, camera: str, plan: CameraPlan, start: WorkerStart | None) -> None:
        """Record this camera from now on; it must not have it."""

    def end(self, camera: str) -> None:
        """Record it no more."""

    def want(self, camera: str, wanted: Wanted) -> None:
        """This is wanted of the camera from now on; what it has recorded so far goes on without a break."""

    def tune(self, segment_ns: int, has_room: bool) -> None:
        """How long segments should be, and whether the disk has room, for all cameras from now on."""

    def look(self) -> CrewEnd | None:
        """Take note of what has happened since the last look; its end, if it has ended."""

    def stop(self) -> None:
        """End all cameras, then itself."""

    def kill(self) -> None:
        """End it at once, whatever it does."""


HireCrew = Callable[[str], Crew]
"""A new crew of that name. Transient when there can be none now."""
