"""Alerts in health.db: raised and cleared once each, and told by way of the outbox. HealthMonitor writes them.

What happens to an alert and what is to be told of it are one transaction, so that a process that is killed between
them leaves both or none. Raising an active alert again, clearing one that is over, telling what was told: each does
nothing. It knows nothing of when an alert is raised, nor of how a notice is sent.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.shared.catalogue.database import READ_ROWS_MAX, Do, Row
from components.shared.catalogue.health import HealthReader, HealthWriter
from components.shared.catalogue.outbox import put_notice
from components.shared.wire.alert_notice import (
    REASON_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    AlertNotice,
    Severity,
    alert_id,
    notice_of,
)
from components.shared.wire.units import WallNs

Told = Literal["nothing", "raised", "cleared"]

ALERTS_KEPT_MAX = 10_000
"""History: alerts that are over, told or not; a year of one an hour."""

_COLUMNS = (
    "number, alert, kind, subject, severity, reason, members, count, raised_ns, cleared_ns, told, digest, "
    "raised_acknowledged_ns, cleared_acknowledged_ns"
)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to raise. `members` are the subjects that a grouped one holds."""

    kind: str
    subject: str
    severity: Severity
    reason: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert. `told` is what of it has been put into the outbox: nothing, raised, or cleared as well."""

    number: int
    alert: str
    kind: str
    subject: str
    severity: Severity
    reason: str
    members: tuple[str, ...]
    count: int
    raised_ns: WallNs
    cleared_ns: WallNs | None
    told: Told
    digest: str | None
    raised_acknowledged_ns: WallNs | None
    cleared_acknowledged_ns: WallNs | None


def unsettled_alerts(reader: HealthReader) -> list[AlertRow]:
    """The alerts that are active, and those whose end is still to be told, in the order they were raised."""
    sql = (
        f"SELECT {_COLUMNS} FROM alert WHERE cleared_ns IS NULL "
        f"UNION ALL SELECT {_COLUMNS} FROM alert WHERE cleared_ns IS NOT NULL AND told = 'raised' ORDER BY 1 LIMIT ?"
    )
    return [_row(row) for row in reader.database.read(sql, READ_ROWS_MAX)]


def count_raised(reader: HealthReader) -> int:
    """How many alerts are active, told or not."""
    return int(reader.database.read("SELECT count(*) FROM alert WHERE cleared_ns IS NULL")[0][0])


def past_alerts(reader: HealthReader, limit: int) -> list[AlertRow]:
    """The newest alerts that are over, newest first."""
    sql = f"SELECT {_COLUMNS} FROM alert WHERE cleared_ns IS NOT NULL ORDER BY number DESC LIMIT ?"
    return [_row(row) for row in reader.database.read(sql, min(limit, READ_ROWS_MAX))]


def alerts_of(reader: HealthReader, kind: str, subject: str) -> list[AlertRow]:
    """All alerts of a kind and subject that are kept, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM alert WHERE kind = ? AND subject = ? ORDER BY number LIMIT ?"
    return [_row(row) for row in reader.database.read(sql, kind, subject, READ_ROWS_MAX)]


def raise_alert(
    writer: HealthWriter, thing: str, new: NewAlert, wall_ns: WallNs, is_held: bool, instead_of: Sequence[str] = ()
) -> AlertRow | None:
    """Raises an alert, and tells it unless it `is_held`; `instead_of` are the alerts that it tells of together.

    None when one of the kind and subject is active already.
    """
    with writer.database.transaction(f"raise alert {new.kind} of {new.subject}") as do:
        row = _insert(do, thing, new, wall_ns, len(instead_of) or len(new.members) or 1)
        if row is None:
            return None
        for alert in instead_of:
            do("UPDATE alert SET digest = ? WHERE alert = ? AND told = 'nothing'", row.alert, alert)
        if not is_held:
            _tell_raised(do, thing, row, wall_ns)
        return row


