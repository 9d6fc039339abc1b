"""Looks at the site every few seconds: keeps conditions and summary in health.db, hints, sends telemetry.

The summary in the catalogue is the truth that SiteConfig reports to the shadow; the message is the hint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.health_monitor.core.findings import Findings, alert_figures, nothing_found
from components.health_monitor.core.measures import Sample, Tally, measure
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import Condition, judge, summarise
from components.health_monitor.gathering import Gathering
from components.health_monitor.status_keeper import StatusKeeper
from components.health_monitor.telemetry import TelemetrySender
from components.shared.catalogue.alerts import count_raised
from components.shared.catalogue.health import HealthWriter, SummaryRow
from components.shared.catalogue.outbox import count_waiting
from components.shared.errors import Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.messages import HealthChanged
from components.shared.wire.units import NS_PER_S, MonotonicNs

SUMMARY_NS = 60 * NS_PER_S
"""A summary that says the same is written again this often, so that its time shows that somebody still watches."""


class Watch:
    """One look after another; `look` is called in every round."""

    def __init__(
        self,
        gathering: Gathering,
        catalogue: HealthWriter,
        bus: Bus,
        clock: Clock,
        log: Log,
        inspect: Callable[[Picture], Findings] = nothing_found,
    ) -> None:
        """`inspect` looks further than one picture; see `inspection`."""
        self._gathering = gathering
        self._catalogue = catalogue
        self._bus = bus
        self._clock = clock
        self._log = log
        self._inspect = inspect
        self._statuses = StatusKeeper(catalogue)
        self._summary: dict[str, Any] | None = None
        self._summary_due_ns: MonotonicNs | None = None
        self._telemetry = TelemetrySender(bus, log)
        self._looks = 0
        self.samples: tuple[Sample, ...] = ()
        """The figures of the last look."""
        self.picture: Picture | None = None
        """What the last look saw."""

    def look(self, thing: str, telemetry_s: int) -> tuple[Condition, ...]:
        """Look once, write down what changed, send what is due; returns the conditions that hold."""
        picture = self.picture = self._gathering.take()
        self._statuses.look(picture)
        findings = self._inspect(picture)
        conditions = tuple(sorted((*judge(picture), *findings.conditions)))
        self._keep(conditions, picture)
        self._summarise(picture, {**summarise(picture, conditions), **findings.summary})
        self._looks += 1
        tally = Tally(self._looks, self._telemetry.sent, self._telemetry.failed)
        # Of the look before, since this one's alerts follow from it.
        alerts = alert_figures(count_raised(self._catalogue), count_waiting(self._catalogue))
        self.samples = measure(picture, conditions, tally, {**findings.figures, **alerts})
        self._telemetry.send_due(thing, telemetry_s, picture, self.samples)
        return conditions

    def _keep(self, conditions: tuple[Condition, ...], picture: Picture) -> None:
        """Raise what is new, clear what is over, each told once."""
        active = {(row.kind, row.subject): row for row in self._catalogue.conditions()}
        for condition in conditions:
            row = active.pop((condition.kind, condition.subject), None)
            if row is None or row.reason != condition.reason:
                self._catalogue.raise_condition(condition.kind, condition.subject, picture.wall_ns, condition.reason)
            if row is None:
                self._log.warning(
                    "condition_raised", kind=condition.kind, subject=condition.subject, reason=condition.reason
                )
        for kind, subject in active:
            self._catalogue.clear_condition(kind, subject, picture.wall_ns)
            self._log.info("condition_cleared", kind=kind, subject=subject)

    def _summarise(self, picture: Picture, summary: dict[str, Any]) -> None:
        due = self._summary_due_ns is None or picture.monotonic_ns >= self._summary_due_ns
        if summary == self._summary and not due:
            return
        self._catalogue.set_summary(SummaryRow(picture.wall_ns, summary))
        self._summary, self._summary_due_ns = summary, MonotonicNs(picture.monotonic_ns + SUMMARY_NS)
        try:
            self._bus.publish(HealthChanged(summary_wall_ns=picture.wall_ns))
        except Transient:
            # SiteConfig sweeps the summary on a timer; the bus tells by itself that it is not connected.
            return
