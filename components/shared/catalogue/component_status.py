"""What each component said of itself last, kept in health.db for whoever asks without hearing the bus.

HealthMonitor writes it; a row is as old as its `reported_ns`, and whether that is too old is not decided here.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.catalogue.health import HealthReader, HealthWriter

_COLUMNS = "component, version, started_ns, last_progress_ns, backlog, last_error, last_error_ns, reported_ns"


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """A status as it was reported; times are wall times of the box."""

    component: str
    version: str
    started_ns: int
    last_progress_ns: int
    backlog: int
    last_error: str | None
    last_error_ns: int | None
    reported_ns: int


def keep_statuses(writer: HealthWriter, statuses: Iterable[ComponentStatus]) -> None:
    """Replaces what is kept of these components, in one durable transaction."""
    marks = ", ".join("?" * (_COLUMNS.count(",") + 1))
    with writer.database.transaction("keep statuses") as do:
        for status in statuses:
            do(f"INSERT OR REPLACE INTO component ({_COLUMNS}) VALUES ({marks})", *astuple(status))


def kept_statuses(reader: HealthReader) -> list[ComponentStatus]:
    """What is kept, by component."""
    found = reader.database.read(f"SELECT {_COLUMNS} FROM component ORDER BY component LIMIT ?", READ_ROWS_MAX)
    return [ComponentStatus(*row) for row in found]
