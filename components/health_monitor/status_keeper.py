"""Keeps what the components say of themselves in health.db: at once when it is news, else every minute.

News is a component that was not kept yet, that was started anew, or that has another error than before. Progress and
backlog change all the time: they are as old as a minute, so that a quiet site writes little to its disk.
"""

from __future__ import annotations

from components.health_monitor.core.picture import Heard, Picture
from components.shared.catalogue.component_status import ComponentStatus, keep_statuses
from components.shared.catalogue.health import HealthWriter
from components.shared.wire.units import NS_PER_S

KEEP_NS = 60 * NS_PER_S


class StatusKeeper:
    """One look after another; `look` is called in every round."""

    def __init__(self, catalogue: HealthWriter) -> None:
        self._catalogue = catalogue
        self._due_ns = 0
        self._news: dict[str, tuple[int, str | None]] = {}

    def look(self, picture: Picture) -> None:
        """Keep what is due. Transient when the disk does not take it."""
        news = {name: (heard.started_wall_ns, heard.last_error) for name, heard in picture.heard.items()}
        if not news or (news == self._news and picture.monotonic_ns < self._due_ns):
            return
        keep_statuses(self._catalogue, (_status(name, heard, picture) for name, heard in picture.heard.items()))
        self._news, self._due_ns = news, picture.monotonic_ns + KEEP_NS


def _status(name: str, heard: Heard, picture: Picture) -> ComponentStatus:
    return ComponentStatus(
        component=name,
        version=heard.version,
        started_ns=heard.started_wall_ns,
        last_progress_ns=heard.last_progress_wall_ns,
        backlog=heard.backlog,
        last_error=heard.last_error,
        last_error_ns=heard.last_error_wall_ns,
        reported_ns=picture.wall_ns - (picture.monotonic_ns - heard.received_ns),
    )
