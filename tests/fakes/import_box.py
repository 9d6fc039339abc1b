"""A camera whose footage comes as files: its folder, its importer on a real catalogue, a clock that a test moves."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from components.capture.core.coverage import Coverage, cover
from components.capture.hints import Hints
from components.capture.import_folder import PUT_OFF_NS, SETTLED_NS, FolderImporter, ImportPlan, ImportTools
from components.capture.import_ledger import ImportLedger
from components.capture.import_segments import Archive
from components.capture.picture_check import is_whole
from components.shared.catalogue.capture import CaptureWriter, GapRow, SegmentRow, StreamRow, Volume
from components.shared.catalogue.check import check
from components.shared.catalogue.imports import ImportRow, Imports, repair_imports
from components.shared.catalogue.reconcile import adopt_strays, find_strays, repair_rows
from components.shared.runtime.files import Step, make_folders, no_step
from components.shared.runtime.status import StatusBoard
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_S, Span, WallNs, from_datetime
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

CAMERA = "drive"
LOOKS_MAX = 50


def at(text: str) -> int:
    """The wall time of `YYYY-MM-DDTHH:MM:SS` in UTC."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


class ImportBox:
    """Everything around one importer. `start` begins a new process on what the one before left."""

    def __init__(
        self,
        data: Path,
        now: str = "2026-11-21T12:00:00",
        zone: tzinfo = UTC,
        segment_s: int = 2,
    ) -> None:
        self.data = data
        self.folder = data / "drop"
        make_folders(self.folder)
        self.clock = FakeClock(wall_ns=at(now), auto=True)
        self.log = RecordingLog()
        self.zone = zone
        self.segment_s = segment_s
        self.step_hook: Step = no_step
        self.stop = threading.Event()
        self.has_room = True
        self.start()

    def start(self) -> None:
        """What start-up does, and a new importer."""
        self.catalogue = CaptureWriter.open(self.data)
        volume = Volume("main", self.data / "media" / "main")
        make_folders(volume.root)
        self.catalogue.register_volume(volume)
        self.repairs = [*repair_rows(self.catalogue), *repair_imports(self.catalogue)]
        strays, failures = find_strays(self.catalogue)
        self.repairs += [*failures, *adopt_strays(self.catalogue, strays)]
        self.bus = FakeBus(CAPTURE)
        self.hints = Hints(self.bus, self.clock, self.log)
        self.imports = Imports(self.catalogue)
        archive = Archive(CAMERA, "main", self.catalogue, self.imports, volume, self.hints)
        ledger = ImportLedger(CAMERA, "main", self.catalogue, self.hints, self.clock, self.log)
        tools = ImportTools(
            clock=self.clock,
            board=StatusBoard(self.clock),
            is_whole=is_whole,
            has_room=lambda: self.has_room,
            target_ns=lambda: self.segment_s * NS_PER_S,
            step=lambda name: self.step_hook(name),  # noqa: PLW0108 - it may be replaced later
        )
        plan = ImportPlan(self.folder, self.zone, wants_audio=True)
        self.importer = FolderImporter(plan, archive, ledger, tools, self.log)
        self.importer.begin()

    def crash(self) -> None:
        """The process ends here."""
        self.catalogue.close()

    def settle(self) -> None:
        """Look until nothing is left to do: what is there has settled and was taken."""
        self.importer.look(self.stop)
        self.clock.advance(max(SETTLED_NS, PUT_OFF_NS))
        for _ in range(LOOKS_MAX):
            if not self.importer.look(self.stop):
                return
        raise AssertionError(f"not done after {LOOKS_MAX} looks\n{self.log.text()}")

    def settle_without_work(self) -> None:
        """Let what is there settle, and look once: nothing can be done."""
        self.importer.look(self.stop)
        self.clock.advance(SETTLED_NS)
        self.importer.look(self.stop)

    def run_until_stopped(self) -> None:
        """What the importer does by itself until the stop is set."""
        self.importer.run(self.stop)

    def rows_mtime(self) -> int:
        """The time of change of the only known file."""
        (row,) = self.rows
        return row.key.mtime_ns

    def place(self, name: str) -> Path:
        """Where a file of that name lies in the folder."""
        return self.folder / name

    @property
    def segments(self) -> list[SegmentRow]:
        """The segments of the camera."""
        return self.catalogue.segments(CAMERA, stream="main")

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Their spans, in seconds since 10:00 of the day of the clock."""
        zero_ns = at("2026-11-21T10:00:00")
        return [
            (round((row.start_ns - zero_ns) / NS_PER_S, 3), round(((row.end_ns or 0) - zero_ns) / NS_PER_S, 3))
            for row in self.segments
        ]

    @property
    def gaps(self) -> list[GapRow]:
        """The gaps of the camera."""
        return self.catalogue.gaps(CAMERA)

    @property
    def rows(self) -> list[ImportRow]:
        """What became of the files, by name."""
        return self.imports.of_camera(CAMERA)

    @property
    def stream(self) -> StreamRow:
        """The camera's row."""
        return next(row for row in self.catalogue.streams() if row.camera == CAMERA)

    def files(self) -> list[Path]:
        """The files of the segments."""
        return [self.catalogue.file_path(row) for row in self.segments]

    def coverage(self) -> Coverage:
        """How segments and gaps cover the time since the record begins."""
        now_ns = self.clock.wall_ns()
        segments = [Span(row.start_ns, row.end_ns or row.start_ns) for row in self.segments]
        gaps = [(Span(gap.start_ns, gap.end_ns or WallNs(max(now_ns, gap.start_ns))), gap.cause) for gap in self.gaps]
        return cover(Span(self.stream.enabled_since_ns, now_ns), segments, gaps)

    def assert_whole(self) -> None:
        """Rows and files agree, and the record has no hole and nothing twice."""
        coverage = self.coverage()
        assert coverage.is_whole, f"{coverage}\n{self.log.text()}"
        found = check(self.data, with_hash=True, pause=lambda: None)
        assert not found, found
        on_disk = {
            str(path.relative_to(self.data / "media" / "main"))
            for path in (self.data / "media" / "main").rglob("*")
            if path.is_file()
        }
        assert on_disk == {row.path for row in self.segments}
