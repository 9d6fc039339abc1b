"""HealthMonitor killed on each side of every transaction and message about alerts: people are told the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.shared.catalogue.database import Database
from components.shared.catalogue.outbox import waiting_notices
from components.shared.runtime.bus import Bus
from components.shared.wire.alert_config import AlertsSection, QuietSection
from components.shared.wire.messages import Body
from components.shared.wire.units import NS_PER_S, from_datetime
from tests.fakes.alert_site import AlertSite, World
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, CrashAt, CrashingDatabase
from tests.fakes.memory_folder import memory_folder

pytestmark = pytest.mark.slow

LOOK_S = 15
PHASE_S = 600

Phase = Callable[[World], object]


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


class CrashingBus:
    """A bus, each of whose messages is a step."""

    def __init__(self, inner: Bus, crash: CrashAt) -> None:
        self._inner = inner
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def publish(self, body: Body, trace_id: str = "") -> None:
        self._crash("before hint")
        self._inner.publish(body, trace_id)
        self._crash("after hint")

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        self._crash("before sending")
        self._inner.publish_cloud(topic, payload)
        self._crash("after sending")


def lose(*cameras: str) -> Phase:
    return lambda world: world.away.update(cameras)


def regain(*cameras: str) -> Phase:
    return lambda world: world.away.difference_update(cameras)


def go_online(is_online: bool) -> Phase:
    return lambda world: setattr(world.broker, "online", is_online)


def wait(_world: World) -> None:
    """Nothing happens."""


SCENARIOS: dict[str, tuple[Phase, ...]] = {
    "one camera": (lose("cam-0"), regain("cam-0"), wait),
    "offline meanwhile": (go_online(False), lose("cam-0"), regain("cam-0"), go_online(True), wait),
    "group and who outlasts it": (
        lose("cam-0", "cam-1", "cam-2", "cam-3"),
        regain("cam-1", "cam-2", "cam-3"),
        wait,
        regain("cam-0"),
        wait,
    ),
    "digest of the quiet hours": (wait, lose("cam-4", "cam-5"), wait, wait, regain("cam-4", "cam-5"), wait),
}


def play(folder: Path, phases: tuple[Phase, ...], crash: CrashAt) -> World:
    """The world after the scenario, of ten minutes a phase; a monitor that is killed is started again at once."""
    # Quiet hours begin eight minutes into the scenario and last for half an hour.
    clock = FakeClock(from_datetime(datetime(2026, 1, 15, 20, 52, tzinfo=UTC)))
    quiet = QuietSection(warning="22:00-22:30", critical="22:00-22:30") if wait in phases[:1] else QuietSection()
    world = World([f"cam-{number}" for number in range(8)], AlertsSection(quiet=quiet), "Europe/Berlin", clock)
    began_ns = clock.monotonic_ns()

    def around(inner: Database) -> Database:
        return CrashingDatabase(inner, crash)  # type: ignore[return-value]  # stands for it

    site = AlertSite(folder, world, around, lambda bus: CrashingBus(bus, crash), LOOK_S)
    for number, phase in enumerate(phases):
        phase(world)
        while clock.monotonic_ns() < began_ns + (number + 1) * PHASE_S * NS_PER_S:
            try:
                site.run(LOOK_S)
            except Crash:
                site.close()
                site = AlertSite(folder, world, look_s=LOOK_S)
    assert waiting_notices(site.catalogue) == []
    site.close()
    return world


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere(folder: Path, name: str) -> None:
    """However far it came, people are told each thing once, in order per subject, as if nobody had been killed."""
    whole = CrashAt()
    due = play(folder / "whole", SCENARIOS[name], whole).cloud
    assert due.doubles == 0
    assert {"before sending", "after sending", "before hint", "after hint"} < set(whole.steps)
    # A core that is offline is asked again and again: one of these questions is like the other.
    calls = [call for call, step in enumerate(whole.steps, 1) if call == 1 or step != whole.steps[call - 2]]
    for call in calls:
        crash = CrashAt(call)
        cloud = play(folder / str(call), SCENARIOS[name], crash).cloud
        assert crash.is_over
        where = f"killed at {call}: {whole.steps[call - 1]}"
        assert sorted(cloud.told) == sorted(due.told), where
        assert len({notice.id for notice in cloud.passed_on}) == len(cloud.passed_on), where
        for subject in {notice.subject for notice in cloud.passed_on}:
            assert _of(cloud.told, subject) == _of(due.told, subject), where


def _of(told: list[str], subject: str) -> list[str]:
    return [line for line in told if line.endswith(f" {subject}")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("one camera", ["+camera_offline cam-0", "-camera_offline cam-0"]),
        ("offline meanwhile", ["+camera_offline cam-0", "-camera_offline cam-0"]),
        (
            "group and who outlasts it",
            ["+cameras_offline site", "-cameras_offline site", "+camera_offline cam-0", "-camera_offline cam-0"],
        ),
        ("digest of the quiet hours", ["+held_alerts site", "-held_alerts site"]),
    ],
)
def test_scenarios_are_what_they_say(folder: Path, name: str, told: list[str]) -> None:
    """What people are told when nobody is killed."""
    assert play(folder, SCENARIOS[name], CrashAt()).cloud.told == told