def clear_alert(writer: HealthWriter, thing: str, alert: str, wall_ns: WallNs, is_held: bool) -> AlertRow | None:
    """Clears an alert, and tells its end unless it `is_held` or its beginning was never told. None when it is over."""
    with writer.database.transaction(f"clear alert {alert}") as do:
        found = do(
            f"UPDATE alert SET cleared_ns = ? WHERE alert = ? AND cleared_ns IS NULL RETURNING {_COLUMNS}",
            wall_ns,
            alert,
        )
        if not found:
            return None
        row = _row(found[0])
        if row.told == "raised" and not is_held:
            _tell_cleared(do, thing, row, wall_ns)
        _forget_oldest(do)
        return row


def tell_raised(writer: HealthWriter, thing: str, alert: str, wall_ns: WallNs) -> bool:
    """Tells that an alert is raised that was held until now; whether it was."""
    with writer.database.transaction(f"tell alert {alert}") as do:
        found = do(f"SELECT {_COLUMNS} FROM alert WHERE alert = ? AND told = 'nothing' AND cleared_ns IS NULL", alert)
        if found:
            _tell_raised(do, thing, _row(found[0]), wall_ns)
        return bool(found)


def tell_cleared(writer: HealthWriter, thing: str, alert: str, wall_ns: WallNs) -> bool:
    """Tells the end of an alert that was held until now; whether it was."""
    with writer.database.transaction(f"tell end of alert {alert}") as do:
        found = do(
            f"SELECT {_COLUMNS} FROM alert WHERE alert = ? AND told = 'raised' AND cleared_ns IS NOT NULL", alert
        )
        if found:
            _tell_cleared(do, thing, _row(found[0]), wall_ns)
        return bool(found)


def _insert(do: Do, thing: str, new: NewAlert, wall_ns: WallNs, count: int) -> AlertRow | None:
    subject = new.subject[:SUBJECT_CHARS_MAX]
    if do("SELECT 1 FROM alert WHERE kind = ? AND subject = ? AND cleared_ns IS NULL", new.kind, subject):
        return None
    raised_ns = wall_ns
    # A wall clock that was set back may show a moment twice; an id is of one alert.
    while do("SELECT 1 FROM alert WHERE alert = ?", alert_id(thing, new.kind, subject, raised_ns)):
        raised_ns = WallNs(raised_ns + 1)
    found = do(
        "INSERT INTO alert (alert, kind, subject, severity, reason, members, count, raised_ns, told) "
        f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'nothing') RETURNING {_COLUMNS}",
        alert_id(thing, new.kind, subject, raised_ns),
        new.kind,
        subject,
        new.severity,
        new.reason[:REASON_CHARS_MAX],
        json.dumps(list(new.members)),
        count,
        raised_ns,
    )
    return _row(found[0])


def _tell_raised(do: Do, thing: str, row: AlertRow, wall_ns: WallNs) -> None:
    do("UPDATE alert SET told = 'raised' WHERE alert = ?", row.alert)
    put_notice(do, _notice(thing, row, None), wall_ns)


def _tell_cleared(do: Do, thing: str, row: AlertRow, wall_ns: WallNs) -> None:
    do("UPDATE alert SET told = 'cleared' WHERE alert = ?", row.alert)
    put_notice(do, _notice(thing, row, row.cleared_ns), wall_ns)


def _notice(thing: str, row: AlertRow, cleared_ns: WallNs | None) -> AlertNotice:
    """What is said of an alert. Its trace id is its own: whoever follows it through the cloud knows it already."""
    return notice_of(
        thing, row.kind, row.subject, row.severity, row.reason, row.raised_ns, cleared_ns, row.count, row.alert
    )


def _forget_oldest(do: Do) -> None:
    """History beyond its limit goes, oldest first; what is still to be told stays."""
    do(
        "DELETE FROM alert WHERE cleared_ns IS NOT NULL AND told <> 'raised' AND number <= (SELECT number FROM alert "
        "WHERE cleared_ns IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?) "
        "AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.alert = alert.alert)",
        ALERTS_KEPT_MAX,
    )


def _row(row: Row) -> AlertRow:
    values: Row = (*row[:6], tuple(json.loads(row[6])), *row[7:])
    return AlertRow(*values)
