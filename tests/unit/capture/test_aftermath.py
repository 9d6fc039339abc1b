"""What is left of a camera whose crew ended: its rows afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.aftermath import settle_import, settle_left
from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.reconnect import OFFLINE_FAILURES
from components.capture.crews import Left
from components.capture.hints import Hints
from components.capture.import_ledger import ImportLedger
from components.capture.stream_ledger import StreamLedger
from components.shared.catalogue.capture import GapRow, StreamRow
from components.shared.wire.topics import CAPTURE
from tests.fakes.archive import Archive, at
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.segment_files import footage

PLAN = CameraPlan("rtsp://camera/x", None, "tcp", True, True)
FOLDER = CameraPlan("folder:///drop", None, "tcp", True, True, time_zone="UTC")
OFF = CameraPlan("rtsp://camera/x", None, "tcp", True, False, Wanted(None, "policy"))
BETWEEN_SPANS = CameraPlan("rtsp://camera/x", None, "tcp", True, True, Wanted(None, "schedule"))
WHY = "signal 11 (SIGSEGV)"


class Aftermath:
    """A catalogue in which cam-1 was recorded, and its keeper."""

    def __init__(self, data: Path) -> None:
        self.archive = Archive(data)
        self.rows = self.archive.writer
        self.clock = FakeClock(at(100))
        self.log = RecordingLog()
        self.rows.set_stream(StreamRow("cam-1", "main", "recording", "", at(0), 0, at(0)))

    def settle(self, plan: CameraPlan = PLAN, start: WorkerStart | None = None, crashes: int = 1) -> None:
        hints = Hints(FakeBus(CAPTURE), self.clock, self.log)

        def make_ledger(camera: str) -> StreamLedger:
            return StreamLedger(camera, "main", self.rows, hints, self.clock, self.log)

        settle_left(Left("cam-1", plan, start, WHY, crashes), self.rows, make_ledger, self.log)

    def settle_import(self, crashes: int = 1) -> None:
        hints = Hints(FakeBus(CAPTURE), self.clock, self.log)

        ledger = ImportLedger("cam-1", "main", self.rows, hints, self.clock, self.log)
        settle_import(Left("cam-1", FOLDER, None, WHY, crashes), self.rows, ledger, self.log)

    def state(self) -> tuple[str, str, int]:
        (row,) = self.rows.streams()
        return row.state, row.cause, row.failures


@pytest.fixture
def aftermath(tmp_path: Path) -> Iterator[Aftermath]:
    made = Aftermath(tmp_path)
    yield made
    made.archive.close()


def test_what_was_being_recorded_is_kept(aftermath: Aftermath) -> None:
    """The open segment keeps what its file holds, its run ends there, and the gap begins there with what happened."""
    row = aftermath.archive.open(at(10))
    aftermath.archive.put(row, footage(4))
    for _time in range(2):  # a keeper may be interrupted and do it again
        aftermath.settle()
        (kept,) = aftermath.rows.segments("cam-1")
        assert (kept.state, kept.adopted) == ("closed", True)
        assert kept.end_ns is not None
        assert aftermath.rows.gaps("cam-1") == [
            GapRow("cam-1", "main", kept.end_ns, None, "component_down", f"its recording process ended: {WHY}")
        ]
        (run,) = aftermath.rows.runs("cam-1")
        assert (run.ended_ns, run.end_cause) == (kept.end_ns, "component_down")
        assert aftermath.state() == ("connecting", "component_down", 1)


def test_a_camera_that_was_not_recorded(aftermath: Aftermath) -> None:
    """A gap that was open ends when the crew did, and what follows is told apart from it."""
    aftermath.rows.begin_gap("cam-1", "main", at(0), "unreachable", "no route to host")
    aftermath.settle()
    assert [(gap.cause, gap.start_ns, gap.end_ns) for gap in aftermath.rows.gaps("cam-1")] == [
        ("unreachable", at(0), at(100)),
        ("component_down", at(100), None),
    ]


def test_a_camera_whose_record_had_not_begun(aftermath: Aftermath) -> None:
    """The time before Capture began stays a gap of its own."""
    aftermath.rows.add_gap(GapRow("cam-1", "main", at(0), at(20), "unreachable"))
    aftermath.settle(start=WorkerStart(at(90), at(1)))
    assert [(gap.cause, gap.start_ns, gap.end_ns, gap.detail) for gap in aftermath.rows.gaps("cam-1")] == [
        ("unreachable", at(0), at(20), ""),
        ("component_down", at(20), at(90), ""),
        ("component_down", at(90), None, f"its recording process ended: {WHY}"),
    ]


def test_a_camera_that_is_off_stays_off(aftermath: Aftermath) -> None:
    """Nothing of it was lost."""
    aftermath.rows.begin_gap("cam-1", "main", at(0), "policy")
    aftermath.settle(OFF)
    assert aftermath.rows.gaps("cam-1") == [GapRow("cam-1", "main", at(0), None, "policy")]
    assert aftermath.state() == ("off", "", 0)


def test_a_crash_between_spans_loses_nothing(aftermath: Aftermath) -> None:
    """What was read and not to be recorded is missing by schedule, as before; its state tells of the crash."""
    aftermath.rows.begin_gap("cam-1", "main", at(0), "schedule")
    aftermath.settle(BETWEEN_SPANS)
    assert aftermath.rows.gaps("cam-1") == [GapRow("cam-1", "main", at(0), None, "schedule")]
    assert aftermath.state() == ("connecting", "component_down", 1)


@pytest.mark.parametrize(
    ("crashes", "state"), [(1, "connecting"), (OFFLINE_FAILURES - 1, "connecting"), (OFFLINE_FAILURES, "offline")]
)
def test_a_camera_that_only_crashes_is_offline(aftermath: Aftermath, crashes: int, state: str) -> None:
    """Ten crashes count like ten failures: somebody should look."""
    aftermath.settle(crashes=crashes)
    assert aftermath.state() == (state, "component_down", crashes)


@pytest.mark.parametrize(("crashes", "state"), [(1, "connecting"), (OFFLINE_FAILURES, "offline")])
def test_a_camera_that_is_fed_by_files(aftermath: Aftermath, crashes: int, state: str) -> None:
    """The gap of before goes on, since a file may bring that time yet; only its state tells of the crash."""
    aftermath.rows.begin_gap("cam-1", "main", at(0), "not_delivered")
    for _time in range(2):
        aftermath.settle_import(crashes)
        assert aftermath.rows.gaps("cam-1") == [GapRow("cam-1", "main", at(0), None, "not_delivered")]
        assert aftermath.state() == (state, "component_down", crashes)
