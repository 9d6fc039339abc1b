"""health.db: the site's health in one document, and its conditions. HealthMonitor writes it, others read it.

One condition of a kind and subject is active at a time; raising it again keeps when it began, clearing it again does
nothing. Cleared ones are history, of which the newest are kept.

It knows nothing of what a condition means or when it holds.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.shared.catalogue.alert_schema import ALERTS
from components.shared.catalogue.database import (
    Database,
    Row,
    Schema,
    open_for_reading,
    open_for_writing,
    pages,
)
from components.shared.wire.units import WallNs

REASON_CHARS_MAX = 500
"""Reasons are for people; a longer one is cut when it is written."""

CLEARED_CONDITIONS_MAX = 10_000
"""History of conditions: a year of one an hour."""

_VERSION_1 = (
    """
    CREATE TABLE summary (
        only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
        wall_ns INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE condition (
        condition INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        reason TEXT NOT NULL,
        cleared_ns INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX condition_active ON condition (kind, subject) WHERE cleared_ns IS NULL",
)

_STATUSES = (
    """
    CREATE TABLE component (
        component TEXT NOT NULL PRIMARY KEY,
        version TEXT NOT NULL,
        started_ns INTEGER NOT NULL,
        last_progress_ns INTEGER NOT NULL,
        backlog INTEGER NOT NULL,
        last_error TEXT,
        last_error_ns INTEGER,
        reported_ns INTEGER NOT NULL
    ) STRICT
    """,
)
"""What each component said of itself last; see `component_status`."""

_VERSION_2 = (*ALERTS, *_STATUSES)

HEALTH = Schema("health", (_VERSION_1, _VERSION_2))

_CONDITION = "kind, subject, since_ns, reason, cleared_ns"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The site's health as HealthMonitor last saw it."""

    wall_ns: WallNs
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """Something that is not as it should be (or was not, until `cleared_ns`)."""

    kind: str
    subject: str
    since_ns: WallNs
    reason: str
    cleared_ns: WallNs | None = None


class HealthReader:
    """Reads health.db. Any thread may call; every call is one short read, or several for a long answer."""

    def __init__(self, database: Database):
        """Made by `open`."""
        self._database = database

    @classmethod
    def open(cls, data: Path) -> HealthReader:
        """Transient when HealthMonitor has not made the file yet, or not migrated it yet."""
        return cls(open_for_reading(data, HEALTH))

    @property
    def database(self) -> Database:
        """The file itself, for checks of it."""
        return self._database

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def summary(self) -> SummaryRow | None:
        """The last summary, or None before the first."""
        found = self._database.read("SELECT wall_ns, document FROM summary")
        return SummaryRow(found[0][0], json.loads(found[0][1])) if found else None

    def conditions(self, active_only: bool = True) -> list[ConditionRow]:
        """Conditions in the order they were raised; with `active_only=False` the cleared ones too."""
        active = " AND cleared_ns IS NULL" if active_only else ""

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = last[-1] if last is not None else 0
            select = f"SELECT {_CONDITION}, condition FROM condition"
            return self._database.read(
                f"{select} WHERE condition > ? {active} ORDER BY condition LIMIT ?", after, count
            )

        return [ConditionRow(*row[:-1]) for row in pages(fetch, None)]


class HealthWriter(HealthReader):
    """Writes health.db; HealthMonitor alone has one. Any thread may call; every call is one durable transaction."""

    @classmethod
    def open(cls, data: Path) -> HealthWriter:
        """The file is created and migrated as needed. Transient while another process has it."""
        return cls(open_for_writing(data, HEALTH))

    def set_summary(self, row: SummaryRow) -> None:
        """Replaces the summary."""
        sql = (
            "INSERT INTO summary (only, wall_ns, document) VALUES (1, ?, ?) "
            "ON CONFLICT (only) DO UPDATE SET wall_ns = excluded.wall_ns, document = excluded.document"
        )
        with self._database.transaction("set summary") as do:
            do(sql, row.wall_ns, json.dumps(dict(row.document), sort_keys=True))

    def raise_condition(self, kind: str, subject: str, since_ns: WallNs, reason: str) -> bool:
        """Raises a condition; of an active one only the reason changes. Gives whether it is new."""
        where = "WHERE kind = ? AND subject = ? AND cleared_ns IS NULL"
        with self._database.transaction(f"raise {kind} of {subject}") as do:
            if do(f"UPDATE condition SET reason = ? {where} RETURNING 1", reason[:REASON_CHARS_MAX], kind, subject):
                return False
            sql = "INSERT INTO condition (kind, subject, since_ns, reason) VALUES (?, ?, ?, ?)"
            do(sql, kind, subject, since_ns, reason[:REASON_CHARS_MAX])
            return True

    def clear_condition(self, kind: str, subject: str, cleared_ns: WallNs) -> bool:
        """Clears a condition; gives whether it was active. History beyond its limit goes, oldest first."""
        where = "WHERE kind = ? AND subject = ? AND cleared_ns IS NULL"
        with self._database.transaction(f"clear {kind} of {subject}") as do:
            if not do(f"UPDATE condition SET cleared_ns = ? {where} RETURNING 1", cleared_ns, kind, subject):
                return False
            do(
                "DELETE FROM condition WHERE cleared_ns IS NOT NULL AND condition <= (SELECT condition FROM condition "
                "WHERE cleared_ns IS NOT NULL ORDER BY condition DESC LIMIT 1 OFFSET ?)",
                CLEARED_CONDITIONS_MAX,
            )
            return True
