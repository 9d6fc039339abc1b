"""Raises and clears alerts after each look, and decides with the quiet hours what of them is told when.

The catalogue says what is raised; only the levels of what is not yet, or not any more, are in memory. Each alert is a
transaction that also puts into the outbox what is told of it. A hint on the bus follows, and may be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from components.health_monitor.core.alert_rules import HELD_ALERTS, TEST
from components.health_monitor.core.alerts import Active, decide
from components.health_monitor.core.hysteresis import Level
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.quiet_hours import Known, Quiet, Telling, digests_over, quiet_at, telling
from components.health_monitor.core.rules import Condition
from components.health_monitor.core.troubles import SITE, Key, Recent
from components.shared.catalogue.alerts import (
    AlertRow,
    NewAlert,
    alerts_of,
    clear_alert,
    raise_alert,
    tell_cleared,
    tell_raised,
    unsettled_alerts,
)
from components.shared.catalogue.health import HealthWriter
from components.shared.errors import Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.messages import AlertCleared, AlertRaised, Body
from components.shared.wire.units import MonotonicNs

NAMES_MAX = 12
"""A digest names so many of its alerts; their number it tells in any case."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the site's document says of alerts, and its time zone."""

    limits: AlertsSection
    zone: tzinfo


class Alerting:
    """One thread calls `look` after each look at the site, and `test` when somebody asks for it."""

    def __init__(self, thing: str, catalogue: HealthWriter, bus: Bus, clock: Clock, log: Log) -> None:
        self._thing = thing
        self._catalogue = catalogue
        self._bus = bus
        self._clock = clock
        self._log = log
        self._levels: Mapping[Key, Level] = {}
        self._looked_ns: MonotonicNs | None = None

    def look(self, picture: Picture, conditions: Iterable[Condition], recent: Recent, wishes: Wishes) -> None:
        """Raise, clear and tell what is due. Transient when the catalogue does not take it; the next look does it."""
        quiet = quiet_at(wishes.limits.quiet, wishes.zone, picture.wall_ns)
        active = {(row.kind, row.subject): row for row in unsettled_alerts(self._catalogue) if row.cleared_ns is None}
        elapsed_ns = picture.monotonic_ns - self._looked_ns if self._looked_ns is not None else 0
        decision = decide(
            picture,
            conditions,
            recent,
            [Active(row.kind, row.subject, row.reason, row.members) for row in active.values()],
            self._levels,
            elapsed_ns,
            wishes.limits,
        )
        for key in decision.cleared:
            self._clear(active[key], quiet)
        for alert in decision.raised:
            new = NewAlert(alert.kind, alert.subject, alert.severity, alert.reason, alert.members)
            self._raise(new, is_held=quiet[alert.severity])
        self._levels, self._looked_ns = decision.levels, picture.monotonic_ns
        self._tell_held(quiet)

    def test(self, request: str) -> None:
        """Raise the test alert of a request, quiet hours or not; it is cleared at the next look. Once per request."""
        if alerts_of(self._catalogue, TEST, request):
            return
        reason = "somebody asked for a test of the way that alerts take; nothing is wrong"
        self._raise(NewAlert(TEST, request, "warning", reason), is_held=False)

    def _tell_held(self, quiet: Quiet) -> None:
        """Tell what quiet hours held back, and end what is told by itself."""
        rows = {row.alert: row for row in unsettled_alerts(self._catalogue)}
        known = [Known(row.alert, row.severity, row.cleared_ns is None, row.told, row.digest) for row in rows.values()]
        active = [row for row in rows.values() if row.cleared_ns is None]
        over = digests_over(known, [row.alert for row in active if row.kind == HELD_ALERTS])
        for row in active:
            if row.alert in over or row.kind == TEST:
                # A test is no disturbance that could wait: somebody waits for it.
                self._clear(row, {"warning": False, "critical": False} if row.kind == TEST else quiet)
        self._tell(telling(known, quiet), rows)

    def _tell(self, due: Telling, rows: Mapping[str, AlertRow]) -> None:
        now_ns = self._clock.wall_ns()
        for alert in due.cleared:
            tell_cleared(self._catalogue, self._thing, alert, now_ns)
        for alert in due.raised:
            tell_raised(self._catalogue, self._thing, alert, now_ns)
        if due.digest:
            names = ", ".join(f"{rows[alert].kind} of {rows[alert].subject}" for alert in due.digest[:NAMES_MAX])
            more = ", ..." if len(due.digest) > NAMES_MAX else ""
            reason = f"{len(due.digest)} alerts of the quiet hours still hold: {names}{more}"
            self._raise(NewAlert(HELD_ALERTS, SITE, due.severity, reason), is_held=False, instead_of=due.digest)

    def _raise(self, new: NewAlert, is_held: bool, instead_of: tuple[str, ...] = ()) -> None:
        row = raise_alert(self._catalogue, self._thing, new, self._clock.wall_ns(), is_held, instead_of)
        if row is None:
            return
        self._log.warning(
            "alert_raised", kind=row.kind, subject=row.subject, reason=row.reason, held=is_held, trace_id=row.alert
        )
        body = AlertRaised(
            alert=row.alert,
            kind=row.kind,
            subject=row.subject,
            severity=row.severity,
            reason=row.reason,
            raised_wall_ns=row.raised_ns,
            count=row.count,
        )
        self._hint(body, row.alert)

    def _clear(self, row: AlertRow, quiet: Quiet) -> None:
        now_ns = self._clock.wall_ns()
        if clear_alert(self._catalogue, self._thing, row.alert, now_ns, is_held=quiet[row.severity]) is None:
            return
        self._log.info("alert_cleared", kind=row.kind, subject=row.subject, trace_id=row.alert)
        body = AlertCleared(
            alert=row.alert,
            kind=row.kind,
            subject=row.subject,
            reason=row.reason,
            raised_wall_ns=row.raised_ns,
            cleared_wall_ns=now_ns,
        )
        self._hint(body, row.alert)

    def _hint(self, body: Body, trace_id: str) -> None:
        try:
            self._bus.publish(body, trace_id)
        except Transient:
            # Whoever shows alerts reads them from the catalogue on a timer; the bus tells by itself that it is away.
            return
