"""The site's document in the running component: its caps are followed live, and said to be in force."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.cloud_sync.app import build_with
from components.cloud_sync.core.bandwidth import Limit
from components.cloud_sync.pacer import Pacer
from components.shared.runtime.component import Context
from components.shared.runtime.config import ConfigWatcher, config_folder, write_document
from components.shared.runtime.status import StatusBoard
from components.shared.wire.messages import ConfigApplied, ConfigChanged
from components.shared.wire.topics import CLOUD_SYNC, SITE_CONFIG
from components.shared.wire.units import NS_PER_S
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.waiting import eventually


class Running:
    """CloudSync's task that follows the documents, on a clock that the test moves."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock()
        self.stop = threading.Event()
        self.broker = FakeBroker()
        self.site_config = FakeBus(SITE_CONFIG, self.broker)
        self.status = StatusBoard(self.clock)
        self.pacer = Pacer(self.clock, self.stop)
        context = Context(
            name=CLOUD_SYNC,
            version="0",
            data=data,
            thing="site-1",
            bus=FakeBus(CLOUD_SYNC, self.broker),
            clock=self.clock,
            log=RecordingLog(),
            stop=self.stop,
            status=self.status,
            config=ConfigWatcher(data, self.clock),
            settings={},
        )
        self._tasks = {task.name: task for task in build_with(context, FakeObjectStore(), self.pacer)}
        self.names = set(self._tasks)
        self._thread = threading.Thread(target=self._tasks["config"].run, daemon=True)

    def begin(self) -> None:
        """The task runs."""
        self._thread.start()
        eventually(lambda: self.clock.waiting == 1, 60)

    def look(self) -> None:
        """A second later a hint came, and the task has looked once more."""
        self._until_it_waits_anew(lambda: self.clock.advance(NS_PER_S))
        self._until_it_waits_anew(
            lambda: self.site_config.publish(ConfigChanged(document="site", version=1, sha256="0" * 64))
        )

    def _until_it_waits_anew(self, act: Callable[[], None]) -> None:
        waits = len(self.clock.waits_ns)
        act()
        eventually(lambda: len(self.clock.waits_ns) > waits, 60)

    def end(self) -> None:
        """The task has returned."""
        self.stop.set()
        self.clock.advance(NS_PER_S)
        if self._thread.is_alive():
            self._thread.join(20)

    def applied(self) -> list[tuple[str, int]]:
        """What it said of the site's document: the state and the version."""
        said = [body for body in self.broker.bodies(ConfigApplied) if isinstance(body, ConfigApplied)]
        return [(body.state, body.version) for body in said if body.document == "site"]

    def put(self, version: int, sync: dict[str, Any]) -> None:
        """A document is put in force."""
        write_document(self.data, "site", {"schema": 3, "sync": sync}, version, self.clock)

    def progress_ns(self) -> int | None:
        return self.status.report(CLOUD_SYNC, "0").last_progress_wall_ns


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.end()


def test_a_cap_is_followed_before_it_is_said(running: Running) -> None:
    """The first document, and each change of it, without a restart."""
    running.put(1, {"cap_kbit_s": 800})
    assert running.pacer.limit.is_closed
    running.begin()
    assert running.pacer.limit == Limit(100_000, "cap")
    assert running.applied() == [("in_force", 1)]
    running.put(2, {"cap_kbit_s": 1_600})
    running.look()
    assert running.pacer.limit == Limit(200_000, "cap")
    assert running.applied() == [("in_force", 1), ("in_force", 2)]


def test_without_a_document_nothing_limits(running: Running) -> None:
    """A box that was never configured uploads what it has."""
    running.begin()
    assert running.pacer.limit == Limit(None, "none")


def test_a_document_that_cannot_be_read_holds_everything_back(running: Running) -> None:
    """It may hold a cap. That is told, and over as soon as there is a good one."""
    running.put(1, {})
    path = config_folder(running.data) / "site.json"
    path.write_text("{")
    running.begin()
    assert running.pacer.limit.is_closed
    assert "nothing is uploaded while the limits are not known" in str(
        running.status.report(CLOUD_SYNC, "0").last_error
    )
    running.put(2, {})
    running.look()
    assert not running.pacer.limit.is_closed


def test_hours_without_uploads_are_no_standstill_but_a_pause_is(running: Running) -> None:
    """Nobody is woken by a schedule that does what it should; a pause that was forgotten is told."""
    running.put(1, {"schedule": dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00-24:00 0")})
    running.begin()
    before = running.progress_ns()
    running.look()
    assert running.progress_ns() != before
    running.put(2, {"paused": True})
    running.look()
    paused = running.progress_ns()
    running.look()
    assert running.progress_ns() == paused
    assert "nvr sync resume" in str(running.status.report(CLOUD_SYNC, "0").last_error)


def test_blocks_under_a_small_cap_are_progress_until_something_failed(running: Running) -> None:
    """A part takes minutes then; but what is sent again and again is none."""
    running.put(1, {"cap_kbit_s": 800})
    running.begin()
    with running.pacer.sending(10, is_progress=True):
        running.pacer.take(1_000)
    before = running.progress_ns()
    running.look()
    after = running.progress_ns()
    assert after != before
    with running.pacer.sending(10, is_progress=False):
        running.pacer.take(1_000)
    running.look()
    assert running.progress_ns() == after
