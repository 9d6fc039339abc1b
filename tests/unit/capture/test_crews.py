"""What the keeper does with its crews, step by step, with crews that do what a test says."""

from collections.abc import Iterator, Mapping

import pytest

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.reconnect import StreamStatus
from components.capture.crew import CameraReport, Crew, CrewEnd
from components.capture.crews import RETRY_NS, Crews, Left
from components.shared.errors import Transient
from components.shared.runtime.status import StatusBoard
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

FOLDER = CameraPlan("folder:///drop", None, "tcp", True, True, time_zone="UTC")
PLAN = CameraPlan("rtsp://camera/x", None, "tcp", True, True)
START = WorkerStart(WallNs(1), WallNs(0))
SIZE_MAX = 2


class FakeCrew:
    """Records nothing; ends cameras when it is told to, and itself when a test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.running: dict[str, CameraReport] = {}
        self.begun: list[tuple[str, WorkerStart | None]] = []
        self.plans: dict[str, CameraPlan] = {}
        self.wanted: list[tuple[str, Wanted]] = []
        self.tuned: list[tuple[int, bool]] = []
        self.end_of_it: CrewEnd | None = None
        self.was_killed = False
        self.is_slow = False

    @property
    def cameras(self) -> Mapping[str, CameraReport]:
        return self.running

    def begin(self, camera: str, plan: CameraPlan, start: WorkerStart | None) -> None:
        assert camera not in self.running
        self.begun.append((camera, start))
        self.plans[camera] = plan
        self.running[camera] = CameraReport(StreamStatus("connecting"))

    def end(self, camera: str) -> None:
        if not self.is_slow:
            del self.running[camera]

    def want(self, camera: str, wanted: Wanted) -> None:
        self.wanted.append((camera, wanted))

    def tune(self, segment_ns: int, has_room: bool) -> None:
        self.tuned.append((segment_ns, has_room))

    def look(self) -> CrewEnd | None:
        return self.end_of_it

    def stop(self) -> None:
        if not self.is_slow:
            self.end_of_it = self.end_of_it or CrewEnd()

    def kill(self) -> None:
        self.was_killed = True


class Keeper:
    """Crews with what they are given, to be looked at."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.board = StatusBoard(self.clock)
        self.hired: list[FakeCrew] = []
        self.settled: list[Left] = []
        self.no_settling = False
        self.no_hiring = False
        self.crews = Crews(self._hire, self._settle, self.board, self.clock, self.log, SIZE_MAX)

    def _hire(self, name: str) -> Crew:
        if self.no_hiring:
            raise Transient("no memory")
        self.hired.append(FakeCrew(name))
        return self.hired[-1]

    def _settle(self, left: Left) -> None:
        if self.no_settling:
            raise Transient("the disk is full")
        self.settled.append(left)

    def begin(self, *cameras: str, plan: CameraPlan = PLAN) -> None:
        for camera in cameras:
            self.crews.begin(camera, plan, START)
        self.crews.look()

    def crash(self, camera: str, end: CrewEnd | None = None) -> None:
        """The crew of this camera ends by itself."""
        crew = next(crew for crew in self.hired if camera in crew.running and crew.end_of_it is None)
        crew.end_of_it = end or CrewEnd("signal 11 (SIGSEGV)")
        self.crews.look()

    def who(self) -> list[list[str]]:
        """The cameras of each crew that there is."""
        return sorted(sorted(cameras) for cameras in self.crews.sizes.values())


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    yield Keeper()


def test_crews_are_filled(keeper: Keeper) -> None:
    """As many crews as it takes, each with as many cameras as it may have; the place of one that goes is taken."""
    keeper.begin("a", "b", "c")
    assert keeper.who() == [["a", "b"], ["c"]]
    keeper.crews.end("a")
    keeper.crews.look()
    assert not keeper.crews.holds("a")
    keeper.begin("d", "e")
    assert keeper.who() == [["b", "d"], ["c", "e"]]


def test_files_are_read_by_crews_of_their_own(keeper: Keeper) -> None:
    """What foreign bytes do to a process costs no footage of a camera that is recorded."""
    keeper.begin("a")
    keeper.begin("drive", "other-drive", plan=FOLDER)
    keeper.begin("b")
    assert keeper.who() == [["a", "b"], ["drive", "other-drive"]]


def test_a_crew_without_cameras_is_stopped(keeper: Keeper) -> None:
    """No process is left that does nothing."""
    keeper.begin("a")
    keeper.crews.end("a")
    for _look in range(2):
        keeper.crews.look()
    assert keeper.who() == []
    assert len(keeper.log.named("crew_dismissed")) == 1
    assert not keeper.log.named("crew_ended")
    assert keeper.settled == []


