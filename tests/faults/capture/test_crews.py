"""Crews that crash, hang or are killed: their cameras lose a second, the others nothing, and the record stays whole."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from components.capture.core.room import Room
from components.shared.catalogue.check import check
from components.shared.errors import Transient
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_S
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import decoded
from tests.fakes.waiting import eventually
from tests.faults.capture import capture_process, crashing_zygote

pytestmark = pytest.mark.slow

NAMES = ("cam-1", "cam-2", "cam-3")
MANY = 32
BACK_S = 10.0
"""A crew is back within a second; connecting, its first keyframe and a busy machine come on top."""


@pytest.fixture(scope="module")
def small_cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """Tiny cameras with a keyframe every 0.4 s, that share one loop."""
    specs = [CameraSpec(f"cam-{n}", "h264", 256, 144, 10, 0.4, 30_000, loop_s=2.0) for n in range(1, MANY + 1)]
    with start_cameras(specs, tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock, small_cameras: RunningCameras) -> CaptureBox:
    box = CaptureBox(tmp_path / "data", clock, segment_s=2)
    for name in NAMES:
        box.set_camera(name, small_cameras.url(name))
    return box


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    """What crashes, see crashing_zygote."""
    path = tmp_path / "faults"
    path.write_text("")
    return path


@pytest.fixture
def command(faults: Path) -> list[str]:
    return [sys.executable, crashing_zygote.__file__, str(faults)]


def crews_of(keeper: int) -> dict[str, int]:
    """The processes of crews below a keeper: those whose parent is its zygote."""
    (zygote,) = zygotes_of(keeper)
    return {f"crew-{number}": child.pid for number, child in enumerate(zygote.children(), 1) if child.is_running()}


def zygotes_of(keeper: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(keeper).children() if "zygote" in " ".join(child.cmdline())]


def wait_recording(box: CaptureBox, names: tuple[str, ...] = NAMES, within_s: float = 20.0) -> None:
    for name in names:
        box.wait_for_state(name, "recording", within_s=within_s)


def runs_of(box: CaptureBox) -> dict[str, int]:
    return {name: len(box.runs(name)) for name in NAMES}


def assert_whole(box: CaptureBox, names: tuple[str, ...] = NAMES) -> None:
    """Every moment is in one segment or gap, every file plays as its row says, rows and files agree."""
    for name in names:
        assert box.coverage(name).is_whole, (box.coverage(name), box.gaps(name))
        for row in box.segments(name):
            assert len(decoded([box.rows.file_path(row)])) == row.frames
        assert all(run.ended_ns is not None for run in box.runs(name))
    assert check(box.data) == []
    assert not box.rows.open_segments()


def test_a_crew_that_is_killed(box: CaptureBox) -> None:
    """Its cameras are recorded again by themselves; what it left is kept, and the gap tells how it ended."""
    with box.running_crews():
        wait_recording(box)
        for name in NAMES:
            box.wait_for_segments(name, 1)
        before = runs_of(box)
        (crew,) = crews_of(os.getpid()).values()
        os.kill(crew, signal.SIGKILL)
        box.wait_for("a run more of each", lambda: all(runs_of(box)[name] > before[name] for name in NAMES), BACK_S)
        wait_recording(box)
    for name in NAMES:
        (down,) = [gap for gap in box.gaps(name) if gap.cause == "component_down"]
        assert down.detail == "its recording process ended: signal 9 (SIGKILL)"
        assert down.end_ns is not None
        assert down.end_ns - down.start_ns < 5 * NS_PER_S
        assert box.runs(name)[0].end_cause == "component_down"
    (told,) = box.log.named("crew_ended")
    assert told.fields["cameras"] == list(NAMES)
    assert_whole(box)


@pytest.mark.parametrize("moment", ["open", "picture"])
def test_a_camera_that_crashes_its_crew(box: CaptureBox, faults: Path, command: list[str], moment: str) -> None:
    """After its second crash every camera has a process of its own: from then on it disturbs nobody, and comes back."""
    bad, *others = NAMES
    with box.running_crews(command):
        wait_recording(box)
        assert len(crews_of(os.getpid())) == 1
        faults.write_text(f"{bad} {moment}\n")
        if moment == "open":
            box.set_camera(bad, box.urls[bad], audio=False)  # it is opened anew
        box.wait_for("a crash of the camera alone", lambda: alone(box, bad), 30.0)
        for name in others:
            box.wait_for_state(name, "recording")
        before = runs_of(box)
        crashes = len(box.log.named("crew_ended"))
        box.wait_for("two more crashes", lambda: len(box.log.named("crew_ended")) >= crashes + 1, 40.0)
        assert [runs_of(box)[name] for name in others] == [before[name] for name in others]
        faults.write_text("")
        box.wait_for("it is back", lambda: is_recording(box, bad), 60.0)
        assert [runs_of(box)[name] for name in others] == [before[name] for name in others]
    ends = box.log.named("crew_ended")
    assert {record.fields["how"] for record in ends} == {"signal 11 (SIGSEGV)"}
    assert [len(record.fields["cameras"]) for record in ends[:3]] == [3, 3, 1]  # type: ignore[arg-type]
    assert all(record.fields["cameras"] == [bad] for record in ends[2:])
    assert "its recording process ended: signal 11 (SIGSEGV)" in {gap.detail for gap in box.gaps(bad)}
    assert_whole(box)


def test_a_fault_in_the_program(box: CaptureBox, faults: Path, command: list[str]) -> None:
    """What only a wrong program raises ends one crew, not the component."""
    with box.running_crews(command):
        wait_recording(box)
        before = runs_of(box)
        faults.write_text("cam-2 error\n")
        box.wait_for("its crew ends", lambda: box.log.named("crew_ended"))
        faults.write_text("")
        box.wait_for("a run more of each", lambda: all(runs_of(box)[name] > before[name] for name in NAMES))
    assert {record.fields["how"] for record in box.log.named("crew_ended")} == {"exit code 1"}
    assert_whole(box)


def test_a_full_disk_is_told_to_crews(box: CaptureBox) -> None:
    """The keeper looks at the disk; its crews record nothing while there is no room, and say so."""
    free = os.statvfs(box.data)
    with box.running_crews(room=Room(free.f_bavail * free.f_frsize * 2)):
        for name in NAMES:
            box.wait_for_state(name, "connecting", "disk")
    assert not box.segments("cam-1")
    assert "the disk is full" in {gap.cause: gap.detail for gap in box.gaps("cam-1")}["disk"]


def alone(box: CaptureBox, camera: str) -> bool:
    return any(record.fields["cameras"] == [camera] for record in box.log.named("crew_ended"))


def is_recording(box: CaptureBox, camera: str) -> bool:
    row = box.stream(camera)
    return row is not None and row.state == "recording"


def test_a_crew_that_hangs(box: CaptureBox) -> None:
    """A crew that says nothing any more is killed, and its cameras are recorded by another."""
    with box.running_crews(hung_ns=5 * NS_PER_S):
        wait_recording(box)
        before = runs_of(box)
        (crew,) = crews_of(os.getpid()).values()
        os.kill(crew, signal.SIGSTOP)
        box.wait_for("a run more of each", lambda: all(runs_of(box)[name] > before[name] for name in NAMES))
    assert {gap.detail for gap in box.gaps("cam-1") if gap.cause == "component_down"} == {
        "its recording process ended: killed: it did not answer for 5 s"
    }
    assert_whole(box)


def test_a_slow_catalogue_is_no_hang(box: CaptureBox) -> None:
    """While the catalogue cannot be written, which holds all calls, no crew is called hung."""
    with box.running_crews(hung_ns=5 * NS_PER_S):
        wait_recording(box)
        with box.holding_catalogue():
            began_ns = box.clock.monotonic_ns()
            eventually(lambda: box.clock.monotonic_ns() - began_ns > 8 * NS_PER_S, 15.0)
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1)
    assert not box.log.named("crew_ended")
    assert_whole(box)


def test_the_zygote_is_killed(box: CaptureBox) -> None:
    """All crews end with it; another one is started, and no camera is suspected."""
    with box.running_crews():
        wait_recording(box)
        for _round in range(2):
            before = runs_of(box)
            (zygote,) = zygotes_of(os.getpid())
            zygote.kill()
            box.wait_for("a run more of each", lambda: all(runs_of(box)[name] > before[name] for name in NAMES))  # noqa: B023
            wait_recording(box)
        assert len(crews_of(os.getpid())) == 1
    assert_whole(box)


def test_cameras_come_and_go(box: CaptureBox, small_cameras: RunningCameras) -> None:
    """A camera that comes, changes or goes touches no other; a crew without cameras ends."""
    with box.running_crews():
        wait_recording(box)
        before = runs_of(box)
        box.set_camera("cam-4", small_cameras.url("cam-4"))
        box.wait_for_state("cam-4", "recording")
        box.set_camera("cam-4", small_cameras.url("cam-5"))
        box.wait_for("another run of cam-4", lambda: len(box.runs("cam-4")) == 2)
        box.remove_camera("cam-4")
        box.wait_for("cam-4 is gone", lambda: box.stream("cam-4") is None)
        assert runs_of(box) == before
        assert len(crews_of(os.getpid())) == 1
        for name in NAMES:
            box.remove_camera(name)
        box.wait_for("no crew", lambda: not crews_of(os.getpid()))


@contextmanager
def keeper(data: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Capture as a process tree of its own; killed at the end if it still runs."""
    command = [sys.executable, capture_process.__file__, "--data", str(data)]
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("are_stopped", [False, True])
def test_crews_end_with_the_keeper(box: CaptureBox, tmp_path: Path, are_stopped: bool) -> None:
    """When the keeper is killed, nothing of it runs on, not even what hangs: the next one has all to itself."""
    with keeper(box.data, tmp_path / "log") as process:
        box.wait_for("recording", lambda: len(open_segments(box)) == len(NAMES))
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == 2
        for child in below if are_stopped else ():
            child.suspend()
        process.kill()
        process.wait()
        eventually(lambda: not any(is_alive(child) for child in below), 1.0, "all are gone")


