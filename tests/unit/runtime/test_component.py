"""A worker as a process: it runs its tasks, tells how it is, stops in time, and dies of what it cannot mend."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from components.shared.runtime.component import STATUS_NS
from components.shared.wire.units import NS_PER_S
from tests.unit.runtime.conftest import Start
from tests.unit.runtime.processes import ROOT, Program

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(tmp_path: Path, start: Start) -> Any:
    """Starts the sample component with one of its behaviours."""

    def begin(behaviour: str, *more: str, **environment: str) -> Program:
        arguments = ["-m", "tests.unit.runtime.sample_component", behaviour, "--data", str(tmp_path / "data"), *more]
        return start(arguments, **{"PYTHONPATH": str(ROOT), "AWS_IOT_THING_NAME": "site-1", **environment})

    return begin


def _failure(program: Program) -> dict[str, Any]:
    """The one record of why the worker failed."""
    failures = program.records("worker_failed")
    assert len(failures) == 1, program.text()
    return failures[0]


def test_a_worker_runs_until_it_is_stopped(worker: Any, tmp_path: Path) -> None:
    """SIGTERM ends a worker whose tasks wait, with exit code 0, within two seconds, its bus closed."""
    program: Program = worker("steady", "--version", "1.2.3", "--set", "a=b")
    built = program.await_records("built")[0]
    assert (built["thing"], built["data"], built["settings"]) == ("site-1", str(tmp_path / "data"), {"a": "b"})
    began_s = time.monotonic()
    program.terminate()
    assert program.end() == 0
    assert time.monotonic() - began_s < 2.0
    assert program.records("bus_closed")
    assert program.records("worker_stopped")[0]["hanging"] == []
    assert program.records("worker_failed") == []


def test_a_workers_memory_goes_into_no_file(worker: Any) -> None:
    """A worker leaves no core dump: its limit is 0, soft and hard, and the kernel may not dump it at all."""
    program: Program = worker("exposed")
    told = program.await_records("exposed")[0]
    assert (told["dumpable"], told["core_bytes_max"]) == (0, [0, 0])
    limits = Path(f"/proc/{program.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def test_a_task_that_hangs_does_not_hold_up_the_stop(worker: Any) -> None:
    """A task deaf to `stop` is named and left behind: still exit code 0 within two seconds."""
    program: Program = worker("hanging")
    program.await_records("hanging")
    began_s = time.monotonic()
    program.terminate()
    assert program.end() == 0
    assert time.monotonic() - began_s < 2.0
    assert program.records("worker_stopped")[0]["hanging"] == ["hung"]


def test_a_stop_right_at_the_start_is_heard(worker: Any) -> None:
    """SIGTERM just after the worker began ends it as any other."""
    program: Program = worker("steady")
    program.await_records("worker_began")
    program.terminate()
    assert program.end() == 0


def test_fatal_ends_the_worker_and_is_logged_once(worker: Any) -> None:
    """A broken promise ends all tasks with exit code 1; the one record names task, kind and reason."""
    program: Program = worker("fatal")
    assert program.end() == 1
    failure = _failure(program)
    assert (failure["level"], failure["task"], failure["kind"]) == ("ERROR", "bad", "Fatal")
    assert failure["error"] == "a row without its file"
    assert "traceback" not in failure


def test_a_fault_in_the_program_ends_the_worker_with_its_traceback(worker: Any) -> None:
    """A foreign exception is told with where it was raised, and without secrets."""
    program: Program = worker("foreign")
    assert program.end() == 1
    failure = _failure(program)
    assert failure["kind"] == "ZeroDivisionError"
    assert "sample_component.py" in failure["traceback"]
    assert "hunter2" not in program.text()


@pytest.mark.parametrize(("behaviour", "kind"), [("escaped", "Transient"), ("exiting", "SystemExit")])
def test_whatever_ends_a_task_ends_the_worker(worker: Any, behaviour: str, kind: str) -> None:
    """Neither a failure that nobody supervised nor a task's own exit leaves half a component running."""
    program: Program = worker(behaviour)
    assert program.end() == 1
    assert _failure(program)["kind"] == kind


def test_a_worker_without_tasks_left_ends(worker: Any) -> None:
    """When all tasks have returned although nobody stopped them, the worker fails instead of idling."""
    program: Program = worker("idle")
    assert program.end() == 1
    assert "no task is left" in _failure(program)["error"]


