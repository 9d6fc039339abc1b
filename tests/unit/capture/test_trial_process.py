"""A trial in a process of its own: whatever becomes of the process, there is a verdict."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.capture.camera_plan import Source
from components.capture.core.trial import Verdict
from components.capture.source_trial import Trial
from components.capture.trial_process import TRIAL_NS_MAX, try_in_processes
from components.shared.errors import Transient
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import eventually

SOURCE = Source("rtsp://127.0.0.1:1/main", "yard", "tcp", "own")

pytestmark = pytest.mark.slow


def verdict_of(data: Path, code: str) -> Verdict:
    """What is said of a process that runs this code."""
    return ended(try_in_processes(data, FakeClock(), [sys.executable, "-c", code])("cam-1", SOURCE))


def ended(trial: Trial) -> Verdict:
    """The verdict, waited for."""
    found: list[Verdict] = []

    def look() -> bool:
        verdict = trial.look()
        found.extend([verdict] if verdict else [])
        return bool(found)

    eventually(look, 60)
    trial.end()
    return found[0]


def test_the_answer_is_the_verdict(tmp_path: Path) -> None:
    """What the process writes is what is said, and it is told everything but the secret."""
    echo = "import json,sys; t=json.loads(sys.stdin.readline()); print(json.dumps({'failure': 'no_video', 'detail': "
    said = verdict_of(tmp_path, echo + "t['stem'] + t['source']['url'] + t['source']['secret']}))")
    assert said == Verdict("no_video", f"cam-1{SOURCE.url}yard")
    assert verdict_of(tmp_path, "print('{}')") == Verdict()


@pytest.mark.parametrize("code", ["import os; os.kill(os.getpid(), 11)", "print('nonsense')", "pass"])
def test_a_process_without_an_answer_has_failed(tmp_path: Path, code: str) -> None:
    """A source that crashes what reads it is not recorded."""
    assert verdict_of(tmp_path, code).failure == "no_video"


def test_a_process_that_hangs_is_killed(tmp_path: Path) -> None:
    """At the limit, and not before."""
    clock = FakeClock()
    trial = try_in_processes(tmp_path, clock, [sys.executable, "-c", "import time; time.sleep(600)"])("cam-1", SOURCE)
    clock.advance(TRIAL_NS_MAX - 1)
    assert trial.look() is None
    clock.advance(1)
    verdict = trial.look()
    assert verdict is not None
    assert "hung" in verdict.detail
    trial.end()


def test_no_process_is_said(tmp_path: Path) -> None:
    """The next look tries again."""
    with pytest.raises(Transient, match="no process can be had"):
        try_in_processes(tmp_path, FakeClock(), ["/no/such/program"])("cam-1", SOURCE)


def test_the_product_says_why_nobody_is_there(tmp_path: Path) -> None:
    """The process of the product, on an address where nobody listens and with a secret that is not there."""
    start = try_in_processes(tmp_path, FakeClock())
    assert ended(start("cam-1", replace(SOURCE, secret=None))).failure == "unreachable"
    assert ended(start("cam-1", SOURCE)).failure == "authentication"
