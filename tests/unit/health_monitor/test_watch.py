"""HealthMonitor's rounds: what is written, said and sent, with real catalogues and a fake bus."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from components.health_monitor.core.findings import Findings
from components.health_monitor.core.picture import Box
from components.health_monitor.core.rules import SILENT_NS
from components.health_monitor.gathering import Gathering
from components.health_monitor.status_keeper import KEEP_NS
from components.health_monitor.watch import SUMMARY_NS, Watch
from components.shared.catalogue.alerts import NewAlert, raise_alert
from components.shared.catalogue.capture import CaptureWriter, StreamRow
from components.shared.catalogue.component_status import kept_statuses
from components.shared.catalogue.health import HealthWriter
from components.shared.runtime.bus import Inbox
from components.shared.wire import metrics, topics
from components.shared.wire.messages import StatusReported
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

pytestmark = pytest.mark.slow  # real databases with real syncs

TELEMETRY_S = 60


class QuietBox:
    """A box on which nothing ever happens."""

    def read(self) -> Box:
        """The same readings every time."""
        return Box(50, 100, 90.0, 10.0, 40.0, None)


class Bench:
    """A watch with everything around it."""

    def __init__(self, data: Path) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.buses = {name: FakeBus(name, self.broker) for name in topics.COMPONENTS}
        self.bus = self.buses[topics.HEALTH_MONITOR]
        self.summaries = Inbox(100)
        self.buses[topics.SITE_CONFIG].subscribe(topics.HEALTH_CHANGED, self.summaries)
        statuses = Inbox(100)
        self.bus.subscribe(topics.STATUS_REPORTED, statuses)
        self.catalogue = HealthWriter.open(data)
        gathering = Gathering(data, statuses, QuietBox(), self.clock)
        self.found = Findings()
        self.watch = Watch(gathering, self.catalogue, self.bus, self.clock, RecordingLog(), lambda _: self.found)

    def everybody_reports(self) -> None:
        """A status of each component."""
        for name in topics.COMPONENTS:
            wall_ns = self.clock.wall_ns()
            self.buses[name].publish(
                StatusReported(component=name, version="1", started_wall_ns=wall_ns, last_progress_wall_ns=wall_ns)
            )

    def look(self) -> list[str]:
        """One round; the kinds of what is wrong."""
        return [condition.kind for condition in self.watch.look("site-1", TELEMETRY_S)]


def test_condition_is_raised_and_cleared_once(tmp_path: Path) -> None:
    """A component that falls silent is one condition with a beginning and an end, however many rounds see it."""
    bench = Bench(tmp_path)
    bench.everybody_reports()
    assert bench.look() == []
    bench.clock.advance(SILENT_NS + NS_PER_S)
    assert bench.look() == bench.look() == ["component_down"] * len(topics.COMPONENTS)
    bench.everybody_reports()
    assert bench.look() == []
    history = bench.catalogue.conditions(active_only=False)
    assert len(history) == len(topics.COMPONENTS)
    assert all(row.cleared_ns is not None for row in history)


def test_summary_is_written_and_hinted_when_it_changes(tmp_path: Path) -> None:
    """The same summary is not said again within its minute; another one is said at once."""
    bench = Bench(tmp_path)
    bench.everybody_reports()
    bench.look()
    bench.look()
    assert len(bench.summaries.drain()) == 1
    with closing(CaptureWriter.open(tmp_path)) as capture:
        wall_ns = bench.clock.wall_ns()
        capture.set_stream(StreamRow("cam-1", "main", "offline", "unreachable", wall_ns, 10, WallNs(wall_ns - 1)))
    bench.look()
    assert len(bench.summaries.drain()) == 1
    summary = bench.catalogue.summary()
    assert summary is not None
    assert (summary.document["impaired"], summary.document["ok"]) == ("cam-1", False)


def test_summary_shows_that_somebody_still_watches(tmp_path: Path) -> None:
    """An unchanged summary is written again with a new time after its minute."""
    bench = Bench(tmp_path)
    bench.everybody_reports()
    bench.look()
    bench.clock.advance(SUMMARY_NS)
    bench.everybody_reports()
    bench.look()
    summary = bench.catalogue.summary()
    assert summary is not None
    assert summary.wall_ns == bench.clock.wall_ns()


def test_telemetry_goes_at_its_pace_and_survives_being_offline(tmp_path: Path) -> None:
    """A sample at once, then one per interval; offline costs samples, never the watch."""
    bench = Bench(tmp_path)
    bench.everybody_reports()
    bench.look()
    bench.look()
    bench.broker.online = False
    bench.clock.advance(TELEMETRY_S * NS_PER_S)
    bench.look()
    bench.broker.online = True
    bench.clock.advance(TELEMETRY_S * NS_PER_S)
    bench.look()
    samples = bench.broker.to_cloud
    assert [message.topic for message in samples] == [
        "nvr/v1/site-1/telemetry/reported",
        "nvr/v1/site-1/telemetry/reported",
    ]
    values = [json.loads(message.payload)["values"] for message in samples]
    assert [(one["components_down_count"], one["telemetry_failed_total"]) for one in values] == [(0, 0), (5, 1)]


def test_figures_that_were_found_are_told(tmp_path: Path) -> None:
    """What was found beyond the picture is among the figures of the look and in the telemetry, while it is known."""
    bench = Bench(tmp_path)
    bench.found = Findings(figures={metrics.DISK_WRITE: 0.0125, metrics.CLOUD_ROUND_TRIP: 0.25})
    bench.look()
    figures = {sample.metric: sample.value for sample in bench.watch.samples if not sample.labels}
    assert (figures[metrics.DISK_WRITE], figures[metrics.CLOUD_ROUND_TRIP]) == (0.0125, 0.25)
    (told,) = (json.loads(message.payload)["values"] for message in bench.broker.to_cloud)
    assert (told["disk_write_s"], told["cloud_round_trip_s"]) == (0.0125, 0.25)
    bench.found = Findings(figures={metrics.DISK_WRITE: 0.0125})
    bench.look()
    assert metrics.CLOUD_ROUND_TRIP not in {sample.metric for sample in bench.watch.samples}


def test_alerts_and_their_notices_are_counted(tmp_path: Path) -> None:
    """Alerts that are raised, and notices that the cloud has not acknowledged, are figures of each look."""
    bench = Bench(tmp_path)

    def counted() -> tuple[float, float]:
        bench.look()
        figures = {sample.metric: sample.value for sample in bench.watch.samples if not sample.labels}
        return figures[metrics.ALERTS_RAISED], figures[metrics.NOTICES_WAITING]

    assert counted() == (0, 0)
    for subject, is_held in (("cam-1", False), ("cam-2", True)):
        new = NewAlert("camera_offline", subject, "critical", "connecting: unreachable")
        raise_alert(bench.catalogue, "site-1", new, bench.clock.wall_ns(), is_held)
    assert counted() == (2, 1)


def test_statuses_are_kept_at_news_and_every_minute(tmp_path: Path) -> None:
    """An error is kept at once, progress and backlog within a minute, each with the time when it was reported."""
    bench = Bench(tmp_path)
    started_ns = bench.clock.wall_ns()

    def report(backlog: int, error: str | None) -> None:
        bench.clock.advance(5 * NS_PER_S)
        bench.buses[topics.CLOUD_SYNC].publish(
            StatusReported(
                component=topics.CLOUD_SYNC,
                version="1",
                started_wall_ns=started_ns,
                last_progress_wall_ns=started_ns + backlog,
                backlog=backlog,
                last_error=error,
                last_error_wall_ns=None if error is None else started_ns + 9,
            )
        )
        bench.look()

    def kept() -> tuple[int, str | None, int]:
        (status,) = kept_statuses(bench.catalogue)
        return status.backlog, status.last_error, status.reported_ns

    report(1, None)
    assert kept() == (1, None, bench.clock.wall_ns())
    report(2, None)
    assert kept()[0] == 1
    report(3, "store away")
    assert kept() == (3, "store away", bench.clock.wall_ns())
    bench.clock.advance(KEEP_NS)
    reported_ns = bench.clock.wall_ns() - KEEP_NS
    bench.look()
    assert kept() == (3, "store away", reported_ns)
    report(4, "store away")
    assert kept()[0] == 3