def test_the_status_says_how_the_worker_is(worker: Any) -> None:
    """A status is published at the start and as soon as there is an error, before the next regular one."""
    program: Program = worker("failing", "--version", "1.2.3")
    told = program.await_records("said", 2)
    between = datetime.fromisoformat(told[1]["time"]) - datetime.fromisoformat(told[0]["time"])
    assert between.total_seconds() * NS_PER_S < STATUS_NS
    first, second = told[0]["body"], told[1]["body"]
    assert (first["component"], first["version"], first["last_error"]) == ("Capture", "1.2.3", None)
    assert (second["last_error"], second["started_wall_ns"]) == ("camera cam-1: unreachable", first["started_wall_ns"])


def test_the_last_error_is_published_and_outlives_the_worker(worker: Any, tmp_path: Path) -> None:
    """The dying worker says why, and the next one still does."""
    first: Program = worker("fatal")
    assert first.end() == 1
    reason = "bad: a row without its file"
    assert first.records("said")[-1]["body"]["last_error"] == reason
    assert json.loads((tmp_path / "data" / "run" / "Capture.error.json").read_text())["error"] == reason
    second: Program = worker("steady")
    assert second.await_records("said")[0]["body"]["last_error"] == reason


def test_building_waits_for_what_is_not_there_yet(worker: Any) -> None:
    """A Transient while building is tried again in the same process, told once, and seen in the status."""
    program: Program = worker("late")
    program.await_records("built")
    assert [record["error"] for record in program.records("attempt_failed")] == ["capture.db is not there yet"]
    assert len(program.records("worker_began")) == 1
    assert program.records("said")[-1]["body"]["last_error"] == "capture.db is not there yet"
    program.terminate()
    assert program.end() == 0


def test_what_cannot_be_built_ends_the_worker(worker: Any) -> None:
    """A Rejected while building ends the worker: waiting would not mend it."""
    program: Program = worker("refusing")
    assert program.end() == 1
    assert _failure(program)["task"] == "build"


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT and SVCUID not in the environment"),
        ({"SVCUID": "t"}, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT not in the environment"),
        ({"AWS_IOT_THING_NAME": ""}, "AWS_IOT_THING_NAME is not in the environment"),
        ({"AWS_IOT_THING_NAME": "a b"}, "thing name 'a b'"),
    ],
)
def test_a_worker_without_a_core_says_so_and_ends(worker: Any, environment: dict[str, str], missing: str) -> None:
    """Started by hand, a worker names what is missing and ends with exit code 1."""
    program: Program = worker("greengrass", **environment)
    assert program.end() == 1
    failure = _failure(program)
    assert failure["error"].startswith(missing)
    assert failure["task"] == "start"


@pytest.mark.parametrize("arguments", [["--set", "novalue"], ["--log-level", "LOUD"], ["--unknown"]])
def test_wrong_arguments_are_told(worker: Any, arguments: list[str]) -> None:
    """A wrong argument ends the worker at once with the usage."""
    program: Program = worker("steady", *arguments)
    assert program.end() == 2
    assert "usage: Capture" in program.text()


def test_a_data_root_that_cannot_be_made_is_told(start: Start, tmp_path: Path) -> None:
    """Where a file is in the way of the data root, the worker names the path and ends."""
    (tmp_path / "file").touch()
    arguments = ["-m", "tests.unit.runtime.sample_component", "steady", "--data", str(tmp_path / "file" / "data")]
    program = start(arguments, PYTHONPATH=str(ROOT), AWS_IOT_THING_NAME="site-1")
    assert program.end() == 1
    assert "cannot make folder" in _failure(program)["error"]


def test_a_worker_does_not_load_the_native_client_before_it_needs_it(start: Start) -> None:
    """Importing the room loads neither awscrt nor the client: tests and the cli stay small."""
    program = (
        "import sys; from components.shared.runtime import applied, bus, component, config, secrets\n"
        "print([name for name in sys.modules if name.startswith(('awscrt', 'awsiot', 'boto', 'av', 'numpy'))])"
    )
    loaded = start(["-c", program], PYTHONPATH=str(ROOT))
    assert loaded.end() == 0
    assert loaded.text().strip() == "[]"
