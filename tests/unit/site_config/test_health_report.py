"""The health summary in its shadow: at every change, not too often, until it is answered."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from components.shared.catalogue.health import HealthWriter, SummaryRow
from components.shared.errors import Transient
from components.shared.runtime.bus import Inbox
from components.shared.wire import topics
from components.shared.wire.messages import HealthChanged
from components.shared.wire.site_config import HEALTH
from components.site_config.health_report import REPORT_NS_MIN, HealthReport
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.shadow_store import FakeShadowStore

pytestmark = pytest.mark.slow  # a real database with real syncs


class Bench:
    """A health catalogue, its shadow and what lies between."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock(auto=True)
        self.store = FakeShadowStore()
        broker = FakeBroker()
        self.monitor = FakeBus(topics.HEALTH_MONITOR, broker)
        self.hints = Inbox(10)
        FakeBus(topics.SITE_CONFIG, broker).subscribe(topics.HEALTH_CHANGED, self.hints)
        self.report = HealthReport(data, self.store, self.hints, self.clock, threading.Event())

    def summarise(self, **document: Any) -> None:
        """HealthMonitor writes a summary and hints."""
        with closing(HealthWriter.open(self.data)) as writer:
            writer.set_summary(SummaryRow(self.clock.wall_ns(), document))
        self.monitor.publish(HealthChanged(summary_wall_ns=self.clock.wall_ns()))

    def updates(self) -> int:
        """How many reports were sent."""
        return self.store.calls.count(("update_reported", HEALTH))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_no_catalogue_yet(bench: Bench) -> None:
    """Before HealthMonitor has written anything there is nothing to say, and that is no error."""
    bench.report.attempt()
    assert bench.store.calls == []


def test_summary_is_reported(bench: Bench) -> None:
    """The shadow's reported state is the summary, without what is None; it has no desired state."""
    bench.summarise(ok=True, cameras=4, temperature_c=None)
    bench.report.attempt()
    assert bench.store.reported(HEALTH) == {"ok": True, "cameras": 4}
    assert bench.store.desired(HEALTH) == {}


def test_same_summary_is_not_sent_again(bench: Bench) -> None:
    """A summary that says the same costs nothing, however often it is written, after a restart either."""
    for _ in range(3):
        bench.summarise(ok=True)
        bench.report.attempt()
    bench.report = HealthReport(bench.data, bench.store, bench.hints, bench.clock, threading.Event())
    bench.report.attempt()
    assert bench.updates() == 1


def test_member_that_is_gone(bench: Bench) -> None:
    """What an older release or summary said and this one does not is removed."""
    bench.store.update_reported(HEALTH, {"old": 1, "ok": True})
    bench.summarise(ok=False)
    bench.report.attempt()
    assert bench.store.reported(HEALTH) == {"ok": False}


def test_not_too_often(bench: Bench) -> None:
    """Two reports are at least ten seconds apart, and the later one says the newest."""
    bench.summarise(offline=1)
    bench.report.attempt()
    sent_ns = bench.clock.monotonic_ns()
    bench.summarise(offline=2)
    bench.report.attempt()
    assert bench.clock.monotonic_ns() - sent_ns >= REPORT_NS_MIN
    assert bench.store.reported(HEALTH) == {"offline": 2}


def test_sent_until_it_is_answered(bench: Bench) -> None:
    """Without an answer the summary is sent again, the newest one."""
    bench.summarise(offline=1)
    bench.store.online = False
    with pytest.raises(Transient):
        bench.report.attempt()
    bench.summarise(offline=2)
    bench.store.online, bench.store.answers_lost = True, 1
    with pytest.raises(Transient):
        bench.report.attempt()
    bench.report.attempt()
    assert bench.store.reported(HEALTH) == {"offline": 2}
    assert bench.updates() == 2