def test_the_first_zygote_is_the_keepers_own_fork(box: CaptureBox, tmp_path: Path) -> None:
    """It shares the keeper's memory; one that takes its place, because it was killed, is started by a command."""
    log = tmp_path / "log"
    with keeper(box.data, log) as process:
        box.wait_for("recording", lambda: len(open_segments(box)) == len(NAMES))
        (zygote,) = psutil.Process(process.pid).children()
        assert zygote.cmdline() == psutil.Process(process.pid).cmdline()
        assert "zygote_started" not in log.read_text()
        before = runs_of(box)
        zygote.kill()
        box.wait_for("a run more of each", lambda: all(runs_of(box)[name] > before[name] for name in NAMES))
        (another,) = zygotes_of(process.pid)
        assert "zygote_started" in log.read_text()
        process.terminate()
        assert process.wait(10.0) == 0
        eventually(lambda: not is_alive(another), 5.0, "it has ended with the keeper")
    assert_whole(box)


def open_segments(box: CaptureBox) -> list[object]:
    try:
        return list(box.rows.open_segments())
    except Transient:  # the catalogue is not made yet
        return []


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.alone
def test_many_cameras_stop_in_time(box: CaptureBox, tmp_path: Path, small_cameras: RunningCameras) -> None:
    """32 cameras are four crews; SIGTERM, to all processes as a core may send it, ends them within 2 s, all closed."""
    names = tuple(f"cam-{number}" for number in range(1, MANY + 1))
    for name in names:
        box.set_camera(name, small_cameras.url(name))
    with keeper(box.data, tmp_path / "log") as process:
        box.wait_for("all record", lambda: len(open_segments(box)) == MANY, 90.0)
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == 1 + 4
        began_s = time.monotonic()
        for child in below:
            child.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10.0) == 0
        took_s = time.monotonic() - began_s
    assert took_s < 2.0
    assert not box.rows.open_segments()
    for name in names:
        assert [run.end_cause for run in box.runs(name)] == ["stopped"]
        rows = box.segments(name)
        assert all(row.end_ns == later.start_ns for row, later in itertools.pairwise(rows))
    assert check(box.data) == []
    assert "crew_left_behind" not in (tmp_path / "log").read_text()
