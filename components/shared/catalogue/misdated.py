"""A stream's record that a wrong clock dated ahead, and how the record goes on at the true time in front of it.

The segments of a stream must not overlap, and what comes next begins where the record ends: that is what keeps a clock
that steps back from overwriting anything. When a clock was a year ahead, it would date all new footage a year ahead as
well, for a year. So the record is parted: what lies ahead is `misdated` from its first row on and stays as it is, can
be looked at and is deleted like any other; the record goes on before it. A gap that reaches over now, because the clock
leapt or was wrong when it ended, ends now: what it says of the future has not happened. When the true time comes to
what is misdated, the mark goes and the record goes on behind it.

Statements of capture.db, to be used in a transaction of its writer.
"""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

from components.shared.catalogue.capture_reader import RECORD_END
from components.shared.catalogue.database import Do
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S

ROOM_NS_MIN = 3_600 * NS_PER_S
"""Parting for less is not worth its end: a run that is ahead by an hour is led back within a day."""

PUT_BACK = "the clock was put back: what was recorded meanwhile is dated ahead"
PUT_FORWARD = "the clock was put forward"
CAME_THERE = "up to what a wrong clock dated ahead"

_OPEN_GAP = "camera = ? AND stream = ? AND end_ns IS NULL"
_ENDED_AHEAD = (
    "SELECT min(start_ns) FROM (SELECT start_ns FROM segment WHERE camera = ?1 AND stream = ?2 AND start_ns > ?3 "
    "UNION ALL SELECT start_ns FROM gap WHERE camera = ?1 AND stream = ?2 AND start_ns > ?3 AND end_ns IS NOT NULL)"
)
_COVERING = "FROM {} WHERE camera = ?1 AND stream = ?2 AND start_ns <= ?3 AND end_ns > ?3 LIMIT 1"


def part(do: Do, camera: str, stream: StreamName, now_ns: int) -> bool:
    """See `CaptureWriter.part_from_future`."""
    key = (camera, stream)
    if do("SELECT 1 FROM segment WHERE camera = ? AND stream = ? AND state = 'open'", *key):
        return False
    gap = do(f"SELECT start_ns, cause, detail FROM gap WHERE {_OPEN_GAP}", *key)
    start_ns = do(_ENDED_AHEAD, *key, now_ns)[0][0]
    if gap and gap[0][0] <= now_ns:
        return False
    if do(f"SELECT 1 {_COVERING.format('segment')}", *key, now_ns):
        return False
    over = do(f"SELECT start_ns, cause, detail, gap {_COVERING.format('gap')}", *key, now_ns)
    if over and over[0][1] == "policy":  # there was footage
        return False
    if start_ns is None and not gap and not over:
        return False
    if start_ns is not None and start_ns - now_ns < ROOM_NS_MIN:
        return False
    if over:
        do("DELETE FROM gap WHERE gap = ?", over[0][3])
    if over and over[0][0] < now_ns:
        _insert_gap(do, camera, stream, over[0][0], now_ns, *over[0][1:3])
    do(f"DELETE FROM gap WHERE {_OPEN_GAP}", *key)
    if start_ns is not None:
        do("INSERT OR REPLACE INTO misdated (camera, stream, start_ns) VALUES (?, ?, ?)", *key, start_ns)
    fill(do, camera, stream, now_ns, PUT_BACK)
    if gap:
        _insert_gap(do, camera, stream, now_ns, None, *gap[0][1:])
    return True


def rejoin(do: Do, camera: str, stream: StreamName, at_ns: int) -> bool:
    """See `CaptureWriter.rejoin_future`."""
    key = (camera, stream)
    found = do("SELECT start_ns FROM misdated WHERE camera = ? AND stream = ?", *key)
    if not found or at_ns < found[0][0]:
        return False
    start_ns = found[0][0]
    gap = do(f"SELECT start_ns, cause, detail FROM gap WHERE {_OPEN_GAP}", *key)
    if gap and gap[0][0] < start_ns:
        do(f"UPDATE gap SET end_ns = ? WHERE {_OPEN_GAP}", start_ns, *key)
    elif gap:
        do(f"DELETE FROM gap WHERE {_OPEN_GAP}", *key)
    elif not do("SELECT 1 FROM segment WHERE camera = ? AND stream = ? AND state = 'open'", *key):
        fill(do, camera, stream, start_ns, CAME_THERE)
    do("DELETE FROM misdated WHERE camera = ? AND stream = ?", *key)
    if gap:
        _insert_gap(do, camera, stream, do(RECORD_END, *key)[0][0], None, *gap[0][1:])
    return True


def fill(do: Do, camera: str, stream: StreamName, until_ns: int, detail: str) -> None:
    """From where the record ends to `until_ns` is a gap with the cause `clock`; nothing without a record before."""
    end_ns = do(RECORD_END, camera, stream)[0][0]
    if end_ns is not None and end_ns < until_ns:
        _insert_gap(do, camera, stream, end_ns, until_ns, "clock", detail)


def _insert_gap(
    do: Do, camera: str, stream: StreamName, start_ns: int, end_ns: int | None, cause: str, detail: str
) -> None:
    do(
        "INSERT INTO gap (camera, stream, start_ns, end_ns, cause, detail) VALUES (?, ?, ?, ?, ?, ?)",
        *(camera, stream, start_ns, end_ns, cause, detail),
    )
