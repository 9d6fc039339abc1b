"""What every recorder of this process uses, in one value; made once, in app."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from components.capture.clock_watch import ClockWatch
from components.capture.core.frozen import WatchLimits
from components.capture.core.reconnect import SCHEDULE_S
from components.capture.core.segmenter import IsWhole
from components.capture.group_sync import GroupSync
from components.capture.live_server import LiveServer
from components.capture.packet_queue import WAITING_BYTES_MAX
from components.capture.packet_source import OpenSource
from components.capture.pump import Pump
from components.capture.scribe import Scribe
from components.capture.snapshots import Snapshots
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.recording_config import RecordingSection
from components.shared.wire.units import NS_PER_S


@dataclass(slots=True)
class SegmentLength:
    """How long segments should be; changes with the configuration, for all cameras at once."""

    target_ns: int = RecordingSection().segment_s * NS_PER_S


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """What an attempt puts up with, and the pauses between attempts."""

    watch: WatchLimits = field(default_factory=WatchLimits)
    waiting_bytes_max: int = WAITING_BYTES_MAX
    backoff: Backoff = field(default_factory=lambda: Backoff(schedule_s=SCHEDULE_S))


class Board(Protocol):
    """Where recorders say how they are; see StatusBoard."""

    def progressed(self) -> None:
        """Work was done just now."""

    def failed(self, text: str) -> None:
        """Something went wrong."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """See the module. `data` is the data root, where secrets lie."""

    data: Path
    open_source: OpenSource
    is_whole: IsWhole
    disk: GroupSync
    board: Board
    clock: ClockWatch
    pump: Pump
    scribe: Scribe
    live: LiveServer
    snapshots: Snapshots
    segment: SegmentLength = field(default_factory=SegmentLength)
    limits: RecorderLimits = field(default_factory=RecorderLimits)
