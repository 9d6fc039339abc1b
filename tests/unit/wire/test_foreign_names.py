"""File names of foreign cameras and recorders."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from components.shared.errors import Rejected
from components.shared.wire.foreign_names import (
    is_beside,
    is_unfinished,
    parse_foreign_path,
    read_foreign_path,
    readings,
)
from components.shared.wire.units import format_iso

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def test_amcrest_span() -> None:
    """The path of an Amcrest FTP upload gives its span, channel and trigger."""
    name = parse_foreign_path("2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4", UTC)
    assert format_iso(name.span.start_ns) == "2025-10-20T14:03:00.000Z"
    assert format_iso(name.span.end_ns) == "2025-10-20T14:06:00.000Z"
    assert (name.channel, name.trigger, name.kind, name.zone_was_ambiguous) == (1, "motion", "mp4", False)


def test_local_time_is_read_in_the_zone() -> None:
    """The camera's clock is local; the span is UTC."""
    name = parse_foreign_path("2025-07-01/001/dav/14/14.03.00-14.06.00[R][0@0][0].mp4", BERLIN)
    assert format_iso(name.span.start_ns) == "2025-07-01T12:03:00.000Z"
    assert name.trigger == "regular"


def test_span_over_midnight() -> None:
    """A file that ends before it starts ends on the next day."""
    name = parse_foreign_path("2025-10-20/001/dav/23/23.59.00-00.02.00[M][0@0][0].mp4", UTC)
    assert format_iso(name.span.end_ns) == "2025-10-21T00:02:00.000Z"


@pytest.mark.parametrize(("day", "hour"), [("2025-10-26", "02"), ("2025-03-30", "02")])
def test_hour_that_the_zone_has_twice_or_never(day: str, hour: str) -> None:
    """A time in the hour of a clock change is read once and marked."""
    name = parse_foreign_path(f"{day}/001/dav/{hour}/{hour}.03.00-{hour}.06.00[M][0@0][0].mp4", BERLIN)
    assert name.zone_was_ambiguous
    assert name.span.duration_ns == 180 * 10**9


def test_snapshot() -> None:
    """A snapshot is a picture at one moment."""
    name = parse_foreign_path("2025-10-20/001/jpg/14/03/05[M][0@0][0].jpg", UTC)
    assert format_iso(name.span.start_ns) == "2025-10-20T14:03:05.000Z"
    assert (name.kind, name.span.duration_ns) == ("jpg", 0)


def test_recorder_export() -> None:
    """The export of a Dahua recorder carries both dates in its name."""
    name = parse_foreign_path("export/NVR_ch12_main_20251020140300_20251020140600.dav", UTC)
    assert format_iso(name.span.start_ns) == "2025-10-20T14:03:00.000Z"
    assert (name.channel, name.ending, name.kind) == (12, "dav", "mp4")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "readme.txt",
        "2025-13-40/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4",
        "2025-10-20/001/dav/14/25.03.00-26.06.00[M][0@0][0].mp4",
        "NVR_ch1_main_20251020140600_20251020140300.mp4",
        "../../etc/passwd",
        "2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4\n",
        "2025-10-20/001/dav/14/14.03.00-14.06.61[M][0@0][0].mp4",
        "9999-12-31/001/dav/23/23.59.00-23.59.60[M][0@0][0].mp4",
        "0001-01-01/001/dav/00/00.00.00-00.00.10[M][0@0][0].mp4",
        "٢025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4",
    ],
)
def test_other_names_are_refused_by_name(path: str) -> None:
    """A name of no known form, or of no real time, is refused and named."""
    with pytest.raises(Rejected) as refusal:
        parse_foreign_path(path, BERLIN)
    assert repr(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "start", "end"),
    [
        (
            "2025-10-20/0/dav/14/0/1/98673/14.03.00-14.06.00[R][0@0][0].dav",
            "2025-10-20T14:03:00.000Z",
            "2025-10-20T14:06:00.000Z",
        ),
        ("N884A6_ch2_sub_20251020140300_20251020140600.mp4", "2025-10-20T14:03:00.000Z", "2025-10-20T14:06:00.000Z"),
        ("NVR_ch1_main_20251231120000_20251231235960.dav", "2025-12-31T12:00:00.000Z", "2026-01-01T00:00:00.000Z"),
        ("2025-10-20/001/jpg/14/03.05[M][0@0][0].jpg", "2025-10-20T14:03:05.000Z", "2025-10-20T14:03:05.000Z"),
    ],
)
def test_forms_of_recorders(path: str, start: str, end: str) -> None:
    """Disks of recorders, exports with a serial number, the last second of a day, short snapshot names."""
    name = parse_foreign_path(path, UTC)
    assert (format_iso(name.span.start_ns), format_iso(name.span.end_ns)) == (start, end)


def spans(path: str, zone: ZoneInfo) -> list[tuple[str, str]]:
    """The readings of a name, short."""
    found = readings(path, read_foreign_path(path), zone)
    return [(format_iso(span.start_ns)[11:16], format_iso(span.end_ns)[11:16]) for span in found]


def test_all_readings_of_an_hour_that_comes_twice() -> None:
    """Within that hour both passes are possible, and a file as long as the whole hour."""
    path = "2025-10-26/001/dav/02/02.10.00-02.15.00[R][0@0][0].mp4"
    assert spans(path, BERLIN) == [("00:10", "00:15"), ("00:10", "01:15"), ("01:10", "01:15")]


def test_a_file_that_ends_after_the_hour_that_comes_twice() -> None:
    """Its end is known, so that its length tells which pass it began in."""
    path = "NVR_ch1_main_20251026025800_20251026030300.mp4"
    assert spans(path, BERLIN) == [("00:58", "02:03"), ("01:58", "02:03")]


def test_a_file_over_the_moment_the_clock_is_set_back() -> None:
    """Its end reads earlier than its start and is no day later; in a zone without that change it names no time."""
    path = "NVR_ch1_main_20251026025000_20251026021000.mp4"
    assert spans(path, BERLIN) == [("00:50", "01:10")]
    with pytest.raises(Rejected, match="before it starts"):
        readings(path, read_foreign_path(path), NEW_YORK)


def test_a_time_that_never_was_has_one_reading() -> None:
    """Between two and three in the night of the change: as if the clock had not been set."""
    assert spans("2025-03-30/001/dav/02/02.10.00-02.15.00[R][0@0][0].mp4", BERLIN) == [("01:10", "01:15")]


@pytest.mark.parametrize(
    ("path", "unfinished", "beside"),
    [
        ("2025-10-20/001/dav/14/14.03.00-14.03.00[M][0@0][0].mp4_", True, False),
        ("2025-10-20/001/dav/14/14.03.00-14.03.00[M][0@0][0].idx_", True, False),
        ("2025-10-20/001/dav/14/.14.03.00-14.06.00[M][0@0][0].mp4", True, False),
        ("a.mp4.filepart", True, False),
        ("2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].idx", False, True),
        ("2025-10-20/001/jpg/14/03/05[M][0@0][0].jpg", False, True),
        ("2025-10-20/001/DVRWorkDirectory", False, True),
        ("2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4", False, False),
    ],
)
def test_names_that_say_what_a_file_is_not(path: str, unfinished: bool, beside: bool) -> None:
    """A temporary name is that of a file still being written; an index or a snapshot is no footage."""
    assert (is_unfinished(path), is_beside(path)) == (unfinished, beside)
