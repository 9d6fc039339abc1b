"""A site's alerts with everything around them: a real catalogue, a bus, a cloud, and a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from components.health_monitor.alerting import Alerting, Wishes
from components.health_monitor.core.picture import Box, Picture, Stream
from components.health_monitor.core.rules import Condition
from components.health_monitor.core.troubles import Recent
from components.health_monitor.delivery import Delivery
from components.shared.catalogue.database import Database
from components.shared.catalogue.health import HealthWriter
from components.shared.runtime.bus import Bus, CloudInbox
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.alert_notice import acknowledged_topic
from components.shared.wire.topics import HEALTH_MONITOR
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from tests.fakes.alert_cloud import AlertCloud
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

THING = "site-1"
LOOK_S = 5


@dataclass
class World:
    """What outlives the monitor: time, the bus, the cloud, and what there is to see."""

    cameras: list[str]
    limits: AlertsSection = field(default_factory=AlertsSection)
    zone: str = "UTC"
    clock: FakeClock = field(default_factory=FakeClock)
    broker: FakeBroker = field(default_factory=FakeBroker)
    away: set[str] = field(default_factory=set)
    conditions: list[Condition] = field(default_factory=list)
    loses: Callable[[int], bool] = lambda _number: False
    cloud: AlertCloud = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = AlertCloud(THING, self.broker, self.loses)

    def picture(self, began_ns: MonotonicNs) -> Picture:
        """What a look sees now."""
        streams = tuple(
            Stream(name, "main", "connecting" if name in self.away else "recording", "unreachable", WallNs(0), 0)
            for name in self.cameras
        )
        box = Box(50, 100, 90.0, 10.0, 40.0, None)
        return Picture(self.clock.wall_ns(), self.clock.monotonic_ns(), began_ns, {}, streams, None, box)


class AlertSite:
    """A monitor in this world, from its start to its end; `around` may put something between it and its catalogue."""

    def __init__(
        self,
        data: Path,
        world: World,
        around: Callable[[Database], Database] = lambda inner: inner,
        on_the_way: Callable[[Bus], Bus] = lambda inner: inner,
        look_s: int = LOOK_S,
    ) -> None:
        self.world = world
        self._look_s = look_s
        self.log = RecordingLog()
        self._opened = HealthWriter.open(data)
        self.catalogue = HealthWriter(around(self._opened.database))
        self._bus = FakeBus(HEALTH_MONITOR, world.broker, self.log, world.clock)
        self.bus = on_the_way(self._bus)
        self.answers = CloudInbox(200)
        self._bus.subscribe_cloud(acknowledged_topic(THING), self.answers)
        self._began_ns = world.clock.monotonic_ns()
        self.alerting = Alerting(THING, self.catalogue, self.bus, world.clock, self.log)
        self._stop = threading.Event()
        self.delivery = Delivery(THING, self.catalogue, self.bus, self.answers, world.clock, self._stop, self.log)

    def run(self, for_s: int) -> None:
        """Let time pass: a look every few seconds, and after each the cloud hears what is sent and answers."""
        for _ in range(for_s // self._look_s):
            self.world.clock.advance(self._look_s * NS_PER_S)
            self.look()
            self.deliver()

    def look(self) -> None:
        """One look."""
        wishes = Wishes(self.world.limits, ZoneInfo(self.world.zone))
        self.alerting.look(self.world.picture(self._began_ns), self.world.conditions, Recent({}, 0), wishes)

    def deliver(self) -> None:
        """What waits is sent, and what is answered is heard, until nothing moves any more; no time passes."""
        for _ in range(100):
            before = len(self.world.broker.to_cloud)
            self.delivery.send()
            self.world.cloud.receive()
            self.delivery.hear(self.answers.drain())
            if len(self.world.broker.to_cloud) == before:
                return
        raise AssertionError("sending has no end")

    def close(self) -> None:
        """The process ends."""
        self._stop.set()
        self._bus.close()
        self._opened.close()
