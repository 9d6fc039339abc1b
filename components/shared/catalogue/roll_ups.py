"""Reads and recounts the roll-ups of capture.db: how much of each hour or day of a stream is covered, and by what.

The roll-ups themselves are kept by triggers, see `roll_up_schema`. What is in none of them (a span that is still open)
is added from its row, up to `now_ns`; where a segment and a gap of a stream are open at once, the earlier one ends
where the later one begins, as it will when it is closed.
"""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from components.shared.catalogue.database import Do, Row
from components.shared.catalogue.roll_up_schema import DAY_NS, HOUR_NS, ITSELF_NS, RECORDED, RECOUNT, UNITS_NS
from components.shared.errors import Rejected
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import Span, WallNs

__all__ = ["DAY_NS", "HOUR_NS", "Covered", "day_of", "recount", "recount_spans", "roll_ups_of"]

UNITS_MAX = 800
"""Hours or days of one overview of a stream: a month of hours, two years of days. A row has some 50 bytes."""

RECOUNT_NS = 7 * DAY_NS
"""Counted anew in one transaction: some thousand rows, tens of milliseconds."""

_SELECT = (
    "SELECT unit_ns, start_ns, start_ns + duration_ns, cause, duration_ns, spans, size_bytes FROM roll_up "
    "WHERE camera = ?1 AND stream = ?2 AND unit_ns = ?3 AND start_ns >= ?4 AND start_ns < ?5 UNION ALL "
    "SELECT unit_ns, start_ns, start_ns + duration_ns, cause, duration_ns, spans, size_bytes FROM roll_up "
    f"WHERE camera = ?1 AND stream = ?2 AND unit_ns = {ITSELF_NS} AND start_ns < ?5 AND start_ns + duration_ns > ?4 "
    f"UNION ALL SELECT {ITSELF_NS}, start_ns, NULL, '{RECORDED}', 0, 1, 0 FROM segment "
    "WHERE camera = ?1 AND stream = ?2 AND state = 'open' "
    f"UNION ALL SELECT {ITSELF_NS}, start_ns, NULL, cause, 0, 1, 0 FROM gap "
    "WHERE camera = ?1 AND stream = ?2 AND end_ns IS NULL"
)
"""One statement, so that a segment that is closed meanwhile is seen once."""

Read = Callable[..., list[Row]]


@dataclass(slots=True)
class Covered:
    """What a stream has in one hour or day: time in segments and in gaps by cause; spans and bytes that begin there."""

    camera: str
    stream: StreamName
    start_ns: WallNs
    end_ns: WallNs
    recorded_ns: int = 0
    gaps_ns: dict[str, int] = field(default_factory=dict)
    segments: int = 0
    gaps: int = 0
    size_bytes: int = 0

    @property
    def accounted_ns(self) -> int:
        """How much of it is in a segment or a gap."""
        return self.recorded_ns + sum(self.gaps_ns.values())

    def add(self, cause: str, duration_ns: int, spans: int, size_bytes: int) -> None:
        """Counts what a roll-up or a span has in it."""
        if cause == RECORDED:
            self.recorded_ns += duration_ns
            self.segments += spans
            self.size_bytes += size_bytes
        else:
            self.gaps_ns[cause] = self.gaps_ns.get(cause, 0) + duration_ns
            self.gaps += spans


def day_of(wall_ns: int) -> int:
    """The start of the UTC day of a wall time."""
    return wall_ns - wall_ns % DAY_NS


def roll_ups_of(
    read: Read, camera: str, stream: StreamName, window: Span, unit_ns: int, now_ns: WallNs
) -> list[Covered]:
    """Every hour or day of the window, in order, those with nothing in them included. Rejected unless it fits them."""
    if unit_ns not in UNITS_NS:
        raise Rejected(f"roll-ups are of {HOUR_NS} or {DAY_NS} ns, not of {unit_ns}")
    if window.start_ns % unit_ns or window.end_ns % unit_ns or window.duration_ns > UNITS_MAX * unit_ns:
        raise Rejected(f"{window.start_ns} to {window.end_ns} are not at most {UNITS_MAX} whole units of {unit_ns} ns")
    starts = range(window.start_ns, window.end_ns, unit_ns)
    found = [Covered(camera, stream, WallNs(start), WallNs(start + unit_ns)) for start in starts]
    rows = read(_SELECT, camera, stream, unit_ns, window.start_ns, window.end_ns)
    open_starts = [row[1] for row in rows if row[2] is None]
    for unit, start_ns, end_ns, cause, duration_ns, spans, size_bytes in rows:
        if unit == unit_ns:
            found[(start_ns - window.start_ns) // unit_ns].add(cause, duration_ns, spans, size_bytes)
            continue
        last_ns = end_ns
        if last_ns is None:
            last_ns = min((other for other in open_starts if other > start_ns), default=max(now_ns, start_ns))
        for covered in found[max(0, (start_ns - window.start_ns) // unit_ns) :]:
            if covered.start_ns >= last_ns:
                break
            begins = covered.start_ns <= start_ns < covered.end_ns
            part_ns = min(last_ns, covered.end_ns) - max(start_ns, covered.start_ns)
            covered.add(cause, part_ns, spans if begins else 0, size_bytes if begins else 0)
    return found


def recount(do: Do, camera: str, stream: StreamName, window: Span) -> None:
    """Counts the roll-ups of whole days of a stream anew from its rows."""
    for statement in RECOUNT:
        do(statement, camera, stream, window.start_ns, window.end_ns)


def recount_spans(read: Read, camera: str, stream: StreamName) -> Iterator[Span]:
    """The spans of whole days in which a stream has anything to be counted, each for one transaction."""
    cursor_ns = day_of(_first_start_ns(read, camera, stream, -(2**62)) or 0)
    while (start_ns := _first_start_ns(read, camera, stream, cursor_ns - DAY_NS)) is not None:
        begin_ns = max(cursor_ns, day_of(start_ns))
        cursor_ns = begin_ns + RECOUNT_NS
        yield Span(WallNs(begin_ns), WallNs(cursor_ns))


def _first_start_ns(read: Read, camera: str, stream: StreamName, since_ns: int) -> int | None:
    sql = (
        "SELECT min(start) FROM (SELECT min(start_ns) AS start FROM segment WHERE camera = ?1 AND stream = ?2 "
        "AND start_ns >= ?3 UNION ALL "
        "SELECT min(start_ns) FROM gap WHERE camera = ?1 AND stream = ?2 AND start_ns >= ?3)"
    )
    found: int | None = read(sql, camera, stream, since_ns)[0][0]
    return found
