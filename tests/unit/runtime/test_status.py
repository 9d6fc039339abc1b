"""Status and answers to documents: what a component tells about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.errors import Transient
from components.shared.runtime.applied import REPEAT_NS, AppliedReporter, report_applied
from components.shared.runtime.bus import Inbox
from components.shared.runtime.config import Snapshot, read_snapshot, write_document
from components.shared.runtime.status import StatusBoard
from components.shared.wire.messages import ERROR_TEXT_CHARS_MAX, ConfigApplied
from components.shared.wire.topics import CONFIG_APPLIED
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock


def test_a_board_tells_start_progress_backlog_and_last_error() -> None:
    """The report holds since when, when work was last done, what waits, and what went wrong when."""
    clock = FakeClock(wall_ns=100)
    board = StatusBoard(clock)
    clock.advance(10)
    board.progressed()
    board.backlog(7)
    clock.advance(10)
    board.failed("camera cam-1: unreachable")
    clock.advance(10)
    report = board.report("Capture", "1.2.3")
    assert (report.component, report.version, report.started_wall_ns) == ("Capture", "1.2.3", 100)
    assert (report.last_progress_wall_ns, report.backlog) == (110, 7)
    assert (report.last_error, report.last_error_wall_ns) == ("camera cam-1: unreachable", 120)


def test_only_another_error_is_a_change() -> None:
    """The same error again moves its time and is not worth a report of its own."""
    clock = FakeClock(wall_ns=100)
    board = StatusBoard(clock)
    board.failed("a")
    assert board.changed.is_set()
    board.changed.clear()
    clock.advance(5)
    board.failed("a")
    assert not board.changed.is_set()
    assert board.report("Capture", "1").last_error_wall_ns == 105
    board.failed("b")
    assert board.changed.is_set()


def test_an_error_is_cut_and_redacted() -> None:
    """However long its text and whatever URL is in it, the report can be sent."""
    board = StatusBoard(FakeClock())
    board.failed("rtsp://admin:hunter2@cam " + "x" * 1_000)
    error = board.report("Capture", "1").last_error
    assert error is not None
    assert len(error) == ERROR_TEXT_CHARS_MAX
    assert "hunter2" not in error


def test_the_last_error_survives_the_worker(tmp_path: Path) -> None:
    """The next worker of the component tells why the one before ended."""
    board = StatusBoard(FakeClock(wall_ns=100))
    board.failed("disk on fire")
    board.save_error(tmp_path / "run" / "Capture.error.json")
    after = StatusBoard(FakeClock(wall_ns=900))
    after.load_error(tmp_path / "run" / "Capture.error.json")
    report = after.report("Capture", "1")
    assert (report.last_error, report.last_error_wall_ns, report.started_wall_ns) == ("disk on fire", 100, 900)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"error":1}', b'{"error":1,"wall_ns":2}', b"\xff"])
def test_a_damaged_last_error_says_nothing(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there or not ours does not keep a worker from starting."""
    if content is not None:
        (tmp_path / "e.json").write_bytes(content)
    board = StatusBoard(FakeClock())
    board.load_error(tmp_path / "e.json")
    assert board.report("Capture", "1").last_error is None


def _snapshot(data: Path) -> Snapshot:
    clock = FakeClock()
    camera: dict[str, object] = {"schema": 1, "name": "Door", "source": {"url": "rtsp://10.0.0.1/1"}}
    write_document(data, "camera-cam-1", camera, 4, clock)
    write_document(data, "camera-cam-2", camera, 5, clock)
    write_document(data, "site", {"schema": 1, "cameras": {"cam-1": "any", "cam-2": "any", "cam-3": "any"}}, 6, clock)
    snapshot = read_snapshot(data)
    assert snapshot is not None
    return snapshot


def _said(broker: FakeBroker) -> list[ConfigApplied]:
    return [body for body in broker.bodies(ConfigApplied) if isinstance(body, ConfigApplied)]


def test_every_document_is_answered(tmp_path: Path) -> None:
    """Good documents are in force, one that the component refuses and one that is not there are refused with why."""
    snapshot, bus = _snapshot(tmp_path), FakeBus("Capture")
    report_applied(bus, "Capture", snapshot, {"camera-cam-2": "no decoder at rtsp://u:hunter2@h"})
    answers = {answer.document: answer for answer in _said(bus.broker)}
    assert {name: (answer.version, answer.state) for name, answer in answers.items()} == {
        "site": (6, "in_force"),
        "camera-cam-1": (4, "in_force"),
        "camera-cam-2": (5, "refused"),
        "camera-cam-3": (0, "refused"),
    }
    assert answers["camera-cam-2"].error == "no decoder at rtsp://h"
    assert answers["site"].sha256 == snapshot.site.sha256
    assert answers["site"].error is None


def test_answers_are_repeated_every_minute_and_at_a_change(tmp_path: Path) -> None:
    """A round without a change says nothing; a change says only itself; after a minute all is said again."""
    snapshot, bus, clock = _snapshot(tmp_path), FakeBus("Capture"), FakeClock()
    reporter = AppliedReporter(bus, "Capture", clock)
    reporter.report(snapshot)
    assert len(_said(bus.broker)) == 4
    reporter.report(snapshot)
    clock.advance(REPEAT_NS - 1)
    reporter.report(snapshot)
    assert len(_said(bus.broker)) == 4
    reporter.report(snapshot, {"camera-cam-1": "no"})
    assert [(answer.document, answer.state) for answer in _said(bus.broker)[4:]] == [("camera-cam-1", "refused")]
    clock.advance(1)
    reporter.report(snapshot, {"camera-cam-1": "no"})
    assert len(_said(bus.broker)) == 9


def test_answers_that_were_not_taken_are_said_at_the_next_round(tmp_path: Path) -> None:
    """While the core is away nothing is raised, and nothing is forgotten."""
    snapshot, bus = _snapshot(tmp_path), FakeBus("Capture")
    reporter = AppliedReporter(bus, "Capture", FakeClock())
    bus.broker.connected = False
    reporter.report(snapshot)
    with pytest.raises(Transient, match="not connected"):
        report_applied(bus, "Capture", snapshot)
    bus.broker.connected = True
    reporter.report(snapshot)
    assert len(_said(bus.broker)) == 4


def test_site_config_hears_the_answers(tmp_path: Path) -> None:
    """The answers are messages that SiteConfig may hear and Capture may say."""
    broker, inbox = FakeBroker(), Inbox(8)
    FakeBus("SiteConfig", broker).subscribe(CONFIG_APPLIED, inbox)
    report_applied(FakeBus("Capture", broker), "Capture", _snapshot(tmp_path))
    assert len(inbox.drain()) == 4
