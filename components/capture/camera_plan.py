"""What a recorder is told of a camera: what of its document matters to recording, and since when this process runs."""

from __future__ import annotations

from dataclasses import dataclass

from components.capture.packet_source import Transport
from components.shared.wire.site_config import FOLDER_SCHEME
from components.shared.wire.units import WallNs


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """What of a camera's document matters here: a change of it begins the worker anew.

    `time_zone` is that of the names of files, for a camera whose footage comes as files; empty for others.
    """

    url: str
    secret: str | None
    transport: Transport
    wants_audio: bool
    is_on: bool
    time_zone: str = ""

    @property
    def folder(self) -> str | None:
        """Where the footage comes as files; None for a camera that is read."""
        return self.url.removeprefix(FOLDER_SCHEME) if self.url.startswith(FOLDER_SCHEME) else None


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """When Capture began, and when the box booted, by the wall clock of then."""

    started_ns: WallNs
    booted_ns: WallNs
