"""Closed segments and thumbnails as Capture and VideoProcessor leave them: real catalogues, files of seeded bytes.

CloudSync never looks into a file, so that the bytes need not be video.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, ThumbnailRow
from components.shared.catalogue.capture import CaptureWriter
from components.shared.catalogue.capture_rows import RunRow, SegmentRow, Volume, open_row
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs

START_NS = 1_763_000_000 * NS_PER_S
SEGMENT_NS = 5 * NS_PER_S
PART_BYTES = 8 * 1024 * 1024
TIME_BASE = TimeBase(1, 90_000)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file that was recorded, and what it held then."""

    camera: str
    segment: str
    path: Path
    data: bytes


class FakeFootage:
    """Writes segments and thumbnails into a data root, one after the other."""

    def __init__(self, data: Path, seed: int = 1, part_bytes: int = PART_BYTES) -> None:
        self.root = data / "media" / "main"
        self.root.mkdir(parents=True, exist_ok=True)
        self.capture = CaptureWriter.open(data)
        self.analysis = AnalysisWriter.open(data)
        self.capture.register_volume(Volume("main", self.root))
        self._random = random.Random(seed)
        self._part_bytes = part_bytes
        self._count = 0

    def close(self) -> None:
        """Closes the catalogues."""
        self.capture.close()
        self.analysis.close()

    def segment(
        self, size_bytes: int = 1_000, camera: str = "cam-1", stream: StreamName = "main", part_sha256s: bool = True
    ) -> Recorded:
        """A closed segment; `part_sha256s` False writes hashes of its parts that are not theirs."""
        start_ns = WallNs(START_NS + self._count * SEGMENT_NS)
        self._count += 1
        run = f"{camera}-{stream}"
        self.capture.begin_run(RunRow(run, camera, stream, start_ns, None, "avc1.640028", 1280, 720, TIME_BASE))
        row = open_row(camera, stream, start_ns, run, "main")
        self.capture.open_segment(row)
        data = self._random.randbytes(size_bytes)
        path = self._write(row.path, data)
        facts = SegmentFacts(
            start_ns=start_ns,
            end_ns=WallNs(start_ns + SEGMENT_NS),
            run=run,
            codec="avc1.640028",
            width=1280,
            height=720,
            frames=75,
            size_bytes=size_bytes,
            sha256=hashlib.sha256(data).hexdigest(),
            time_base=TIME_BASE,
            start_ticks=0,
            init_bytes=1,
            gops=(Gop(1, size_bytes - 1, 450_000),),
        )
        parts = tuple(
            hashlib.sha256(data[at : at + self._part_bytes] if part_sha256s else b"other").hexdigest()
            for at in range(0, size_bytes, self._part_bytes)
        )
        self.capture.close_segment(row.segment, facts, parts)
        return Recorded(camera, row.segment, path, data)

    def thumbnail(self, of: Recorded, size_bytes: int = 300) -> Recorded:
        """A thumbnail of a segment."""
        data = self._random.randbytes(size_bytes)
        row = self.row(of)
        relative = row.path.removesuffix(".mp4") + ".jpg"
        path = self._write(relative, data)
        self.analysis.record(
            AnalysisRow(row.segment, row.camera, row.sequence or 0, 5, "done"),
            thumbnail=ThumbnailRow(
                row.segment,
                row.camera,
                row.start_ns,
                "main",
                relative,
                size_bytes,
                hashlib.sha256(data).hexdigest(),
            ),
        )
        return Recorded(of.camera, of.segment, path, data)

    def row(self, of: Recorded) -> SegmentRow:
        """The catalogue's row of a segment."""
        row = self.capture.segment(of.segment)
        assert row is not None
        return row

    def delete(self, of: Recorded) -> None:
        """What retention does."""
        self.capture.mark_garbage(of.segment, "older than 30 days")
        of.path.unlink()
        self.capture.drop_garbage(of.segment)

    def _write(self, relative: str, data: bytes) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def key_of(thing: str, recorded: Recorded) -> str:
    """The key that a recorded file must have in the bucket."""
    return f"sites/{thing}/cameras/" + "/".join(recorded.path.parts[-6:])
