"""Wires HealthMonitor: its catalogue, what it listens to, the task that looks, and the desk for alerts."""

from __future__ import annotations

import os
from collections.abc import Sequence

from components.health_monitor.alert_desk import AlertDesk
from components.health_monitor.core.endpoint import cloud_endpoint
from components.health_monitor.gathering import Gathering
from components.health_monitor.inspection import Inspection
from components.health_monitor.metrics_endpoint import MetricsEndpoint
from components.health_monitor.probes import BoxProbe
from components.health_monitor.watch import Watch
from components.shared.catalogue.health import HealthWriter
from components.shared.errors import Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.component import AppliedReporter, Context, Task
from components.shared.runtime.config import Snapshot
from components.shared.wire import topics
from components.shared.wire.site_config import HealthSection
from components.shared.wire.units import NS_PER_S

LOOK_NS = 5 * NS_PER_S
"""A camera's or component's failure is in the summary within this and SiteConfig's pace of reporting."""

STATUSES_MAX = 1_000
"""Five components report every 5 s: room for minutes of a monitor that is held up."""


def build(context: Context) -> Sequence[Task]:
    """The tasks of HealthMonitor. Transient while the health catalogue cannot be opened."""
    catalogue = HealthWriter.open(context.data)
    statuses = Inbox(STATUSES_MAX)
    hints = Inbox(STATUSES_MAX)
    context.bus.subscribe(topics.STATUS_REPORTED, statuses)
    for topic in (topics.STREAM_CHANGED, topics.EVENT_BEGUN, topics.EVENT_ENDED, topics.CONFIG_CHANGED):
        context.bus.subscribe(topic, hints)
    losses = Inbox(STATUSES_MAX)
    for topic in (topics.SEGMENT_DELETED, topics.SEGMENT_LOST):
        context.bus.subscribe(topic, losses)
    # The environment is where a core tells its components about the cloud, as it tells the AWS clients of the others.
    inspection = Inspection(context.data, losses, cloud_endpoint(os.environ), context.clock, context.log)
    gathering = Gathering(context.data, statuses, BoxProbe(context.data, inspection.temperature), context.clock)
    watch = Watch(gathering, catalogue, context.bus, context.clock, context.log, inspection.look)
    endpoint = MetricsEndpoint(context.thing, context.status, context.log)
    alerts = AlertDesk(context, catalogue)
    applied = AppliedReporter(context.bus, context.name, context.clock)

    def look() -> None:
        snapshot: Snapshot | None = None
        while not context.stop.is_set():
            snapshot = context.config.poll() or snapshot
            if snapshot is not None:
                applied.report(snapshot)
            inspection.follow(snapshot)
            section = snapshot.site.document.health if snapshot else HealthSection()
            endpoint.follow(section.prometheus_port if snapshot else 0)
            try:
                conditions = watch.look(context.thing, section.telemetry_s)
                alerts.look(watch.picture, conditions, snapshot.site.document if snapshot else None)
                endpoint.show(watch.samples)
                context.status.progressed()
            except Transient as error:
                context.log.warning("look_failed", error=error)
                context.status.failed(str(error))
            hints.drain()
            hints.take(context.clock, context.stop, LOOK_NS)
        endpoint.close()
        if alerts.finish():
            catalogue.close()

    return [Task("look", look), *alerts.tasks()]
