"""SiteConfig's tasks together: they start, say how they are, and stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.runtime.clock import SystemClock
from components.shared.runtime.component import Context, StatusBoard
from components.shared.runtime.config import ConfigWatcher
from components.shared.runtime.secrets import read_secret
from components.shared.wire import topics
from components.shared.wire.messages import ConfigApplied, StatusReported
from components.site_config.app import wire
from components.site_config.shadow_store import Shadow
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.config_site import THING, camera
from tests.fakes.log import RecordingLog
from tests.fakes.shadow_store import FakeShadowStore
from tests.fakes.waiting import eventually
from tests.unit.site_config.test_secret_refresh import FakeSecretStore

pytestmark = pytest.mark.slow

STOP_S_MAX = 2.0


class Worker:
    """The tasks in threads, as `run_component` starts them."""

    def __init__(self, data: Path, shadows: FakeShadowStore | None = None) -> None:
        self.data = data
        self.shadows, self.secrets = shadows or FakeShadowStore(), FakeSecretStore()
        self.log, self.broker, self.clock = RecordingLog(), FakeBroker(), SystemClock()
        self.status = StatusBoard(self.clock)
        self.stop = threading.Event()
        bus = FakeBus(topics.SITE_CONFIG, self.broker, self.log, self.clock)
        watcher = ConfigWatcher(data, self.clock)
        context = Context(
            topics.SITE_CONFIG, "1", data, THING, bus, self.clock, self.log, self.stop, self.status, watcher, {}
        )
        tasks = wire(context, self.shadows, self.secrets)
        self.threads = [threading.Thread(target=task.run, name=task.name, daemon=True) for task in tasks]
        for thread in self.threads:
            thread.start()

    def report(self) -> StatusReported:
        return self.status.report(topics.SITE_CONFIG, "1")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path / "data")
    yield worker
    worker.stop.set()
    for thread in worker.threads:
        thread.join(STOP_S_MAX)
        assert not thread.is_alive(), f"task {thread.name} has not stopped"


def test_all_tasks_work_together(worker: Worker) -> None:
    """A camera with a secret, an edit and a component's answer all arrive; the stop is in time."""
    worker.secrets.set("yard", "viewer:first")
    worker.shadows.configure({"a": camera("A", source={"url": "rtsp://192.0.2.1/1", "secret": "yard"})})
    eventually((worker.data / "config" / "camera-a.json").exists)
    eventually((worker.data / "secrets" / "yard").exists)
    assert read_secret(worker.data, "yard").reveal() == "viewer:first"
    proposals = worker.data / "config" / "proposals"
    (proposals / "p1.json").write_text(json.dumps({"document": "camera-a", "changes": {"name": "made here"}}))
    eventually((proposals / "p1.answer.json").exists)
    eventually(lambda: worker.shadows.desired("camera-a").get("name") == "made here")
    capture = FakeBus(topics.CAPTURE, worker.broker)
    capture.publish(
        ConfigApplied(component=topics.CAPTURE, document="site", version=1, sha256="a" * 64, state="in_force")
    )
    eventually(lambda: "Capture" in worker.shadows.reported("site").get("components", {}), 10)
    eventually(lambda: worker.report().backlog == 0, 60)


class HangingShadows(FakeShadowStore):
    """A cloud that takes the question and never answers it, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def get(self, name: str) -> Shadow | None:
        """See ShadowStore."""
        self.let_go.wait(60)
        return super().get(name)


def test_exchange_that_hangs_is_a_backlog_without_progress(tmp_path: Path) -> None:
    """The task that hangs says nothing any more; the one beside it tells that a sweep waits, and it is not done."""
    shadows = HangingShadows()
    worker = Worker(tmp_path / "data", shadows)
    try:
        eventually(lambda: worker.report().backlog == 1, 60)
        report = worker.report()
        assert report.last_progress_wall_ns == report.started_wall_ns
    finally:
        shadows.let_go.set()
        worker.stop.set()
        for thread in worker.threads:
            thread.join(60)


def test_offline_status(worker: Worker) -> None:
    """Without a network the status tells why, and how many documents wait to be sent."""
    worker.shadows.online = False
    eventually(lambda: "no connection" in (worker.report().last_error or ""))
    assert worker.report().last_progress_wall_ns == worker.report().started_wall_ns, "an attempt is no work done"
    proposals = worker.data / "config" / "proposals"
    (proposals / "p1.json").write_text(json.dumps({"document": "camera-a", "changes": camera("A")}))
    eventually(lambda: worker.report().backlog == 2)
    assert json.loads((proposals / "p1.answer.json").read_text())["state"] == "pending"
