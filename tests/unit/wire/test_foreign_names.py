"""File names of foreign cameras and recorders."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from components.shared.errors import Rejected
from components.shared.wire.foreign_names import parse_foreign_path
from components.shared.wire.units import format_iso

BERLIN = ZoneInfo("Europe/Berlin")


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
    ],
)
def test_other_names_are_refused_by_name(path: str) -> None:
    """A name of no known form, or of no real time, is refused and named."""
    with pytest.raises(Rejected) as refusal:
        parse_foreign_path(path, UTC)
    assert repr(path) in str(refusal.value)
