"""What of each day is recorded and why the rest is not: recorded + gaps = wall time, per camera and day.

Days are UTC days. Without `--day` the last 30 days of each camera's record are told; with it one day, with its gaps one
by one. What is neither recorded nor in a gap is unexplained and must be 0: exit code 1 when it is a second or more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cli.output import (
    add_data_argument,
    add_json_argument,
    format_size,
    format_time,
    print_json,
    print_table,
    require_data,
)
from components.shared.catalogue.capture import CaptureReader, GapRow
from components.shared.catalogue.ledger import (
    DayAccount,
    account_from_rows,
    accounts_from_roll_ups,
    days_of_record,
    record_span,
)
from components.shared.catalogue.roll_ups import DAY_NS
from components.shared.errors import Rejected
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S, WallNs, from_datetime, to_datetime

HELP = "recorded time and gaps by cause, per camera and day (UTC)"

DAYS = 30
UNEXPLAINED_S_MAX = 1.0
"""A hole shorter than that is the arithmetic of frames; `catalogue check` says the same."""


@dataclass(frozen=True, slots=True)
class CoverageGap:
    """A gap of the day; it may begin before and end after it. No end means that it goes on."""

    start: str
    end: str | None
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """A day of a camera's stream. `since` and `until` are what of the day its record runs through.

    `gap_seconds` is by cause. `segments` and `size_bytes` are of those that begin on the day. `gaps` is empty unless
    one day was asked for.
    """

    camera: str
    stream: str
    day: str
    since: str
    until: str
    recorded_seconds: float
    gap_seconds: dict[str, float]
    unexplained_seconds: float
    doubled_seconds: float
    segments: int
    size_bytes: int
    gaps: tuple[CoverageGap, ...]


ANSWER = list[DayCoverage]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--camera", metavar="ID", help="only this camera")
    parser.add_argument("--day", metavar="D", help="only this day, such as 2026-11-21 (UTC), with its gaps one by one")
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the account of each day; 1 when time is unexplained."""
    day_ns = None if arguments.day is None else parse_day(arguments.day)
    now_ns = WallNs(time.time_ns())
    with closing(CaptureReader.open(require_data(arguments.data))) as reader:
        streams = [found for found in reader.recorded_streams() if arguments.camera in (None, found[0])]
        days = [day for stream in streams for day in _days(reader, *stream, day_ns, now_ns)]
    if arguments.json:
        print_json(days)
    else:
        print_table(
            ("camera", "day (UTC)", "recorded s", "gaps s", "unexplained s", "segments", "size"),
            [_line(day) for day in days],
            "Nothing was recorded, and nothing missed, in that time.",
        )
        for day in days if day_ns is not None else ():
            _print_gaps(day)
    return 1 if any(day.unexplained_seconds + day.doubled_seconds >= UNEXPLAINED_S_MAX for day in days) else 0


def parse_day(text: str) -> WallNs:
    """The start of a UTC day from its ISO date; anything else is Rejected."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Rejected(f"day {text!r} is not a date, such as 2026-11-21") from error
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _days(
    reader: CaptureReader, camera: str, stream: StreamName, day_ns: WallNs | None, now_ns: WallNs
) -> Iterator[DayCoverage]:
    if day_ns is not None:
        found = account_from_rows(reader, camera, stream, day_ns, now_ns)
        if found is not None:
            yield _coverage(*found)
        return
    record = record_span(reader, camera, stream, now_ns)
    if record is None or not record.duration_ns:
        return
    days = days_of_record(record, DAYS)
    if not reader.roll_ups_due():
        yield from (_coverage(account, []) for account in accounts_from_roll_ups(reader, camera, stream, days, now_ns))
        return
    for start_ns in range(days.start_ns, days.end_ns, DAY_NS):
        found = account_from_rows(reader, camera, stream, WallNs(start_ns), now_ns)
        if found is not None:
            yield _coverage(found[0], [])


def _coverage(account: DayAccount, gaps: list[GapRow]) -> DayCoverage:
    return DayCoverage(
        camera=account.camera,
        stream=account.stream,
        day=f"{to_datetime(account.day_ns):%Y-%m-%d}",
        since=format_time(account.window.start_ns),
        until=format_time(account.window.end_ns),
        recorded_seconds=_seconds(account.recorded_ns),
        gap_seconds={cause: _seconds(gap_ns) for cause, gap_ns in sorted(account.gaps_ns.items())},
        unexplained_seconds=_seconds(account.unexplained_ns),
        doubled_seconds=_seconds(account.doubled_ns),
        segments=account.segments,
        size_bytes=account.size_bytes,
        gaps=tuple(
            CoverageGap(
                format_time(gap.start_ns),
                None if gap.end_ns is None else format_time(gap.end_ns),
                gap.cause,
                gap.detail,
            )
            for gap in gaps
        ),
    )


def _line(day: DayCoverage) -> tuple[str, ...]:
    gaps = ", ".join(f"{cause} {seconds:.1f}" for cause, seconds in day.gap_seconds.items())
    name = day.camera if day.stream == "main" else f"{day.camera} {day.stream}"
    unexplained = f"{day.unexplained_seconds:.1f}" + (
        f", twice {day.doubled_seconds:.1f}" if day.doubled_seconds else ""
    )
    return (
        *(name, day.day, f"{day.recorded_seconds:.1f}", gaps or "-", unexplained),
        *(str(day.segments), format_size(day.size_bytes)),
    )


def _print_gaps(day: DayCoverage) -> None:
    print()
    rows = [(gap.start, gap.end or "-", gap.cause, gap.detail) for gap in day.gaps]
    print_table((f"gaps of {day.camera} {day.stream}", "until", "cause", "detail"), rows, f"{day.camera}: no gap")


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / NS_PER_S, 3)
