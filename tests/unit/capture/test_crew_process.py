"""A crew's process as the keeper sees it: what it hears, when it calls it hung, and when its end is certain."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from components.capture.calls import Caller
from components.capture.camera_plan import CameraPlan
from components.capture.core.reconnect import StreamStatus
from components.capture.crew import CameraReport, CrewEnd
from components.capture.crew_messages import BeginCamera, CrewReport, EndCamera, Setup, Stop, Tune, post, receive
from components.capture.crew_process import HUNG_NS, REASON_NS, CrewProcess, Forked
from components.shared.catalogue.capture import Volume
from components.shared.errors import Fatal
from components.shared.runtime.status import StatusBoard
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import eventually

PLAN = CameraPlan("rtsp://camera/x", None, "tcp", True, True)
RECORDING = CameraReport(StreamStatus("recording"), 3, True)
LOOK_NS = NS_PER_S // 5


class FakeZygote:
    """Knows how processes ended when a test says so."""

    def __init__(self) -> None:
        self.is_there = True
        self.ends: dict[int, str] = {}

    def reason(self, pid: int) -> str | None:
        """See KnowsEnds."""
        return self.ends.get(pid)


class Scene:
    """A crew, its process, which does nothing, and the other ends of its sockets."""

    def __init__(self, data: Volume) -> None:
        self.clock = FakeClock()
        self.board = StatusBoard(self.clock)
        self.zygote = FakeZygote()
        self.process = subprocess.Popen(["/bin/sleep", "60"])
        orders, self.orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        calls, self.calls = socket.socketpair()
        self.setup = Setup("crew-1", data.root, data, "INFO")
        self.crew = CrewProcess(
            self.setup,
            Forked(self.process.pid, os.pidfd_open(self.process.pid), orders, calls),
            {"broken": self._break, "ask": lambda: 42},
            *(self.zygote, self.board, self.clock),
        )

    def _break(self) -> None:
        raise Fatal("the catalogue was moved")

    def report(self, followed: int, *cameras: str, errors: tuple[str, ...] = ()) -> None:
        """The process says how it is."""
        post(self.orders, CrewReport(followed, dict.fromkeys(cameras, RECORDING), bool(cameras), errors))

    def pass_time(self, duration_ns: int, reporting: bool = False) -> CrewEnd | None:
        """Look as the keeper does, while so much time passes."""
        end = None
        for _look in range(duration_ns // LOOK_NS):
            self.clock.advance(LOOK_NS)
            if reporting:
                self.report(1)
            end = end or self.crew.look()
        return end

    def has_been_killed(self) -> bool:
        return self.process.poll() == -signal.SIGKILL

    def end_process(self) -> None:
        """It ends, and its sockets with it."""
        self.process.kill()
        self.process.wait()
        self.orders.close()
        self.calls.close()

    def await_end(self) -> CrewEnd:
        """Look until the end is certain."""
        ends: list[CrewEnd] = []

        def looked() -> bool:
            end = self.crew.look()
            if end is not None:
                ends.append(end)
            return bool(ends)

        eventually(looked)
        return ends[0]


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(Volume("main", tmp_path_factory.mktemp("volume")))
    yield made
    made.end_process()


def test_orders_come_in_order(scene: Scene) -> None:
    """The crew is told who it is before anything else."""
    scene.crew.tune(60, True)
    scene.crew.begin("cam-1", PLAN, None)
    scene.crew.end("cam-1")
    scene.crew.stop()
    told = [receive(scene.orders) for _ in range(5)]
    assert told == [scene.setup, Tune(60, True), BeginCamera("cam-1", PLAN, None), EndCamera("cam-1"), Stop()]


def test_a_camera_is_held_until_it_is_known_to_have_ended(scene: Scene) -> None:
    """A report that is older than the order to begin says nothing about that camera; a later one without it does."""
    scene.crew.begin("cam-1", PLAN, None)
    scene.report(1)
    scene.crew.look()
    assert scene.crew.cameras == {"cam-1": CameraReport(StreamStatus("connecting"))}
    scene.report(2, "cam-1")
    scene.crew.look()
    assert scene.crew.cameras == {"cam-1": RECORDING}
    scene.crew.end("cam-1")
    scene.report(3)
    scene.crew.look()
    assert scene.crew.cameras == {}


def test_progress_and_errors_reach_the_board(scene: Scene) -> None:
    """What a crew reports is what the component says of itself."""
    scene.clock.advance(7 * NS_PER_S)
    scene.report(1, "cam-1", errors=("cam-1 is broken",))
    scene.crew.look()
    said = scene.board.report("Capture", "0")
    assert said.last_error == "cam-1 is broken"
    assert said.last_progress_wall_ns == scene.clock.wall_ns()


def test_silence_is_a_hang(scene: Scene) -> None:
    """A crew that says nothing for so long is killed, one that reports is not."""
    assert scene.pass_time(3 * HUNG_NS, reporting=True) is None
    assert scene.process.poll() is None
    scene.pass_time(HUNG_NS - LOOK_NS)
    assert scene.process.poll() is None
    scene.pass_time(2 * LOOK_NS)
    eventually(scene.has_been_killed)
    scene.zygote.ends[scene.process.pid] = "signal 9 (SIGKILL)"
    scene.calls.close()
    assert scene.await_end() == CrewEnd("killed: it did not answer for 10 s")


def test_who_stood_still_calls_nobody_hung(scene: Scene) -> None:
    """After a machine was suspended, or this process was, a crew has its time to report."""
    scene.pass_time(NS_PER_S)
    scene.clock.advance(100 * HUNG_NS)
    assert scene.crew.look() is None
    scene.pass_time(HUNG_NS // 2)
    assert scene.process.poll() is None


def test_a_crew_that_takes_no_orders_is_killed(scene: Scene) -> None:
    """Orders that find no place were not read for a long time."""
    for number in range(100_000):
        scene.crew.tune(number, True)
        if scene.has_been_killed():
            break
    eventually(scene.has_been_killed)


def test_an_end_is_certain_when_the_last_call_is_answered(scene: Scene) -> None:
    """The process is gone, but a call of it may still change rows: only then may they be settled."""
    caller = Caller(scene.calls)
    assert caller.call("ask") == 42
    scene.zygote.ends[scene.process.pid] = "signal 11 (SIGSEGV)"
    scene.process.kill()
    scene.process.wait()
    assert scene.pass_time(NS_PER_S) is None  # the other end of its calls is still open
    scene.calls.close()
    assert scene.await_end() == CrewEnd("signal 11 (SIGSEGV)")


def test_a_reason_may_come_later(scene: Scene) -> None:
    """Or never, which is waited for a moment only."""
    scene.end_process()
    assert scene.crew.look() is None
    scene.clock.advance(REASON_NS)
    assert scene.await_end() == CrewEnd("for a reason that is not known")


def test_an_end_with_the_zygote_is_no_cameras_fault(scene: Scene) -> None:
    """All crews end then."""
    scene.zygote.is_there = False
    scene.zygote.ends[scene.process.pid] = "signal 9 (SIGKILL)"
    scene.end_process()
    assert scene.await_end().is_blameless


@pytest.mark.parametrize(("how", "fault"), [("", ""), ("exit code 1", "exit code 1")])
def test_an_end_that_was_asked_for(scene: Scene, how: str, fault: str) -> None:
    """In good order it is no fault; one that crashed while it stopped did crash."""
    scene.crew.stop()
    scene.zygote.ends[scene.process.pid] = how
    scene.end_process()
    assert scene.await_end() == CrewEnd(fault)


def test_a_broken_promise_of_the_catalogue_is_the_keepers(scene: Scene) -> None:
    """Whichever crew was told so: the keeper ends, so that start-up repairs; but not in a stop, where others close."""
    with pytest.raises(Fatal, match="moved"):
        Caller(scene.calls).call("broken")

    def is_raised() -> bool:
        try:
            scene.crew.look()
        except Fatal:
            return True
        return False

    eventually(is_raised)
    scene.crew.stop()
    assert not is_raised()
