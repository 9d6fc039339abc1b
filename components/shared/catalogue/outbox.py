"""The outbox in health.db: notices that the cloud has not acknowledged yet, in the order they were put there.

It is bounded. When it is full, alerts that were raised and are over before either was sent are told by their end alone,
which says when they were raised; when that is not enough, many of those are told by one notice with their number and
kinds. What says that an alert is active, or ends one that was told, is never merged: there are only as many of them as
there are subjects. Nothing is dropped without being told.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.shared.catalogue.database import READ_ROWS_MAX, Do
from components.shared.catalogue.health import HealthReader, HealthWriter
from components.shared.wire.alert_notice import (
    AlertNotice,
    Severity,
    alert_id,
    decode_notice,
    encode_notice,
    notice_of,
)
from components.shared.wire.units import WallNs

OUTBOX_MAX = 1_000
"""Notices that wait; at half a kilobyte each they are sent within a minute when the network is back."""

MERGED_AT_ONCE_MAX = 100
"""Room is made for so many notices at a time: it takes a moment, and lasts for a while."""

MERGED_KIND = "alerts_merged"
MERGED_SUBJECT = "outbox"

_OVER = "over before it could be told; "


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A notice that waits. `handed_ns` is when it was last handed over to be sent; that is no delivery."""

    number: int
    notice: str
    alert: str
    subject: str
    state: str
    put_ns: WallNs
    handed_ns: WallNs | None


def waiting_notices(reader: HealthReader) -> list[WaitingRow]:
    """The notices that wait, oldest first, at most READ_ROWS_MAX."""
    sql = "SELECT number, notice, alert, subject, state, put_ns, handed_ns FROM outbox ORDER BY number LIMIT ?"
    return [WaitingRow(*row) for row in reader.database.read(sql, READ_ROWS_MAX)]


def count_waiting(reader: HealthReader) -> int:
    """How many notices wait."""
    return int(reader.database.read("SELECT count(*) FROM outbox")[0][0])


def payload_of(reader: HealthReader, notice: str) -> bytes | None:
    """The bytes of a notice; None when it does not wait any more."""
    found = reader.database.read("SELECT payload FROM outbox WHERE notice = ?", notice)
    return bytes(found[0][0]) if found else None


def mark_handed(writer: HealthWriter, notices: Sequence[str], wall_ns: WallNs) -> None:
    """Notes that these were handed over to be sent."""
    with writer.database.transaction("notices handed over") as do:
        for notice in notices:
            do("UPDATE outbox SET handed_ns = ? WHERE notice = ?", wall_ns, notice)


def acknowledge(writer: HealthWriter, notices: Sequence[str], wall_ns: WallNs) -> list[str]:
    """The cloud has these: they wait no more. Gives those that did; of others nothing is known."""
    known = []
    with writer.database.transaction("notices acknowledged") as do:
        for notice in notices:
            found = do("DELETE FROM outbox WHERE notice = ? RETURNING alert, state", notice)
            for alert, state in found:
                column = "raised_acknowledged_ns" if state == "raised" else "cleared_acknowledged_ns"
                do(f"UPDATE alert SET {column} = ? WHERE alert = ?", wall_ns, alert)
                known.append(notice)
    return known


def put_notice(do: Do, notice: AlertNotice, wall_ns: WallNs) -> None:
    """Puts a notice into the outbox, within the transaction that makes it true."""
    if do("SELECT count(*) FROM outbox")[0][0] >= OUTBOX_MAX and not _merge_pairs(do):
        _merge_ends(do, notice.thing, wall_ns)
    _insert(do, notice, wall_ns)


def _insert(do: Do, notice: AlertNotice, wall_ns: WallNs, merged: int = 0) -> None:
    do(
        "INSERT INTO outbox (notice, alert, subject, state, payload, put_ns, merged) VALUES (?, ?, ?, ?, ?, ?, ?)",
        notice.id,
        notice.alert,
        notice.subject,
        notice.state,
        encode_notice(notice),
        wall_ns,
        merged,
    )


def _merge_pairs(do: Do) -> int:
    """Tells the oldest alerts whose beginning and end both wait by their ends alone; how many."""
    pairs = do(
        "SELECT begun.notice, over.notice, over.payload FROM outbox AS begun JOIN outbox AS over "
        "ON over.alert = begun.alert AND over.state = 'cleared' "
        "WHERE begun.state = 'raised' AND begun.handed_ns IS NULL ORDER BY begun.number LIMIT ?",
        MERGED_AT_ONCE_MAX,
    )
    for begun, over, payload in pairs:
        notice = decode_notice(bytes(payload))
        told = notice_of(
            *(notice.thing, notice.kind, notice.subject, notice.severity, _OVER + notice.reason),
            *(WallNs(notice.raised_wall_ns), _wall(notice.cleared_wall_ns), notice.count, notice.trace_id),
        )
        do("DELETE FROM outbox WHERE notice = ?", begun)
        do("UPDATE outbox SET payload = ?, merged = 1 WHERE notice = ?", encode_notice(told), over)
    return len(pairs)


def _merge_ends(do: Do, thing: str, wall_ns: WallNs) -> int:
    """Tells the oldest ends that stand alone by one notice; how many."""
    found = do(
        "SELECT outbox.notice, outbox.payload, alert.members FROM outbox JOIN alert ON alert.alert = outbox.alert "
        "WHERE outbox.merged = 1 AND outbox.handed_ns IS NULL ORDER BY outbox.number LIMIT ?",
        MERGED_AT_ONCE_MAX,
    )
    if len(found) < 2:
        return 0
    notices = [decode_notice(bytes(payload)) for _, payload, _ in found]
    kinds: Counter[str] = Counter()
    for notice, (_, _, members) in zip(notices, found, strict=True):
        kinds.update(json.loads(members) if notice.kind == MERGED_KIND else {notice.kind: 1})
    merged = _merged(do, thing, notices, kinds)
    do(
        "INSERT INTO alert (alert, kind, subject, severity, reason, members, count, raised_ns, cleared_ns, told) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'cleared')",
        *(merged.alert, merged.kind, merged.subject, merged.severity, merged.reason, json.dumps(kinds), merged.count),
        *(merged.raised_wall_ns, merged.cleared_wall_ns),
    )
    for notice in notices:
        do("DELETE FROM outbox WHERE notice = ?", notice.id)
        do("UPDATE alert SET digest = ? WHERE alert = ?", merged.alert, notice.alert)
    _insert(do, merged, wall_ns, merged=1)
    return len(notices)


def _merged(do: Do, thing: str, notices: Sequence[AlertNotice], kinds: Counter[str]) -> AlertNotice:
    """The one notice that tells of all these."""
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    severity: Severity = "critical" if any(notice.severity == "critical" for notice in notices) else "warning"
    raised_ns = WallNs(min(notice.raised_wall_ns for notice in notices))
    cleared_ns = WallNs(max(notice.cleared_wall_ns or 0 for notice in notices))
    while do("SELECT 1 FROM alert WHERE alert = ?", alert_id(thing, MERGED_KIND, MERGED_SUBJECT, raised_ns)):
        raised_ns = WallNs(raised_ns + 1)
    return notice_of(
        *(thing, MERGED_KIND, MERGED_SUBJECT, severity, f"too many were over before they could be told: {counts}"),
        *(raised_ns, cleared_ns, kinds.total(), notices[0].alert),
    )


def _wall(wall_ns: int | None) -> WallNs | None:
    return None if wall_ns is None else WallNs(wall_ns)
