"""Which source a stream is read from while its document names one that was never recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.capture.camera_plan import CameraPlan, Source
from components.capture.core.reconnect import StreamStatus
from components.capture.core.trial import PAUSES_S, TRIALS_MAX, Verdict, failure_of, is_due_again
from components.capture.proven_sources import ProvenSources
from components.capture.trials import Trials
from components.shared.errors import Transient
from components.shared.runtime.secrets import Secret, write_secret
from components.shared.runtime.status import StatusBoard
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

OLD = CameraPlan("rtsp://old/1", None, "tcp", True, True)
NEW = CameraPlan("rtsp://new/1", None, "tcp", True, True)
RECORDING = {"cam-1": StreamStatus("recording")}
AWAY = {"cam-1": StreamStatus("connecting", "unreachable", 3)}
REFUSED = Verdict("authentication", "refuses the user or password")
UNREACHABLE = Verdict("unreachable", "nobody there")


class FakeTrial:
    """A trial whose verdict the test gives."""

    def __init__(self, stem: str, source: Source) -> None:
        self.stem = stem
        self.source = source
        self.verdict: Verdict | None = None
        self.is_ended = False

    def look(self) -> Verdict | None:
        return self.verdict

    def end(self) -> None:
        self.is_ended = True


class Bench:
    """Trials with fakes around them."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.begun: list[FakeTrial] = []
        self.can_begin = True
        self.start()

    def start(self) -> None:
        """A new process on the same disk."""
        self.trials = Trials(
            self._begin, ProvenSources(self.data, self.log), self.data, StatusBoard(self.clock), self.clock, self.log
        )

    def _begin(self, stem: str, source: Source) -> FakeTrial:
        if not self.can_begin:
            raise Transient("no process can be had")
        self.begun.append(FakeTrial(stem, source))
        return self.begun[-1]

    def after(self, seconds: float, statuses: dict[str, StreamStatus]) -> int:
        """Look again after that time; how many trials were begun so far."""
        self.clock.advance(round(seconds * NS_PER_S))
        self.trials.look(statuses)
        return len(self.begun)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A stream that is recorded from its old source."""
    bench = Bench(tmp_path)
    bench.trials.prove("cam-1", OLD.source)
    bench.trials.look(RECORDING)
    return bench


def test_a_stream_that_was_never_recorded_is_read_as_its_document_says(bench: Bench) -> None:
    """There is nothing to lose, and nothing to wait for."""
    assert bench.trials.choose("cam-2", NEW) is NEW
    assert bench.after(1, {}) == 0


def test_the_proven_source_stays_until_the_new_one_has_passed(bench: Bench) -> None:
    """All else in the document is followed meanwhile; the new source then is, and is proven when pictures come."""
    wanted = replace(NEW, wants_audio=False)
    assert bench.trials.choose("cam-1", wanted) == replace(OLD, wants_audio=False)
    assert not bench.trials.look(RECORDING)
    assert bench.begun[0].source == NEW.source
    assert "camera-cam-1" in bench.trials.pending()
    bench.begun[0].verdict = Verdict()
    assert bench.trials.look(RECORDING)
    assert bench.begun[0].is_ended
    assert bench.trials.choose("cam-1", wanted) is wanted
    assert bench.trials.choose("cam-1", wanted) is wanted
    assert not bench.trials.pending()
    assert bench.trials.prove("cam-1", NEW.source)
    assert bench.trials.choose("cam-1", OLD) == NEW
    assert bench.after(0, RECORDING) == 2


def test_a_failed_trial_is_told_and_made_again_after_growing_pauses(bench: Bench) -> None:
    """The reason names the camera; the proven source stays however often the new one fails."""
    assert bench.trials.choose("cam-1", NEW) == OLD
    bench.after(0, RECORDING)
    for number, pause_s in enumerate([*PAUSES_S, PAUSES_S[-1]], 1):
        bench.begun[-1].verdict = UNREACHABLE
        assert bench.trials.look(RECORDING)
        assert "(unreachable): nobody there" in bench.trials.refused()["camera-cam-1"]
        assert bench.trials.choose("cam-1", NEW) == OLD
        assert bench.after(pause_s - 0.001, RECORDING) == number
        assert bench.after(0.001, RECORDING) == number + 1


def test_a_login_that_failed_is_not_tried_again_while_the_camera_is_recorded(bench: Bench) -> None:
    """A camera locks out a box that tries again; a new secret, or another document, is tried at once."""
    wanted = replace(NEW, secret="yard")
    bench.trials.choose("cam-1", wanted)
    bench.after(0, RECORDING)
    bench.begun[-1].verdict = REFUSED
    assert bench.after(0, RECORDING) == 1
    assert bench.after(86_400, RECORDING) == 1
    write_secret(bench.data, "yard", Secret("viewer:right"))
    assert bench.after(0, RECORDING) == 2
    bench.begun[-1].verdict = REFUSED
    assert bench.after(0, RECORDING) == 2
    assert bench.after(299, AWAY) == 2
    assert bench.after(1, AWAY) == 3


def test_another_document_ends_the_trial(bench: Bench) -> None:
    """What was tried for a document that is no longer in force has no verdict; going back to the old one needs none."""
    bench.trials.choose("cam-1", NEW)
    bench.after(0, RECORDING)
    newer = replace(NEW, url="rtsp://newer/1")
    assert bench.trials.choose("cam-1", newer) == OLD
    assert bench.begun[0].is_ended
    assert bench.after(0, RECORDING) == 2
    assert bench.trials.choose("cam-1", OLD) is OLD
    assert bench.begun[1].is_ended
    assert not bench.trials.pending()


@pytest.mark.parametrize("changes", [{"is_tried": False}, {"is_on": False}, {"url": "folder:///drop"}])
def test_what_needs_no_trial_is_followed_at_once(bench: Bench, changes: dict[str, object]) -> None:
    """A document that wants none, a camera that is off, and footage that comes as files."""
    wanted = replace(NEW, **changes)  # type: ignore[arg-type]
    assert bench.trials.choose("cam-1", wanted) is wanted
    assert bench.after(0, RECORDING) == 0


def test_a_new_process_knows_the_proven_source(bench: Bench) -> None:
    """After a restart the old source is read and the new one tried; without the file the document is followed."""
    bench.start()
    assert bench.trials.choose("cam-1", NEW) == OLD
    (bench.data / "capture" / "sources.json").write_text("{")
    bench.start()
    assert bench.trials.choose("cam-1", NEW) is NEW
    assert bench.log.named("proven_sources_damaged")


def test_a_camera_that_is_removed_is_forgotten(bench: Bench) -> None:
    """When it is configured again it is a new one."""
    bench.trials.choose("cam-1", NEW)
    bench.after(0, RECORDING)
    bench.trials.retain(frozenset())
    assert bench.begun[0].is_ended
    bench.trials.look({})
    bench.start()
    assert bench.trials.choose("cam-1", NEW) is NEW


def test_few_are_tried_at_once(bench: Bench) -> None:
    """All are tried in the end, and one that cannot begin now begins later."""
    for number in range(10):
        bench.trials.prove(f"many-{number}", OLD.source)
        bench.trials.choose(f"many-{number}", NEW)
    bench.can_begin = False
    assert bench.after(0, {}) == 0
    bench.can_begin = True
    tried: set[str] = set()
    for _ in range(10):
        bench.after(1, {})
        running = [trial for trial in bench.begun if trial.verdict is None]
        assert len(running) <= TRIALS_MAX
        for trial in running:
            trial.verdict = UNREACHABLE
            tried.add(trial.stem)
    assert len(tried) == 10


def test_causes_are_told_apart() -> None:
    """The login, the way there, and no picture; a passed trial is never made again."""
    assert [failure_of(cause) for cause in ("authentication", "unreachable", "frozen", "undecodable")] == [
        "authentication",
        "unreachable",
        "no_video",
        "no_video",
    ]
    assert not is_due_again(Verdict(), 0, 10**18, is_recorded=False, has_new_secret=True)
