"""Wires what HealthMonitor does about alerts: raising them after a look, tests that people ask for, delivery."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from components.health_monitor.alert_requests import AlertRequests
from components.health_monitor.alerting import Alerting, Wishes
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import Condition
from components.health_monitor.delivery import Delivery
from components.health_monitor.recent import RecentTrouble
from components.shared.catalogue.health import HealthWriter
from components.shared.runtime.bus import CloudInbox
from components.shared.runtime.component import Context, Task
from components.shared.runtime.supervisor import Backoff, supervise
from components.shared.wire.alert_notice import acknowledged_topic
from components.shared.wire.site_config import SiteDocument
from components.shared.wire.units import NS_PER_S

ANSWERS_MAX = 200
"""Each acknowledges up to a hundred notices; one that is dropped costs another sending."""

DELIVERY_BACKOFF = Backoff(schedule_s=(1, 2, 5, 15))
"""While the catalogue cannot be asked; an offline core is asked again by Delivery itself."""


FINISH_NS = NS_PER_S
"""A stop is seen within a quarter of a second; all tasks have to return within little more than one."""


class AlertDesk:
    """One thread calls `look`; `tasks` has the other, which ends soon after the component's stop."""

    def __init__(self, context: Context, catalogue: HealthWriter) -> None:
        answers = CloudInbox(ANSWERS_MAX)
        context.bus.subscribe_cloud(acknowledged_topic(context.thing), answers)
        self._alerting = Alerting(context.thing, catalogue, context.bus, context.clock, context.log)
        self._requests = AlertRequests(self._alerting, context.data, context.log)
        self._recent = RecentTrouble(context.data)
        self._delivery = Delivery(
            context.thing, catalogue, context.bus, answers, context.clock, context.stop, context.log
        )
        self._context = context
        self._finished = threading.Event()

    def look(self, picture: Picture | None, conditions: Iterable[Condition], document: SiteDocument | None) -> None:
        """Raise and clear what this picture asks for. Transient when the catalogue or the disk does not take it."""
        document = document or SiteDocument(schema=1)
        if picture is not None:
            wishes = Wishes(document.health.alerts, ZoneInfo(document.time_zone))
            self._alerting.look(picture, conditions, self._recent.read(picture), wishes)
        self._requests.take()

    def tasks(self) -> list[Task]:
        """The thread that delivers."""
        return [Task("alerts", self._deliver)]

    def finish(self) -> bool:
        """Wait for the other thread after the component's stop; whether the catalogue is free to be closed."""
        return self._context.clock.wait(self._finished, FINISH_NS)

    def _deliver(self) -> None:
        context, attempt = self._context, self._delivery.attempt
        try:
            supervise("alerts", attempt, DELIVERY_BACKOFF, context.clock, context.stop, context.log)
        finally:
            self._finished.set()
