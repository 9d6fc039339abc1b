"""The launcher: its worker is always running, and no crash of it is ever seen by the core."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from components.shared.runtime.launcher import STAMP_LOOK_S, component_named, pause_s_after
from tests.fakes.waiting import eventually
from tests.unit.runtime.conftest import Start
from tests.unit.runtime.processes import ROOT, Program, lives

LAUNCHER = "components.shared.runtime.launcher"

pytestmark = pytest.mark.slow

WORKERS = {
    # Runs until it is told to stop.
    "steady": "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nwhile True: signal.pause()",
    # Does not listen to SIGTERM.
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()",
    # Ends at once, with an exit code.
    "short": "sys.exit(3)",
    # Tells its environment and arguments.
    "telling": (
        "import json, os\n"
        "print(json.dumps({'event': 'told', 'argv': sys.argv[1:], 'path': os.environ['PYTHONPATH'],"
        " 'masked': sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), 'library': __import__('lib_x').WHO}))\n"
        "sys.stdout.flush()\nwhile True: signal.pause()"
    ),
}


class _Site:
    """A data root with a runtime, and a folder of worker modules."""

    def __init__(self, folder: Path, start: Start) -> None:
        self.data = folder / "data"
        self.runtime = self.data / "runtime" / "abc123"
        self._modules = folder / "modules"
        self._start = start
        self._modules.mkdir(parents=True)
        for name, program in WORKERS.items():
            (self._modules / f"{name}.py").write_text(f"import signal, sys\n{program}\n")

    def stamp(self) -> None:
        packages = self.runtime / "site-packages"
        packages.mkdir(parents=True)
        (packages / "lib_x.py").write_text("WHO = 'runtime'\n")
        (self.runtime / ".stamp").touch()

    def launch(self, module: str, *more: str, longest_s: float = 0.2) -> Program:
        program = (
            f"import sys; from {LAUNCHER} import main; main(sys.argv[1:], lambda n: min(0.025 * 2**n, {longest_s}))"
        )
        arguments = ["--module", module, "--data", str(self.data), "--runtime", "abc123", *more]
        return self._start(["-c", program, *arguments], PYTHONPATH=f"{ROOT}:{self._modules}")

    def state(self, component: str) -> dict[str, int | None]:
        state: dict[str, int | None] = json.loads((self.data / "run" / f"{component}.json").read_text())
        return state


@pytest.fixture
def site(tmp_path: Path, start: Start) -> _Site:
    return _Site(tmp_path, start)


def test_twenty_kills_of_the_worker_are_twenty_restarts(site: _Site) -> None:
    """Kill -9 of the worker, twenty times: it is started again each time, and the launcher stays the same process."""
    site.stamp()
    launcher = site.launch("steady")
    for number in range(20):
        worker = launcher.await_records("worker_started", number + 1)[number]["process"]
        os.kill(worker, signal.SIGKILL)
    started = launcher.await_records("worker_started", 21)
    assert launcher.process.poll() is None
    assert len({record["process"] for record in started}) == 21
    assert {record["signal"] for record in launcher.records("worker_ended")} == {"SIGKILL"}
    assert [record["restarts"] for record in started] == list(range(21))
    eventually(lambda: site.state("Steady")["worker_pid"] == started[20]["process"])
    state = site.state("Steady")
    assert (state["launcher_pid"], state["restarts"]) == (launcher.process.pid, 20)


def test_the_worker_may_leave_no_core_dump(site: _Site) -> None:
    """What the launcher starts has a limit of 0 for core dumps, soft and hard, whatever program it is."""
    site.stamp()
    launcher = site.launch("steady")
    worker = launcher.await_records("worker_started")[0]["process"]
    assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{worker}/limits").read_text(), re.MULTILINE)


def test_a_stop_ends_both_within_two_seconds(site: _Site) -> None:
    """SIGTERM to the launcher goes on to the worker; both are gone in time, and the launcher's exit code is 0."""
    site.stamp()
    launcher = site.launch("steady")
    worker = launcher.await_records("worker_started")[0]["process"]
    _await_program(worker)
    began_s = time.monotonic()
    launcher.terminate()
    assert launcher.end() == 0
    assert time.monotonic() - began_s < 2.0
    assert not lives(worker)
    ended = launcher.records("worker_ended")[0]
    assert (ended["exit_code"], ended["stopping"]) == (0, True)
    assert not (site.data / "run" / "Steady.json").exists()


def test_a_worker_that_does_not_listen_is_killed_in_time(site: _Site) -> None:
    """A worker deaf to SIGTERM is killed; the stop still takes less than two seconds and the exit code is 0."""
    site.stamp()
    launcher = site.launch("deaf")
    worker = launcher.await_records("worker_started")[0]["process"]
    _await_program(worker)
    began_s = time.monotonic()
    launcher.terminate()
    assert launcher.end() == 0
    assert time.monotonic() - began_s < 2.0
    assert not lives(worker)
    assert launcher.records("worker_killed")[0]["process"] == worker


def test_the_worker_dies_with_the_launcher(site: _Site) -> None:
    """Kill -9 of the launcher takes even a worker with it that is deaf to SIGTERM: never two recorders at once."""
    site.stamp()
    launcher = site.launch("deaf")
    worker = launcher.await_records("worker_started")[0]["process"]
    _await_program(worker)
    launcher.process.kill()
    eventually(lambda: not lives(worker), 5)


