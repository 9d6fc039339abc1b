"""What a recorder is told of a camera: what of its document matters to recording, and since when this process runs."""

from __future__ import annotations

from dataclasses import dataclass

from components.capture.packet_source import Transport
from components.shared.wire.units import WallNs


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """What of a camera's document matters here: a change of it begins the worker anew."""

    url: str
    secret: str | None
    transport: Transport
    wants_audio: bool
    is_on: bool


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """When Capture began, and when the box booted, by the wall clock of then."""

    started_ns: WallNs
    booted_ns: WallNs
