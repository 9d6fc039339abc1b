"""Log lines are told once each, whole, at their level, across rotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.log_lines import moment, read_line, shown
from cli.logs import Tail
from components.shared.wire.units import NS_PER_S, WallNs
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
        assert shown("core", read_line(text)) == f"core  {text}"
        assert read_line(text).level == "INFO"
    assert read_line('{"level": "LOUD"}').level == "INFO"
    assert read_line('{"level": ["ERROR"]}').level == "INFO"


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


TRACE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def traced(data: Path) -> Path:
    """Two components and a function that speak of the same segment, and of another."""
    functions = data / "local" / "cloud" / "logs"
    functions.mkdir(parents=True)
    said = [
        ("12:00:01", {"event": "segment_closed", "camera": "yard", "trace_id": TRACE}),
        ("12:00:02", {"event": "segment_closed", "camera": "door", "trace_id": "f" * 32}),
        ("12:00:04", {"event": "object_uploaded", "camera": "yard", "trace_id": TRACE}),
    ]
    lines = [json.dumps({"time": f"2026-11-21T{at}.000Z", "level": "INFO", **fields}) for at, fields in said]
    (data / "logs" / "com.edgenvr.Capture.log").write_text("\n".join(lines[:2]) + "\n")
    (data / "logs" / "com.edgenvr.CloudSync.log").write_text(lines[2] + "\n")
    indexed = {"timestamp": "2026-11-21T12:00:03.000Z", "level": "WARN", "message": "object_indexed", "trace_id": TRACE}
    (functions / "IndexObject.log").write_text(json.dumps(indexed) + "\n")
    return data


def events(out: str) -> list[str]:
    """What happened, in the order in which it was told."""
    return [said.split()[3] for said in out.splitlines()]


def test_a_trace_is_told_across_all_logs_by_its_time(nvr: Nvr, traced: Path) -> None:
    """One segment's way from camera to function, in the order in which it happened, whoever said it."""
    out = nvr("logs", "--trace", TRACE, "--data", traced).out
    assert events(out) == ["segment_closed", "object_indexed", "object_uploaded"]
    assert [said.split()[0] for said in out.splitlines()] == ["Capture", "IndexObject", "CloudSync"]


def test_a_functions_log_has_a_name_and_levels(nvr: Nvr, traced: Path) -> None:
    """A function is named like a component, and its levels are ours."""
    assert events(nvr("logs", "indexobject", "--level", "WARNING", "--data", traced).out) == ["object_indexed"]
    assert nvr("logs", "indexobject", "--level", "ERROR", "--data", traced).out == ""


def test_lines_of_a_camera(nvr: Nvr, data: Path) -> None:
    """A camera's lines are those that name it, its sub stream, or it among others."""
    lines = [
        line("INFO", "a", camera="yard"),
        line("INFO", "b", camera="yard-2"),
        line("INFO", "c", stream="yard~sub"),
        line("INFO", "d", cameras=["door", "yard"]),
        line("INFO", "e", cameras=2),
    ]
    (data / "logs" / "com.edgenvr.Capture.log").write_text("\n".join(lines) + "\n")
    assert events(nvr("logs", "--camera", "yard", "--data", data).out) == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "2026-11-21T12:00:02Z"), ["segment_closed", "object_uploaded", "object_indexed"]),
        (("--until", "2026-11-21T12:00:02Z"), ["segment_closed"]),
        (("--since", "2026-11-21T12:00:02Z", "--until", "2026-11-21T12:00:03Z"), ["segment_closed"]),
        (("--since", "1s"), []),
    ],
)
def test_lines_of_a_span(nvr: Nvr, traced: Path, options: tuple[str, ...], told: list[str]) -> None:
    """A span is half open; a line without a time belongs to none."""
    assert events(nvr("logs", *options, "--data", traced).out) == told


@pytest.mark.parametrize(
    ("text", "before_s"), [("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400), ("1970-01-12T13:46:39Z", 1)]
)
def test_moments(text: str, before_s: int) -> None:
    """So long ago, or a time."""
    now_ns = WallNs(1_000_000 * NS_PER_S)
    assert moment(text, now_ns) == now_ns - before_s * NS_PER_S


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "yesterday"), "'yesterday' is no moment"),
        (("--until", "5x"), "'5x' is no moment"),
        (("--since", "5m", "--until", "10m"), "--since 5m is not before --until 10m"),
    ],
)
def test_a_span_that_is_none(nvr: Nvr, data: Path, options: tuple[str, ...], told: str) -> None:
    """What nobody understands is refused by its name."""
    said = nvr("logs", *options, "--data", data)
    assert said.code == 2
    assert told in said.error
