"""The janitor on a small archive with real files, a disk whose room a test sets, and the catalogues of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.capture.core.retention import PassLimits
from components.capture.hints import Hints
from components.capture.janitor import Disk, Janitor, JanitorTools
from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, EventRow
from components.shared.catalogue.capture import SegmentRow
from components.shared.catalogue.sync import Hold, SyncWriter, UploadRow
from components.shared.runtime.config import ConfigWatcher, write_document
from components.shared.runtime.files import Step, make_folders, no_step
from components.shared.runtime.status import StatusBoard
from components.shared.wire.messages import Body
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.site_config import camera_shadow
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.archive import START_NS, Archive
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

DAY_S = 86_400
SEGMENT_BYTES = 140_000
"""More than a segment of 5 s of the archive has."""
RESERVE_BYTES = 10 * SEGMENT_BYTES


class RetentionBox:
    """A data root that opens again after a crash. Wall time begins at START_NS and goes on only by `clock`."""

    def __init__(self, data: Path, limits: PassLimits | None = None, step: Step = no_step) -> None:
        self.data = data
        self.clock = FakeClock(wall_ns=START_NS)
        self.log = RecordingLog()
        self.broker = FakeBroker()
        self.disk_bytes = 10_000_000_000
        self.other_bytes = 0
        self.free_files = 1_000_000
        self.full_roots: set[Path] = set()
        self.is_clock_trusted = True
        self.motion_cameras: set[str] = set()
        self._limits = limits or PassLimits()
        self._version = 0
        self.open(step)

    def open(self, step: Step = no_step) -> None:
        """Open what a process has: catalogue and janitor."""
        make_folders(self.data / "config")
        self.archive = Archive(self.data)
        self.writer = self.archive.writer
        bus = FakeBus(CAPTURE, self.broker, self.log, self.clock)
        self.hints = Hints(bus, self.clock, self.log)
        self.status = StatusBoard(self.clock)
        tools = JanitorTools(
            *(self.data, RESERVE_BYTES, self.hints, self.status, self.clock, self.log),
            is_clock_trusted=lambda: self.is_clock_trusted,
            motion_among=self._motion_among,
            measure=self.measure,
            limits=self._limits,
            step=step,
        )
        self.janitor = Janitor(self.writer, ConfigWatcher(self.data, self.clock), tools)

    def _motion_among(self, segments: Sequence[str]) -> frozenset[str]:
        """Those of cameras in the mode `motion`, whenever a test says that one is."""
        return frozenset(name for name in segments if name.rpartition("_")[0] in self.motion_cameras)

    def close(self) -> None:
        """The process is gone."""
        self.archive.close()

    def measure(self, root: Path) -> Disk:
        """A disk of `disk_bytes` with the files that are there, and `other_bytes` of somebody else's."""
        used = self.other_bytes + sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        free_bytes = 0 if root in self.full_roots else max(0, self.disk_bytes - used)
        return Disk(self.disk_bytes, free_bytes, self.free_files)

    def leave_bytes(self, free_bytes: int) -> None:
        """Something else takes what there is, but for so much."""
        self.other_bytes = 0
        self.other_bytes = self.measure(self.archive.root).free_bytes - free_bytes

    def configure(self, cameras: dict[str, dict[str, object]] | None = None, **retention: object) -> None:
        """Put settings in force: the site's retention, and documents of cameras without their source."""
        self._version += 1
        cameras = cameras or {}
        for camera, fields in cameras.items():
            document: dict[str, object] = {
                "schema": 1, "name": camera, "source": {"url": "rtsp://192.0.2.1/1"}, **fields,
            }  # fmt: skip
            write_document(self.data, camera_shadow(camera), document, self._version, self.clock)
        site = {"schema": 1, "retention": retention, "cameras": dict.fromkeys(cameras, "any")}
        write_document(self.data, "site", site, self._version, self.clock)

    def record(
        self, count: int = 1, camera: str = "cam-1", stream: StreamName = "main", begin_s: float | None = None
    ) -> list[SegmentRow]:
        """Segments of 5 s one after the other, from `begin_s` or from where the record ends."""
        made = []
        for number in range(count):
            start_ns = self.writer.record_end_ns(camera, stream) or START_NS
            if begin_s is not None and number == 0:
                start_ns = WallNs(START_NS + int(begin_s * NS_PER_S))
            made.append(self.archive.record(start_ns, 5, camera, stream))
        return made

    def record_rows(self, count: int, size_bytes: int, camera: str = "cam-1") -> list[SegmentRow]:
        """Segments of any size, without files."""
        (self.archive.root / "mounted").touch()  # an empty root would be a disk that is not there
        made = []
        for _ in range(count):
            row = self.archive.open(self.writer.record_end_ns(camera, "main") or START_NS, camera)
            facts, part_sha256s, _ = facts_from_file([self.archive.file_of(row)])
            self.writer.close_segment(row.segment, replace(facts, size_bytes=size_bytes), part_sha256s)
            closed = self.writer.segment(row.segment)
            assert closed is not None
            made.append(closed)
        return made

    def upload(self, *rows: SegmentRow) -> None:
        """CloudSync has uploaded these."""
        self.queue(*rows)
        writer = SyncWriter.open(self.data)
        for row in rows:
            writer.mark_uploaded(row.path, "etag", self.clock.wall_ns())
        writer.close()

    def queue(self, *rows: SegmentRow, hold: Hold = "") -> None:
        """CloudSync knows these."""
        writer = SyncWriter.open(self.data)
        uploads = [replace(_upload_of(row, self.clock.wall_ns()), hold=hold) for row in rows]
        writer.enqueue("capture", uploads, max((row.sequence or 0 for row in rows), default=0))
        writer.close()

    def refuse(self, row: SegmentRow) -> None:
        """CloudSync will never upload this one."""
        self.queue(row)
        writer = SyncWriter.open(self.data)
        writer.mark_refused(row.path, "another object is at its key")
        writer.close()

    def hold(self, hold: Hold, *rows: SegmentRow) -> None:
        """CloudSync has queued these and holds them."""
        self.queue(*rows, hold=hold)

    def queue_clip(self, row: SegmentRow) -> None:
        """A clip of a segment waits."""
        writer = SyncWriter.open(self.data)
        writer.enqueue(
            "clips",
            [replace(_upload_of(row, self.clock.wall_ns()), key=f"{row.path}+", kind="clip", ranges=((0, 9),))],
            0,
        )
        writer.close()

    def analyse(self, *rows: SegmentRow, state: str = "done") -> None:
        """VideoProcessor has looked at these."""
        writer = AnalysisWriter.open(self.data)
        for row in rows:
            writer.record(AnalysisRow(row.segment, row.camera, row.sequence or 0, 5, state))  # type: ignore[arg-type]
        writer.close()

    def event(self, row: SegmentRow, start_s: float, end_s: float | None) -> None:
        """VideoProcessor found an event, in seconds from START_NS, in a segment."""
        writer = AnalysisWriter.open(self.data)
        start_ns = WallNs(START_NS + int(start_s * NS_PER_S))
        end_ns = None if end_s is None else WallNs(START_NS + int(end_s * NS_PER_S))
        found = EventRow(f"event-{row.camera}-{start_ns}", row.camera, start_ns, end_ns, 20.0, row.segment)
        writer.record(AnalysisRow(row.segment, row.camera, row.sequence or 0, 5, "done"), events=[found])
        writer.close()

    def pass_s(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(int(seconds * NS_PER_S))

    def look(self, times: int = 1, every_s: float = 2.0) -> None:
        """The janitor looks, several times if asked, with time between."""
        for number in range(times):
            if number:
                self.pass_s(every_s)
            self.janitor.look()

    def kept(self) -> list[str]:
        """The ids of the segments that are there, by start; files and rows agree."""
        rows = self.writer.segments(state="closed")
        files = {path.stem for path in self.archive.root.rglob("*.mp4")}
        assert files == {row.segment for row in rows}
        return [row.segment for row in rows]

    def told(self, kind: type[Body]) -> list[Body]:
        """The hints of that kind so far."""
        self.hints.send_waiting()
        return self.broker.bodies(kind)


def _upload_of(row: SegmentRow, queued_ns: WallNs) -> UploadRow:
    return UploadRow(
        *(row.path, "segment", row.camera, row.segment, row.volume, row.path, row.size_bytes, "ab" * 32),
        *(("cd" * 32,), {}, 1, queued_ns),
    )
