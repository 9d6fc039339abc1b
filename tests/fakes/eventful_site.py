"""A site whose cameras are recorded as real MP4, looked at by VideoProcessor, and uploaded into a store in memory.

Segments last 10 s: a picture every 100 ms, a keyframe every 2 s. Times are seconds from the archive's START_NS.
"""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, EventRow, ThumbnailRow
from components.shared.catalogue.bookmarks import Bookmark, add_bookmark
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.wire.object_keys import StreamName
from tests.fakes.archive import START_NS, Archive, at
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import CloudSyncSite
from tests.fakes.object_store import FakeObjectStore

SEGMENT_S = 10
PICTURE_SHA256 = "0" * 64


class EventfulSite:
    """What happens at the site is told in order; `settle` lets CloudSync sweep and choose, `drain` upload."""

    def __init__(self, data: Path) -> None:
        self.archive = Archive(data)
        self.analysis = AnalysisWriter.open(data)
        self.store = FakeObjectStore()
        self.clock = FakeClock(wall_ns=START_NS)
        self.sync = CloudSyncSite(data, self.store, self.clock)

    def close(self) -> None:
        """The catalogues of all."""
        self.sync.close()
        self.analysis.close()
        self.archive.close()

    def record(
        self, begin_s: float, camera: str = "cam-1", stream: StreamName = "main", seconds: int = SEGMENT_S
    ) -> SegmentRow:
        """A closed segment."""
        return self.archive.record(at(begin_s), seconds, camera, stream)

    def see(self, row: SegmentRow, *events: tuple[float, float | None], picture: bool = False) -> None:
        """VideoProcessor has looked at a segment, and found these events, which may have begun before."""
        found = [
            EventRow(
                f"event-{row.camera}-{begin_s}",
                row.camera,
                at(begin_s),
                None if end_s is None else at(end_s),
                9.0,
                row.segment,
            )
            for begin_s, end_s in events
        ]
        thumbnail = None
        if picture:
            path = row.path.removesuffix("mp4") + "jpg"
            thumbnail = ThumbnailRow(row.segment, row.camera, row.start_ns, row.volume, path, 9, PICTURE_SHA256)
        sequence = row.sequence or 0
        self.analysis.record(AnalysisRow(row.segment, row.camera, sequence, 5, "done"), (), thumbnail, found)
        self.analysis.advance(sequence)

    def bookmark(self, begin_s: float, end_s: float, camera: str = "cam-1") -> None:
        """Somebody wants this span."""
        row = Bookmark(f"mark-{begin_s}", camera, at(begin_s), at(end_s), "", at(end_s))
        add_bookmark(self.archive.writer, row)

    def settle(self) -> int:
        """CloudSync sweeps and chooses until nothing changes; how much came into the queue by choosing."""
        self.sync.sweep()
        added, rounds = 0, 0
        while more := self.sync.choose():
            added, rounds = added + more, rounds + 1
            assert rounds < 20, "it does not come to an end"
        return added

    def queue(self) -> list[str]:
        """The names of what waits, in the order that it goes in."""
        keys: list[str] = []
        while (row := self.sync.ledger.next_due(0, keys)) is not None:
            keys.append(row.key)
        return [key.rpartition("/")[2] for key in keys]
