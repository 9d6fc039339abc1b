"""What recording a stream needs of the catalogue, as a protocol.

Two keep it: `CaptureWriter`, in the process that owns the catalogue, and `RemoteRows`, which asks that process. One
suite proves both, tests/contract/stream_rows. Each call is one durable transaction, or one read; errors are the three
kinds. What is here may be called by a crew: nothing else of the catalogue is in its reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from components.shared.catalogue.capture import GapRow, RunRow, SegmentRow, StreamRow, Volume
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import WallNs


class StreamRows(Protocol):
    """The rows of streams; see the module, and `CaptureWriter` for each method."""

    def volumes(self) -> list[Volume]: ...

    def streams(self) -> list[StreamRow]: ...

    def set_stream(self, row: StreamRow) -> None: ...

    def remove_stream(self, camera: str, stream: StreamName) -> None: ...

    def begin_run(self, row: RunRow) -> None: ...

    def update_run(self, run: str, frames_received: int, frames_recorded: int) -> None: ...

    def end_run(self, run: str, ended_ns: WallNs, end_cause: str) -> None: ...

    def run(self, run: str) -> RunRow | None: ...

    def open_segment(self, row: SegmentRow) -> None: ...

    def close_segment(
        self, segment: str, facts: SegmentFacts, part_sha256s: Sequence[str], adopted: bool = False
    ) -> int: ...

    def adopt_segment(self, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]) -> int: ...

    def discard_segment(self, segment: str) -> None: ...

    def segment(self, segment: str) -> SegmentRow | None: ...

    def open_segments(self) -> list[SegmentRow]: ...

    def beside(self, row: SegmentRow) -> tuple[WallNs | None, WallNs | None]: ...

    def file_path(self, row: SegmentRow) -> Path: ...

    def begin_gap(self, camera: str, stream: StreamName, start_ns: WallNs, cause: str, detail: str = "") -> None: ...

    def end_gap(self, camera: str, stream: StreamName, end_ns: WallNs) -> bool: ...

    def add_gap(self, row: GapRow) -> None: ...

    def gaps(
        self,
        camera: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        stream: StreamName | None = None,
    ) -> list[GapRow]: ...

    def record_end_ns(self, camera: str, stream: StreamName) -> WallNs | None: ...
