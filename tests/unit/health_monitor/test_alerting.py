"""Alerts from a look to the people who are told: once each, whatever is lost, doubled, killed or held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.health_monitor.core.outbox_plan import IN_FLIGHT_MAX
from components.health_monitor.core.rules import Condition
from components.shared.catalogue.alerts import unsettled_alerts
from components.shared.catalogue.outbox import waiting_notices
from components.shared.wire.alert_config import AlertsSection, QuietSection
from components.shared.wire.messages import AlertCleared, AlertRaised
from components.shared.wire.units import NS_PER_S, from_datetime
from tests.fakes.alert_site import THING, AlertSite, World
from tests.fakes.clock import FakeClock
from tests.fakes.memory_folder import memory_folder

pytestmark = pytest.mark.slow  # real databases with real syncs

HOUR_S = 3_600


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def names(count: int) -> list[str]:
    return [f"cam-{number}" for number in range(count)]


def test_camera_that_goes_and_comes_is_told_once_each(folder: Path) -> None:
    """Raised within 135 s, cleared when it is back, both acknowledged and both hinted at the site."""
    site = AlertSite(folder, World(names(2)))
    site.world.away.add("cam-0")
    site.run(135)
    assert site.world.cloud.told == ["+camera_offline cam-0"]
    site.run(HOUR_S)
    site.world.away.clear()
    site.run(120)
    assert site.world.cloud.told == ["+camera_offline cam-0", "-camera_offline cam-0"]
    raised, cleared = site.world.cloud.passed_on
    assert (raised.severity, raised.alert) == ("critical", cleared.alert)
    assert waiting_notices(site.catalogue) == [] and site.world.cloud.doubles == 0
    (body,) = site.world.broker.bodies(AlertRaised)
    assert isinstance(body, AlertRaised) and (body.alert, body.subject) == (raised.alert, "cam-0")
    assert len(site.world.broker.bodies(AlertCleared)) == 1
    site.close()


def test_an_hour_offline(folder: Path) -> None:
    """Nothing is missing and nothing doubled afterwards, each with its own time, in order per subject."""
    world = World(names(4), AlertsSection(group_cameras=10))
    site = AlertSite(folder, world)
    world.broker.online = False
    begin_ns = world.clock.wall_ns()
    for minute in range(60):
        world.away = {name for number, name in enumerate(world.cameras) if (minute // (5 + 3 * number)) % 2}
        site.run(60)
    assert world.cloud.told == []
    waiting = waiting_notices(site.catalogue)
    assert len(waiting) > 15
    world.broker.online = True
    site.run(60)
    assert len(world.cloud.passed_on) == len(waiting) == len({notice.id for notice in world.cloud.passed_on})
    assert {notice.id for notice in world.cloud.passed_on} == {row.notice for row in waiting}
    assert waiting_notices(site.catalogue) == [] and world.cloud.doubles == 0
    assert all(begin_ns < notice.raised_wall_ns < begin_ns + HOUR_S * NS_PER_S for notice in world.cloud.passed_on)
    for camera in world.cameras:
        states = [notice.state for notice in world.cloud.passed_on if notice.subject == camera]
        assert states == ["raised", "cleared"] * (len(states) // 2) + ["raised"] * (len(states) % 2)
    site.close()


def test_core_that_takes_and_loses_messages(folder: Path) -> None:
    """A core that says OK while it is offline loses nothing for us: what is not acknowledged is sent again."""
    world = World(names(3), AlertsSection(group_cameras=10))
    is_dark = True
    world.cloud = type(world.cloud)(THING, world.broker, lambda _number: is_dark)
    site = AlertSite(folder, world)
    world.away = set(world.cameras)
    site.run(HOUR_S)
    assert world.cloud.told == []
    sent_in_the_dark = len(world.broker.to_cloud)
    assert sent_in_the_dark <= 3 * (7 + 12)  # 5 s, 10 s, ... 5 min
    is_dark = False
    site.run(300)
    assert sorted(world.cloud.told) == [f"+camera_offline cam-{number}" for number in range(3)]
    assert waiting_notices(site.catalogue) == []
    site.close()


@pytest.mark.parametrize("every", [2, 3, 5])
def test_lossy_way_and_lost_acknowledgements(folder: Path, every: int) -> None:
    """Every second notice lost, or every second acknowledgement: people are told once each, in order."""
    world = World(names(2), AlertsSection(group_cameras=10))
    world.cloud = type(world.cloud)(THING, world.broker, lambda number: number % every == 0)
    site = AlertSite(folder, world)
    for round_number in range(8):
        world.away = set(world.cameras) if round_number % 2 == 0 else set()
        world.cloud.is_mute = round_number % 3 == 0
        site.run(900)
    world.cloud.is_mute = False
    site.run(1_200)
    for camera in world.cameras:
        states = [notice.state for notice in world.cloud.passed_on if notice.subject == camera]
        assert states == ["raised", "cleared"] * (len(states) // 2) and len(states) >= 4
    assert len({notice.id for notice in world.cloud.passed_on}) == len(world.cloud.passed_on)
    assert waiting_notices(site.catalogue) == []
    site.close()


def test_acknowledgements_of_nothing_are_ignored(folder: Path) -> None:
    """Doubled ones, ones of ids that nobody knows, and bytes that are none change nothing and stop nothing."""
    site = AlertSite(folder, World(names(1)))
    site.world.away.add("cam-0")
    site.run(135)
    ids = [notice.id for notice in site.world.cloud.passed_on]
    acknowledged_ns = unsettled_alerts(site.catalogue)[0].raised_acknowledged_ns
    site.world.clock.advance(NS_PER_S)
    site.world.cloud.acknowledge([*ids, *ids, "0" * 32])
    site.world.broker.from_cloud(f"nvr/v1/{THING}/alert/acknowledged", b'{"v":1,"ids":["nothing"]}')
    site.world.broker.from_cloud(f"nvr/v1/{THING}/alert/acknowledged", b"\xff")
    site.deliver()
    assert unsettled_alerts(site.catalogue)[0].raised_acknowledged_ns == acknowledged_ns
    assert len(site.log.named("acknowledgement_refused")) == 2
    site.world.away.clear()
    site.run(120)
    assert site.world.cloud.told == ["+camera_offline cam-0", "-camera_offline cam-0"]
    site.close()


def test_restart_keeps_what_was_raised(folder: Path) -> None:
    """The next process raises nothing again, clears what is over, and sends what the last one had not sent."""
    world = World(names(1))
    world.away.add("cam-0")
    first = AlertSite(folder, world)
    world.broker.online = False
    first.run(135)
    first.close()
    world.broker.online = True
    second = AlertSite(folder, world)
    second.run(HOUR_S)
    assert world.cloud.told == ["+camera_offline cam-0"]
    world.away.clear()
    second.run(300)
    assert world.cloud.told == ["+camera_offline cam-0", "-camera_offline cam-0"]
    assert world.cloud.doubles == 0
    second.close()


@pytest.mark.parametrize("step_s", [86_400, -86_400, 3_600])
def test_clock_that_is_set(folder: Path, step_s: int) -> None:
    """A wall clock that jumps raises nothing early, clears nothing early and sends nothing late."""
    site = AlertSite(folder, World(names(1)))
    site.world.away.add("cam-0")
    site.run(60)
    site.world.clock.step_wall(step_s * NS_PER_S)
    site.run(55)
    assert site.world.cloud.told == []
    site.run(20)
    assert site.world.cloud.told == ["+camera_offline cam-0"]
    site.world.clock.step_wall(-2 * step_s * NS_PER_S)
    site.world.away.clear()
    site.run(60)
    assert site.world.cloud.told == ["+camera_offline cam-0"]
    site.run(15)
    assert site.world.cloud.told == ["+camera_offline cam-0", "-camera_offline cam-0"]
    site.close()


def test_site_whose_switch_fails(folder: Path) -> None:
    """Forty cameras are one alert with their number, and one end."""
    site = AlertSite(folder, World(names(40)))
    site.world.away = set(site.world.cameras)
    site.run(200)
    assert site.world.cloud.told == ["+cameras_offline site"]
    assert site.world.cloud.passed_on[0].count == 40
    site.world.away.clear()
    site.run(200)
    assert site.world.cloud.told == ["+cameras_offline site", "-cameras_offline site"]
    assert site.world.cloud.passed_on[1].count == 40
    site.close()


def at_night(cameras: int, **quiet: str) -> World:
    """A world at 21:50 in Berlin, before a quiet night."""
    wall_ns = from_datetime(datetime(2026, 1, 15, 20, 50, tzinfo=UTC))
    section = QuietSection(**{"warning": "22:00-07:00", "critical": "22:00-07:00", **quiet})
    limits = AlertsSection(group_cameras=100, quiet=section)
    return World(names(cameras), limits, "Europe/Berlin", FakeClock(wall_ns))


def test_night_is_told_in_the_morning(folder: Path) -> None:
    """What is over by then is told to nobody; the rest is one alert with its number, over with the last of it."""
    world = at_night(5)
    site = AlertSite(folder, world)
    site.run(HOUR_S)
    world.away = {"cam-0", "cam-1", "cam-2"}
    site.run(HOUR_S)
    world.away = {"cam-1", "cam-2"}
    site.run(6 * HOUR_S)
    assert world.cloud.told == [] and len(world.broker.bodies(AlertRaised)) == 3
    site.run(2 * HOUR_S)
    assert world.cloud.told == ["+held_alerts site"]
    digest = world.cloud.passed_on[0]
    assert (digest.count, digest.severity) == (2, "critical")
    assert "camera_offline of cam-1" in digest.reason and "cam-0" not in digest.reason
    world.away = {"cam-2"}
    site.run(HOUR_S)
    assert world.cloud.told == ["+held_alerts site"]
    world.away = set()
    site.run(HOUR_S)
    assert world.cloud.told == ["+held_alerts site", "-held_alerts site"]
    site.close()


def test_one_alert_of_the_night_is_told_by_itself(folder: Path) -> None:
    """With the time when it was raised; a restart in the night forgets nothing."""
    world = at_night(2)
    first = AlertSite(folder, world)
    first.run(HOUR_S)
    world.away = {"cam-0"}
    first.run(HOUR_S)
    first.close()
    second = AlertSite(folder, world)
    second.run(8 * HOUR_S)
    assert world.cloud.told == ["+camera_offline cam-0"]
    assert world.cloud.passed_on[0].raised_wall_ns < from_datetime(datetime(2026, 1, 15, 22, tzinfo=UTC))
    second.close()


def test_end_in_the_night_is_told_in_the_morning(folder: Path) -> None:
    """Nobody is woken to hear that all is well."""
    world = at_night(1)
    site = AlertSite(folder, world)
    world.away = {"cam-0"}
    site.run(300)
    assert world.cloud.told == ["+camera_offline cam-0"]
    site.run(HOUR_S)
    world.away = set()
    site.run(8 * HOUR_S)
    assert world.cloud.told == ["+camera_offline cam-0"]
    site.run(HOUR_S)
    assert world.cloud.told == ["+camera_offline cam-0", "-camera_offline cam-0"]
    site.close()


def test_critical_alert_passes_at_night(folder: Path) -> None:
    """Where only warnings have quiet hours."""
    world = at_night(1, critical="")
    site = AlertSite(folder, world)
    site.run(HOUR_S)
    world.away = {"cam-0"}
    world.conditions = [Condition("clock_not_set", "box", "no time server answers")]
    site.run(HOUR_S)
    assert world.cloud.told == ["+camera_offline cam-0"]
    site.close()


def test_test_alert_goes_all_the_way(folder: Path) -> None:
    """Raised and cleared once per request, in quiet hours too, however often the request is taken."""
    world = at_night(1)
    site = AlertSite(folder, world)
    site.run(HOUR_S)
    for _ in range(3):
        site.alerting.test("request-1")
        site.run(10)
    assert world.cloud.told == ["+test request-1", "-test request-1"]
    site.close()


def test_in_flight_is_bounded(folder: Path) -> None:
    """Of hundreds that wait, only so many are sent without an answer; all arrive when the answers come."""
    world = World([])
    site = AlertSite(folder, world)
    world.cloud.is_mute = True
    world.conditions = [Condition("picture_blurred", f"cam-{number}", "") for number in range(200)]
    site.run(120)
    assert len(world.cloud.passed_on) == IN_FLIGHT_MAX
    world.cloud.is_mute = False
    site.run(60)
    assert len(world.cloud.passed_on) == 200
    assert waiting_notices(site.catalogue) == []
    site.close()


def test_notices_of_a_subject_keep_their_order(folder: Path) -> None:
    """A second one is not sent before the first has arrived, whatever happens to it."""
    world = World(names(1))
    world.cloud = type(world.cloud)(THING, world.broker, lambda number: number <= 3)
    site = AlertSite(folder, world)
    world.away.add("cam-0")
    site.run(135)
    world.conditions = [Condition("picture_blurred", "cam-0", "")]
    site.run(600)
    assert world.cloud.told == ["+camera_offline cam-0", "+picture_blurred cam-0"]
    site.close()
