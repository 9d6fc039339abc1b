"""The log: one line of JSON per record, without secrets, without ever waiting."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pytest

from components.shared.errors import Transient
from components.shared.runtime.line_writer import LINE_BYTES_MAX, LineWriter
from components.shared.runtime.log import Level, Log, json_log, redact_url
from components.shared.runtime.secrets import Secret
from components.shared.wire.trace import trace_of_segment
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog


def _log(level: Level = "INFO") -> tuple[Log, list[str]]:
    lines: list[str] = []
    return json_log("Capture", level, lines.append, FakeClock(wall_ns=1_763_697_906_789 * NS_PER_S // 1000)), lines


def test_a_record_is_one_line_of_json() -> None:
    """A record has its time, level, component, event and fields, in this order."""
    log, lines = _log()
    log.info("segment_closed", camera="cam-1", size_bytes=12, ok=True, cause=None)
    assert lines == [
        '{"time":"2025-11-21T04:05:06.789Z","level":"INFO","component":"Capture","event":"segment_closed",'
        '"camera":"cam-1","size_bytes":12,"ok":true,"cause":null}'
    ]


def test_line_ends_in_a_field_stay_within_the_line() -> None:
    """A text with line ends, as of a foreign program, makes no second line."""
    log, lines = _log()
    log.info("said", text="a\nb\r\n")
    assert "\n" not in lines[0]
    assert json.loads(lines[0])["text"] == "a\nb\r\n"


def test_a_field_cannot_take_the_place_of_the_head() -> None:
    """A field named like a part of the head does not replace it."""
    log, lines = _log()
    log.info("x", component="Other", time="never")
    assert json.loads(lines[0])["component"] == "Capture"
    assert json.loads(lines[0])["time"].startswith("2025")


@pytest.mark.parametrize(("level", "expected"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_records_below_the_level_are_left_out(level: Level, expected: int) -> None:
    """The level is the least that is written."""
    log, lines = _log(level)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(lines) == expected


def test_bound_fields_are_in_every_record() -> None:
    """`bind` adds fields to what follows and leaves the log it came from as it was."""
    log, lines = _log()
    log.bind(camera="cam-1").bind(stream="main").info("a", n=1)
    log.info("b")
    assert json.loads(lines[0]) | {"camera": "cam-1", "stream": "main", "n": 1} == json.loads(lines[0])
    assert "camera" not in json.loads(lines[1])


URLS = [
    ("rtsp://admin:pw@cam/1", "rtsp://cam/1"),
    ("RTSPS://admin:p@w@10.0.0.1:322/a?b=c", "RTSPS://10.0.0.1:322/a?b=c"),
    ("rtsp://admin:p/w@cam/1", "rtsp://cam/1"),
    ("rtsp://admin:p%40w@cam", "rtsp://cam"),
    ("cannot open 'rtsp://u:p@cam/1': 401", "cannot open 'rtsp://cam/1': 401"),
    ("two: rtsp://u:p@a/1 and http://x:y@b/2", "two: rtsp://a/1 and http://b/2"),
    ("rtsp://onlyuser@cam/1", "rtsp://cam/1"),
    ("rtsp://cam/1 says user@example.com", "rtsp://cam/1 says user@example.com"),
    ("nothing here", "nothing here"),
]


@pytest.mark.parametrize(("text", "expected"), URLS)
def test_credentials_are_removed_from_urls(text: str, expected: str) -> None:
    """Whatever stands between `://` and the last `@` of a URL goes."""
    assert redact_url(text) == expected


def test_no_secret_reaches_the_line_by_any_way() -> None:
    """A secret or a URL in a field, in a list, in a map, as a key, in an exception or a path is cleaned."""
    log, lines = _log()
    url = "rtsp://admin:hunter2@cam/1"
    log.error(
        "failed",
        secret=Secret("admin:hunter2"),
        url=url,
        listed=[url, (url,), {url}],
        mapped={"a": {url: Secret("admin:hunter2")}},
        error=Transient(f"cannot open {url}"),
        path=Path("/x") / "rtsp://admin:hunter2@cam",
    )
    assert "hunter2" not in lines[0]
    assert json.loads(lines[0])["secret"] == "***"


class Kept:
    """Something that a secret may be a part of."""

    def __init__(self) -> None:
        self.login = Secret("admin:hunter2")

    def __str__(self) -> str:
        return f"kept {self.login}"


@dataclass(frozen=True)
class Asked:
    """A value with a secret in it, as a request for a camera is."""

    camera: str
    login: Secret


SECRET = Secret("admin:hunter2")


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        [SECRET],
        (SECRET, 1),
        {SECRET},
        frozenset({SECRET}),
        {"login": SECRET},
        {SECRET: "login"},
        {"a": [{"b": (SECRET,)}]},
        Transient(f"no {SECRET}"),
        ValueError(SECRET),
        KeyError(SECRET),
        f"{SECRET} {SECRET!r} {SECRET!s} {SECRET:>12}",
        "%s %r" % (SECRET, SECRET),  # noqa: UP031 - one of the ways
        "{0} {0!r}".format(SECRET),  # noqa: UP032 - one of the ways
        Kept(),
        Asked("cam-1", SECRET),
        [Asked("cam-1", SECRET)],
        json.dumps({"login": SECRET}, default=str),
        repr([SECRET]),
        partial(print, SECRET),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_is_redacted_by_its_type(value: object) -> None:
    """Whatever a field is and however deep a secret lies in it, `***` is what is written; no pattern is looked for."""
    log, lines = _log()
    log.bind(bound=value).error("failed", value=value)
    assert "hunter2" not in lines[0]
    assert "admin" not in lines[0]
    assert "***" in lines[0]


def test_a_secret_cannot_be_copied_into_a_document() -> None:
    """What would put its text elsewhere, such as JSON, a copy or a pickle, is refused, or has no text to put there."""
    with pytest.raises(TypeError):
        json.dumps({"login": SECRET})
    with pytest.raises(TypeError, match="not written anywhere"):
        asdict(Asked("cam-1", SECRET))
    assert not hasattr(SECRET, "__dict__")


SEGMENT = "cam-1_20251121T040506.789Z"


def _log_of_site(thing: str) -> tuple[Log, list[str]]:
    lines: list[str] = []
    return json_log("Capture", "INFO", lines.append, FakeClock(), thing), lines


def test_a_line_about_a_segment_tells_its_trace() -> None:
    """Who logs names the segment; the trace is added, once the site is known."""
    log, lines = _log_of_site("site-1")
    log.bind(camera="cam-1").info("segment_closed", segment=SEGMENT)
    log.info("began")
    log.info("told", segment=SEGMENT, trace_id="given")
    assert [json.loads(line).get("trace_id") for line in lines] == [
        trace_of_segment("site-1", SEGMENT),
        None,
        "given",
    ]
    unknown, lines = _log_of_site("")
    unknown.info("segment_closed", segment=SEGMENT)
    assert "trace_id" not in json.loads(lines[0])


def test_a_cut_line_is_still_found() -> None:
    """Of a record above the longest line camera and trace are told, by which it is looked for."""
    log, lines = _log_of_site("site-1")
    log.info("long", camera="cam-1", segment=SEGMENT, text="x" * LINE_BYTES_MAX)
    told = json.loads(lines[0])
    assert (told["cut"], told["camera"], told["trace_id"]) == (True, "cam-1", trace_of_segment("site-1", SEGMENT))
    assert len(lines[0].encode()) < LINE_BYTES_MAX


def test_an_exception_without_text_shows_its_class() -> None:
    """Errors of the core have no text; the log then names the class."""
    log, lines = _log()
    log.error("failed", error=TimeoutError(), other=ValueError("bad"))
    assert json.loads(lines[0])["error"] == "TimeoutError"
    assert json.loads(lines[0])["other"] == "bad"


def test_values_that_json_lacks_become_text() -> None:
    """Infinity, not-a-number, bytes and broken text do not break the line."""
    log, lines = _log()
    log.info("odd", a=float("inf"), b=float("nan"), c=b"\xff", d="\udcff")
    fields = json.loads(lines[0])
    assert (fields["a"], fields["b"], fields["c"]) == ("inf", "nan", "b'\\xff'")


def test_a_record_above_the_longest_line_is_cut_and_says_so() -> None:
    """However long the fields, the line stays below the limit and is still JSON with its event."""
    log, lines = _log()
    log.info("long", text="ü\n" * LINE_BYTES_MAX)
    assert len(lines[0].encode()) < LINE_BYTES_MAX
    assert json.loads(lines[0])["cut"] is True
    assert json.loads(lines[0])["event"] == "long"


def test_the_recording_log_keeps_records_of_bound_logs_too() -> None:
    """A test sees all records in one list."""
    log = RecordingLog()
    log.bind(camera="cam-1").warning("a", n=1)
    log.debug("b")
    assert log.events() == ["a", "b"]
    assert log.named("a")[0].fields == {"camera": "cam-1", "n": 1}


def test_lines_are_written_whole(tmp_path: Path) -> None:
    """A file descriptor gets each line with its end; a line above the limit is cut to it."""
    path = tmp_path / "out"
    with path.open("wb") as file:
        writer = LineWriter(file.fileno())
        writer("one")
        writer("ü" * LINE_BYTES_MAX)
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[0] == b"one\n"
    assert len(lines[1]) == LINE_BYTES_MAX
    assert lines[1].endswith(b"\n")


def test_a_stalled_reader_costs_lines_and_no_time() -> None:
    """While nobody reads the pipe, a thousand lines are dropped at once; afterwards the count of them is told."""
    reader, output = os.pipe()
    writer = LineWriter(output)
    while not writer.lost:
        writer("x" * 4_000)
    began_s = time.monotonic()
    for _ in range(1_000):
        writer("y" * 100)
    assert time.monotonic() - began_s < 1.0
    lost = writer.lost
    assert lost >= 1_000
    drained = b""
    while len(drained) < 65_536:
        drained += os.read(reader, 65_536)
        if drained.count(b"\n") * 4_001 >= len(drained) - 1:
            break
    writer("after")
    told = os.read(reader, 65_536).splitlines()
    assert json.loads(told[0]) == {"event": "log_lines_lost", "lines": lost}
    assert told[1] == b"after"
    assert writer.lost == 0
    os.close(reader)
    os.close(output)


def test_a_reader_that_is_gone_is_no_error() -> None:
    """Writing to a closed pipe counts the line and raises nothing."""
    reader, output = os.pipe()
    writer = LineWriter(output)
    os.close(reader)
    writer("one")
    writer("two")
    assert writer.lost == 2
    os.close(output)


def test_lines_of_many_threads_do_not_mix() -> None:
    """Eight threads writing at once give whole lines."""
    reader, output = os.pipe()
    writer = LineWriter(output)

    def write(letter: str) -> None:
        for _ in range(20):
            writer(letter * 200)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    os.close(output)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().splitlines()
    assert len(lines) == 160
    assert all(len(line) == 200 and len(set(line)) == 1 for line in lines)
