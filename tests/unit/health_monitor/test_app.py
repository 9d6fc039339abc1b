"""HealthMonitor as a whole: its tasks with real catalogues, sockets and a configuration that changes."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from components.health_monitor.app import build
from components.health_monitor.metrics_endpoint import LOOPBACK
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.component import Context
from components.shared.runtime.config import ConfigWatcher, write_document
from components.shared.runtime.status import StatusBoard
from components.shared.wire import topics
from components.shared.wire.messages import ConfigChanged
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

WAIT_S = 60


class Worker:
    """The tasks in threads, as `run_component` starts it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock, self.log, self.broker = SystemClock(), RecordingLog(), FakeBroker()
        self.status, self.stop = StatusBoard(self.clock), threading.Event()
        bus = FakeBus(topics.HEALTH_MONITOR, self.broker, self.log, self.clock)
        self.site_config = FakeBus(topics.SITE_CONFIG, self.broker, self.log, self.clock)
        watcher = ConfigWatcher(data, self.clock)
        context = Context(
            topics.HEALTH_MONITOR, "1", data, "site-1", bus, self.clock, self.log, self.stop, self.status, watcher, {}
        )
        self.threads = [threading.Thread(target=task.run, daemon=True) for task in build(context)]
        for thread in self.threads:
            thread.start()

    def configure(self, version: int, **health: object) -> None:
        """The site's document, which takes effect at once."""
        sha256 = write_document(self.data, "site", {"schema": 2, "health": health}, version, self.clock)
        self.site_config.publish(ConfigChanged(document="site", version=version, sha256=sha256))

    def served(self) -> list[str]:
        """Where figures were served, in order."""
        return [str(dict(record.fields)["address"]) for record in self.log.named("metrics_served")]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    yield worker
    worker.stop.set()
    for thread in worker.threads:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in worker.threads)


def test_prometheus_follows_the_site_document(worker: Worker) -> None:
    """Before there is a document nothing is served; a taken port is told and stops nothing; another is used live."""
    eventually(lambda: worker.broker.to_cloud, WAIT_S)
    assert worker.served() == []
    with closing(socket_taken()) as taken:
        worker.configure(1, prometheus_port=taken.getsockname()[1])
        eventually(lambda: "metrics cannot be served" in str(worker.status.report("x", "1").last_error), WAIT_S)
        progress_ns = worker.status.report("x", "1").last_progress_wall_ns
        eventually(lambda: worker.status.report("x", "1").last_progress_wall_ns > progress_ns, WAIT_S)
    eventually(worker.served, WAIT_S)
    assert b'edgenvr_looks_total{site="site-1"}' in page(worker.served()[0])
    # A probe's reading is there with the look after it.
    eventually(lambda: b'edgenvr_clock_error_s{site="site-1"}' in page(worker.served()[0]), WAIT_S)
    worker.configure(2, prometheus_port=0)
    eventually(lambda: not is_answered(worker.served()[0]), WAIT_S)


def socket_taken() -> socket.socket:
    return socket.create_server((LOOPBACK, 0))


def page(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
        return bytes(answer.read())


def is_answered(address: str) -> bool:
    try:
        return bool(page(address))
    except OSError:
        return False