def test_the_launcher_waits_for_the_stamp(site: _Site) -> None:
    """No worker is started before the runtime is complete; it is soon after."""
    launcher = site.launch("steady")
    awaited = launcher.await_records("runtime_awaited")
    assert awaited[0]["stamp"] == str(site.runtime / ".stamp")
    assert launcher.records("worker_started") == []
    site.stamp()
    launcher.await_records("worker_started")
    assert len(launcher.records("runtime_awaited")) == 1


def test_a_launcher_that_stood_still_goes_on(site: _Site) -> None:
    """A box that was suspended for longer than a wait lasts has told nobody to stop."""
    launcher = site.launch("steady")
    launcher.await_records("runtime_awaited")
    os.kill(launcher.process.pid, signal.SIGSTOP)
    until_s = time.monotonic() + 3 * STAMP_LOOK_S
    eventually(lambda: time.monotonic() > until_s, 60)
    os.kill(launcher.process.pid, signal.SIGCONT)
    site.stamp()
    launcher.await_records("worker_started")


def test_a_launcher_that_waits_for_the_stamp_can_be_stopped(site: _Site) -> None:
    """SIGTERM ends the wait for a runtime that does not come."""
    launcher = site.launch("steady")
    launcher.await_records("runtime_awaited")
    launcher.terminate()
    assert launcher.end(5) == 0


def test_a_launcher_in_a_pause_can_be_stopped(site: _Site) -> None:
    """SIGTERM ends the pause between two workers."""
    site.stamp()
    launcher = site.launch("short", longest_s=600)
    launcher.await_records("worker_ended", 6)
    began_s = time.monotonic()
    launcher.terminate()
    assert launcher.end(5) == 0
    assert time.monotonic() - began_s < 2.0


def test_a_worker_that_ends_at_once_is_tried_again_and_again(site: _Site) -> None:
    """The launcher never gives up and tells each end with its exit code."""
    site.stamp()
    launcher = site.launch("short")
    ended = launcher.await_records("worker_ended", 5)
    assert {record["exit_code"] for record in ended} == {3}
    assert {record["level"] for record in ended} == {"WARNING"}
    assert launcher.process.poll() is None


def test_a_module_that_is_not_there_is_tried_again(site: _Site) -> None:
    """A broken artifact looks like a crash, with Python's own message in the log, and is tried again."""
    site.stamp()
    launcher = site.launch("absent")
    launcher.await_records("worker_ended", 2)
    assert "No module named absent" in launcher.text()
    assert launcher.process.poll() is None


def test_the_worker_finds_the_libraries_and_its_arguments(site: _Site) -> None:
    """The worker has the launcher's path and then the runtime's, its arguments, and no signal masked."""
    site.stamp()
    launcher = site.launch("telling", "--version", "1.2.3", "--set", "a=b", "--set", "c=d")
    told = launcher.await_records("told")[0]
    assert told["argv"] == ["--data", str(site.data), "--version", "1.2.3", "--set", "a=b", "--set", "c=d"]
    assert told["path"].split(":")[0] == str(ROOT)
    assert told["path"].split(":")[-1] == str(site.runtime / "site-packages")
    assert told["library"] == "runtime"
    assert told["masked"] == []


def test_a_data_root_that_takes_no_state_does_not_stop_the_worker(site: _Site) -> None:
    """When the state cannot be written, the launcher says so and the worker runs."""
    site.stamp()
    (site.data / "run").write_text("a file where a folder should be")
    launcher = site.launch("steady")
    worker = launcher.await_records("worker_started")[0]["process"]
    launcher.await_records("state_not_written")
    assert lives(worker)
    _await_program(worker)
    launcher.terminate()
    assert launcher.end() == 0


def test_the_launcher_needs_the_standard_library_only(start: Start) -> None:
    """Without site packages, importing the launcher loads nothing but Python's own modules and its own small ones."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules); import {LAUNCHER}\n"
        "own = {name for name in sys.modules if name.partition('.')[0] not in sys.stdlib_module_names}\n"
        "print(sorted(own - {'__main__'}))"
    )
    loaded = start(["-S", "-I", "-c", program])
    assert loaded.end() == 0, loaded.text()
    assert loaded.text().strip() == str(
        [
            "components",
            "components.shared",
            "components.shared.runtime",
            "components.shared.runtime.launcher",
            "components.shared.runtime.line_writer",
        ]
    )


def test_pauses_double_up_to_the_longest() -> None:
    """A single crash costs a fifth of a second, a row of them at most five seconds each."""
    assert [pause_s_after(crashes) for crashes in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert pause_s_after(100_000) == 5.0


@pytest.mark.parametrize(
    ("module", "component"),
    [("components.capture", "Capture"), ("components.video_processor", "VideoProcessor"), ("steady", "Steady")],
)
def test_a_component_is_named_after_its_package(module: str, component: str) -> None:
    """The name in the log and in the state's file is the one that the topics use."""
    assert component_named(module) == component


def _await_program(process: int) -> None:
    """Wait until the worker runs its own program and has set up its signals."""
    mask = f"/proc/{process}/status"

    def has_handler() -> bool:
        lines = Path(mask).read_text().splitlines()
        masks = dict(line.split(":\t") for line in lines if line.startswith(("SigCgt", "SigIgn")))
        return any(int(value, 16) & 1 << (signal.SIGTERM - 1) for value in masks.values())

    eventually(has_handler, 15)
