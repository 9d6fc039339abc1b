"""A small archive made as Capture makes it: rows, real segment files, and whatever a crash leaves of them."""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.capture import CaptureWriter, RunRow, SegmentRow, Volume, open_row
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.segment_files import HEIGHT, TIME_BASE, WIDTH, segment_file

START_NS = WallNs(1_750_000_000_000_000_000)
"""2025-06-15T15:06:40Z: where records of tests begin."""


def at(seconds: float) -> WallNs:
    """A wall time, counted from START_NS."""
    return WallNs(START_NS + int(seconds * NS_PER_S))


class Archive:
    """A data root with one writer of capture.db and its default volume."""

    def __init__(self, data: Path, volume: str = "main") -> None:
        """Opens (or opens again) the catalogue under `data`."""
        self.data = data
        self.volume = volume
        self.root = data / "media" / volume
        self.root.mkdir(parents=True, exist_ok=True)
        self.writer = CaptureWriter.open(data)
        self.writer.register_volume(Volume(volume, self.root))

    def close(self) -> None:
        """Closes the catalogue."""
        self.writer.close()

    def run(self, camera: str = "cam-1", stream: StreamName = "main", run: str = "run-1") -> str:
        """A run that is there."""
        base = (WIDTH, HEIGHT, TIME_BASE)
        self.writer.begin_run(RunRow(run, camera, stream, START_NS, None, "h264", *base))
        return run

    def open(self, start_ns: WallNs, camera: str = "cam-1", stream: StreamName = "main", run: str = "") -> SegmentRow:
        """An open row without a file."""
        row = self.row(start_ns, camera, stream, run)
        self.writer.open_segment(row)
        return row

    def row(self, start_ns: WallNs, camera: str = "cam-1", stream: StreamName = "main", run: str = "") -> SegmentRow:
        """A row that may be opened: its run is there."""
        return open_row(
            *(camera, stream, start_ns, run or self.run(camera, stream, f"run-{camera}-{stream}"), self.volume)
        )

    def put(self, row: SegmentRow, data: bytes) -> Path:
        """The file of a row with these bytes."""
        path = self.root / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def file_of(self, row: SegmentRow, seconds: int = 5) -> bytes:
        """The complete file that belongs to a row."""
        return segment_file(row.camera, row.start_ns, row.run, row.stream, seconds)

    def record(
        self, start_ns: WallNs, seconds: int = 5, camera: str = "cam-1", stream: StreamName = "main"
    ) -> SegmentRow:
        """A closed segment with its file."""
        row = self.open(start_ns, camera, stream)
        data = self.file_of(row, seconds)
        self.put(row, data)
        facts, part_sha256s, _ = facts_from_file([data])
        self.writer.close_segment(row.segment, facts, part_sha256s)
        closed = self.writer.segment(row.segment)
        assert closed is not None
        return closed
