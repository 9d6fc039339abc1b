"""What a recorder is told of a camera's stream: how to read it, what is wanted of it, since when this process runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from components.capture.core.schedule import NotRecorded
from components.capture.packet_source import Reader, Transport
from components.shared.wire.recording_config import SpanMode
from components.shared.wire.site_config import FOLDER_SCHEME
from components.shared.wire.units import WallNs


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a stream that is read; a change is followed while it is read, without a break.

    `recorded` is the class of its footage, None when it is not to be recorded, for `cause` then. `snapshot_ns` is how
    often its picture is kept, 0 for never.
    """

    recorded: SpanMode | None = "continuous"
    cause: NotRecorded | None = None
    snapshot_ns: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream is read, and how; `secret` is a name. Another one is tried before the old one is left."""

    url: str
    secret: str | None
    transport: Transport
    reader: Reader


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """How to read a stream: a change of it begins the worker anew, but for what is wanted of it.

    `time_zone` is that of the names of files, for a camera whose footage comes as files; empty for others. `is_tried`:
    whether another source is tried beside the one that is recorded.
    """

    url: str
    secret: str | None
    transport: Transport
    wants_audio: bool
    is_on: bool
    wanted: Wanted = field(default=Wanted(), compare=False)
    time_zone: str = ""
    reader: Reader = "own"
    is_tried: bool = field(default=True, compare=False)

    @property
    def source(self) -> Source:
        """Where it is read."""
        return Source(self.url, self.secret, self.transport, self.reader)

    def reading(self, source: Source) -> CameraPlan:
        """The same of another source."""
        return replace(self, url=source.url, secret=source.secret, transport=source.transport, reader=source.reader)

    @property
    def folder(self) -> str | None:
        """Where the footage comes as files; None for a camera that is read."""
        return self.url.removeprefix(FOLDER_SCHEME) if self.url.startswith(FOLDER_SCHEME) else None


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """When Capture began, and when the box booted, by the wall clock of then."""

    started_ns: WallNs
    booted_ns: WallNs
