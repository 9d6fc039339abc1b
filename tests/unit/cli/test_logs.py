"""Log lines are told once each, whole, at their level, across rotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.logs import Tail, formatted, level_of
from local.nucleus.output_log import OutputLog
from tests.unit.cli.conftest import Nvr


def line(level: str, event: str, **fields: object) -> str:
    """A line as components log it."""
    record = {"time": "2026-11-21T04:05:06.789Z", "level": level, "component": "Capture", "event": event, **fields}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with the logs of a component and of the core."""
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    lines = [
        line("INFO", "worker_started"),
        line("DEBUG", "detail"),
        line("ERROR", "disk_full", camera="cam-1", left=0),
    ]
    (logs / "com.edgenvr.Capture.log").write_text("\n".join(lines) + "\n")
    (logs / "core.log").write_text("the core started\n")
    return tmp_path / "data"


def test_all_logs_are_told_with_their_names(nvr: Nvr, data: Path) -> None:
    """Without a name every log is shown, each line with whose it is."""
    told = nvr("logs", "--data", data)
    assert told.code == 0
    assert told.out.splitlines() == [
        "Capture         2026-11-21T04:05:06.789Z INFO    worker_started",
        "Capture         2026-11-21T04:05:06.789Z DEBUG   detail",
        "Capture         2026-11-21T04:05:06.789Z ERROR   disk_full camera=cam-1 left=0",
        "core            the core started",
    ]


@pytest.mark.parametrize("name", ["Capture", "capture", "CAPTURE"])
def test_one_log_is_chosen_by_name(nvr: Nvr, data: Path, name: str) -> None:
    """A component is named as an operator says it, in any case."""
    assert {said.split()[0] for said in nvr("logs", name, "--data", data).out.splitlines()} == {"Capture"}


def test_json_is_what_was_logged(nvr: Nvr, data: Path) -> None:
    """With --json the lines come as they are, a program may read them."""
    out = nvr("logs", "Capture", "--json", "--level", "ERROR", "--data", data).out
    assert json.loads(out)["camera"] == "cam-1"


@pytest.mark.parametrize(
    ("level", "events"),
    [("DEBUG", 4), ("INFO", 3), ("warning", 1), ("ERROR", 1)],
)
def test_level_and_above(nvr: Nvr, data: Path, level: str, events: int) -> None:
    """Lines below the level are left out; a line without a level counts as INFO."""
    assert len(nvr("logs", "--level", level, "--data", data).out.splitlines()) == events


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, 1), (3, 3), (4, 3)])
def test_number_of_lines(nvr: Nvr, data: Path, count: int, told: int) -> None:
    """The newest lines of the past are told, at most so many."""
    lines = nvr("logs", "Capture", "-n", count, "--data", data).out.splitlines()
    assert len(lines) == told
    assert not lines or "disk_full" in lines[-1]


def test_number_of_lines_counts_those_of_the_level(nvr: Nvr, data: Path) -> None:
    """What is asked for is so many lines of that level, not those of that level among so many lines."""
    log = data / "logs" / "com.edgenvr.Capture.log"
    log.write_text(log.read_text() + 100 * (line("DEBUG", "detail") + "\n"))
    assert "disk_full" in nvr("logs", "Capture", "-n", 1, "--level", "ERROR", "--data", data).out


def test_negative_number_is_refused(nvr: Nvr, data: Path) -> None:
    """A number of lines below nothing is refused, naming the option."""
    told = nvr("logs", "-n", -1, "--data", data)
    assert (told.code, told.out) == (2, "")
    assert "--lines -1" in told.error


def test_unknown_log_names_those_there_are(nvr: Nvr, data: Path) -> None:
    """A name that is none is answered with all names."""
    told = nvr("logs", "Camera", "--data", data)
    assert told.code == 2
    assert "no log of Camera; there are: Capture, core" in told.error


def test_nothing_logged_yet_says_what_to_do(nvr: Nvr, tmp_path: Path) -> None:
    """Where no site has run, the answer is how to start one."""
    told = nvr("logs", "Capture", "--data", tmp_path / "none")
    assert told.code == 2
    assert "./nvr up" in told.error
    assert "--data" in told.error


def test_what_is_no_record_is_told_as_it_is() -> None:
    """A traceback, half a record, and JSON that is no record come as they were printed."""
    for text in ("Traceback (most recent call last):", '{"time":', "[1, 2]", "", "null"):
        assert formatted("core", text) == f"core  {text}"
        assert level_of(text) == "INFO"
    assert level_of('{"level": "LOUD"}') == "INFO"
    assert level_of('{"level": ["ERROR"]}') == "INFO"


def test_line_separators_in_a_record_do_not_cut_it(data: Path) -> None:
    """Only a newline ends a line: a camera's name may hold any other character."""
    log = data / "logs" / "com.edgenvr.Capture.log"
    log.write_text(line("INFO", "named", name="a\u2028b\x85c\x0bd") + "\n")
    assert len(list(Tail(log).lines())) == 1


def test_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    """Half a line waits for its other half, also when a letter is cut in two; then it is told once."""
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo ends with \xc3")
    tail = Tail(log)
    assert list(tail.lines()) == ["one"]
    assert list(tail.lines()) == []
    with log.open("ab") as more:
        more.write(b"\xa4\nthree\nfo")
    assert list(tail.lines()) == ["two ends with ä", "three"]
    assert tail.unfinished() == ["fo"]


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    """What was written to the old file before it was put aside is told before the new one's lines."""
    log = tmp_path / "a.log"
    long = "x" * 50
    output = OutputLog(log, bytes_max=58)
    output.write(b"one\n")
    tail = Tail(log)
    assert list(tail.lines()) == ["one"]
    output.write(b"two\n")
    output.write(f"{long}\n".encode())
    output.write(b"three\n")
    assert log.with_name("a.log.1").read_bytes() == b"one\ntwo\n"
    assert list(tail.lines()) == ["two", long, "three"]
    output.write(f"{long}\n".encode())
    output.write(b"four\n")
    assert list(tail.lines()) == [long, "four"]
    output.close()


def test_file_that_is_cut_short_is_read_from_its_start(tmp_path: Path) -> None:
    """A log that was emptied in place is followed on."""
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\n")
    tail = Tail(log)
    assert list(tail.lines()) == ["one", "two"]
    log.write_text("new\n")
    assert list(tail.lines()) == ["new"]


def test_file_may_come_and_go(tmp_path: Path) -> None:
    """A log that is not there yet, or between two names, is waited for."""
    log = tmp_path / "a.log"
    tail = Tail(log)
    assert list(tail.lines()) == []
    log.write_text("one\n")
    assert list(tail.lines()) == ["one"]
    log.rename(tmp_path / "a.log.1")
    assert list(tail.lines()) == []
    log.write_text("two\n")
    assert list(tail.lines()) == ["two"]