def test_after_a_crash_all_are_back_at_once(keeper: Keeper) -> None:
    """What was left is settled first, once per camera; they share with nobody else, who is not touched."""
    keeper.begin("a", "b", "c")
    keeper.crash("a")
    assert [(left.camera, left.why) for left in keeper.settled] == [
        ("a", "signal 11 (SIGSEGV)"),
        ("b", "signal 11 (SIGSEGV)"),
    ]
    assert keeper.who() == [["a", "b"], ["c"]]
    assert keeper.hired[1].begun == [("c", START)]


def test_after_a_second_crash_each_is_alone(keeper: Keeper) -> None:
    """And the one that crashes then is the only one to wait."""
    keeper.begin("a", "b")
    keeper.crash("a")
    keeper.crash("a")
    assert keeper.who() == [["a"], ["b"]]
    keeper.crash("a")
    assert keeper.who() == [["b"]]
    keeper.clock.advance(10 * NS_PER_S - 1)
    keeper.crews.look()
    assert keeper.who() == [["b"]]
    keeper.clock.advance(1)
    keeper.crews.look()
    assert keeper.who() == [["a"], ["b"]]
    assert [(left.camera, left.crashes) for left in keeper.settled] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
        ("a", 3),
    ]
    error = keeper.board.report("Capture", "0").last_error
    assert error == "the process that recorded a ended: signal 11 (SIGSEGV)"


def test_an_end_that_no_camera_is_to_blame_for(keeper: Keeper) -> None:
    """However often: nobody is put alone."""
    keeper.begin("a", "b")
    for _crash in range(3):
        keeper.crash("a", CrewEnd("signal 9 (SIGKILL)", is_blameless=True))
    assert keeper.who() == [["a", "b"]]


def test_nothing_is_recorded_before_it_is_settled(keeper: Keeper) -> None:
    """A disk that cannot settle holds the camera back, and is asked again every second."""
    keeper.begin("a")
    keeper.no_settling = True
    keeper.crash("a")
    assert keeper.who() == []
    assert len(keeper.log.named("camera_not_settled")) == 1
    keeper.crews.look()
    assert len(keeper.log.named("camera_not_settled")) == 1
    keeper.no_settling = False
    keeper.clock.advance(RETRY_NS)
    keeper.crews.look()
    assert keeper.who() == [["a"]]


def test_a_camera_that_should_end_when_its_crew_crashes(keeper: Keeper) -> None:
    """It is settled, and held no more."""
    keeper.begin("a", "b")
    keeper.hired[0].is_slow = True
    keeper.crews.end("a")
    keeper.crash("a")
    assert not keeper.crews.holds("a")
    assert [left.camera for left in keeper.settled] == ["a", "b"]
    assert keeper.who() == [["b"]]


def test_no_crew_can_be_had(keeper: Keeper) -> None:
    """It is tried again after a pause; nothing is lost by it."""
    keeper.no_hiring = True
    keeper.begin("a", "b")
    assert len(keeper.log.named("crew_not_hired")) == 1
    keeper.no_hiring = False
    keeper.clock.advance(RETRY_NS)
    keeper.crews.look()
    assert keeper.who() == [["a", "b"]]


def test_the_start_is_told_until_a_record_has_begun(keeper: Keeper) -> None:
    """A camera whose crew crashed before it began its record is settled with the start, one that had begun without."""
    keeper.begin("a", "b")
    keeper.hired[0].running["b"] = CameraReport(StreamStatus("recording"), has_begun=True)
    keeper.crews.look()
    keeper.crash("a")
    assert {left.camera: left.start for left in keeper.settled} == {"a": START, "b": None}


def test_crews_are_told_what_all_are_told(keeper: Keeper) -> None:
    """Changes go to all, and to those that come later; what has not changed is not told again."""
    keeper.crews.tune(60, True)
    keeper.begin("a")
    keeper.crews.tune(60, True)
    keeper.crews.tune(60, False)
    assert keeper.hired[0].tuned == [(60, True), (60, False)]


def test_all_end(keeper: Keeper) -> None:
    """A stop waits for crews as long as it may, and kills what is left."""
    keeper.begin("a", "b", "c")
    keeper.hired[1].is_slow = True
    keeper.clock = keeper.crews._clock = FakeClock(auto=True)
    keeper.crews.end_all(NS_PER_S)
    assert [crew.was_killed for crew in keeper.hired] == [False, True]
    (told,) = keeper.log.named("crew_left_behind")
    assert told.fields["cameras"] == ["c"]
