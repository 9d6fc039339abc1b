"""What is told of a site from outside, on a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.functions.watch_fleet.core import (
    BACK_MS_MAX,
    STALE_MS,
    TELEMETRY_MARGIN_MS,
    TELEMETRY_MISSED,
    Signs,
    Watch,
    is_silent,
    look,
)
from cloud.functions.watch_fleet.watch_item import watch_item, watch_of
from cloud.site_items import Presence, Seen

T = 1_760_000_000_000
S = 1_000
GRACE_MS = 20 * S  # as in the template
KEEP_ALIVE_S = 60  # of the classic nucleus; that of Lite is shorter
TELEMETRY_S = 60
NOTED_MS = 2 * S  # from the broker's event to its item
ASKED_MS = GRACE_MS + 1 * S  # from there to the look that note_presence asks for


@dataclass
class World:
    """A site as the cloud sees it; moments are ms after T. What is told is kept with its moment."""

    signs: Signs = field(default_factory=lambda: Signs(Seen(T, TELEMETRY_S), Presence(True, "s0", 0, T, T)))
    watch: Watch = field(default_factory=Watch)
    told: list[tuple[int, str, str]] = field(default_factory=list)
    sessions: int = 0

    def look(self, at_ms: int) -> None:
        self.watch = look("site-1", self.signs, self.watch, T + at_ms, GRACE_MS)
        self.told += [(at_ms, notice.kind, notice.state) for notice in self.watch.untold]
        self.watch = watch_of(watch_item("site-1", replace(self.watch, untold=()), 1))

    def telemetry(self, at_ms: int, telemetry_s: int = TELEMETRY_S) -> None:
        self.signs = replace(self.signs, seen=Seen(T + at_ms, telemetry_s))

    def presence(self, at_ms: int, connected: bool) -> None:
        self.sessions += connected
        presence = Presence(connected, f"s{self.sessions}", self.sessions, T + at_ms, T + at_ms, "CONNECTION_LOST")
        self.signs = replace(self.signs, presence=presence)

    def look_each_minute(self, from_ms: int, to_ms: int, phase_s: int = 0) -> None:
        for at_ms in range(phase_s * S, to_ms, 60 * S):
            if at_ms >= from_ms:
                self.look(at_ms)


@pytest.mark.parametrize("phase_s", range(0, 60, 7))
@pytest.mark.parametrize("ping_s", [0, 13, 59])
def test_a_dead_box_is_told_within_150_s(phase_s: int, ping_s: int) -> None:
    """Whenever a box dies, between pings and looks, people are told within 150 s, and once."""
    world = World()
    died_ms = 600 * S
    world.telemetry(died_ms - 1)
    last_ping_ms = died_ms - ping_s * S
    noted_ms = last_ping_ms + 3 * KEEP_ALIVE_S * S // 2 + NOTED_MS
    world.look_each_minute(died_ms - 60 * S, noted_ms, phase_s)
    assert world.told == []
    world.presence(noted_ms, False)
    world.look_each_minute(noted_ms, noted_ms + ASKED_MS, phase_s)
    world.look(noted_ms + ASKED_MS)
    world.look_each_minute(noted_ms + ASKED_MS, died_ms + 3_600 * S, phase_s)
    ((told_ms, kind, state),) = world.told
    assert (kind, state) == ("site_unreachable", "raised")
    assert told_ms - died_ms <= 150 * S


@pytest.mark.parametrize(("away_ms", "is_told"), [(GRACE_MS - 1, False), (GRACE_MS, True)])
def test_a_short_break_is_forgiven(away_ms: int, is_told: bool) -> None:
    """A connection that is broken for less than the time that is forgiven is not told."""
    world = World()
    world.presence(60 * S, False)
    world.look(60 * S + away_ms)
    assert bool(world.told) is is_told


@pytest.mark.parametrize(("back_ms", "is_told"), [(GRACE_MS - 1, False), (GRACE_MS, True)])
def test_a_return_is_told_when_it_lasts(back_ms: int, is_told: bool) -> None:
    """A site is back when it was connected for as long as a break is forgiven; it is told once."""
    world = World()
    world.presence(60 * S, False)
    world.look(100 * S)
    world.presence(200 * S, True)
    for _ in range(3):
        world.look(200 * S + back_ms)
    assert [state for _, _, state in world.told] == (["raised", "cleared"] if is_told else ["raised"])


def test_both_notices_of_an_alert_belong_together() -> None:
    """The end repeats the id of the alert and when it began."""
    away = Signs(Seen(T, 60), Presence(False, "a", 0, T, T))
    back = Signs(Seen(T, 60), Presence(True, "b", 1, T + 60 * S, T + 60 * S))
    raised = look("site-1", away, Watch(), T + 30 * S, GRACE_MS)
    cleared = look("site-1", back, replace(raised, untold=()), T + 90 * S, GRACE_MS)
    (first,), (second,) = raised.untold, cleared.untold
    assert (first.alert, first.raised_wall_ns) == (second.alert, second.raised_wall_ns)
    assert first.id != second.id
    assert "not connected since 2025-10-09 08:53:20 UTC" in first.reason
    assert "whether it records is not known" in first.reason


def test_a_line_that_comes_and_goes_is_not_told_each_time() -> None:
    """Of five hours of a minute up, a minute down, three raises an hour are told at most, and the return at the end."""
    world = World()
    end_ms = 5 * 3_600 * S
    for start_ms in range(0, end_ms, 120 * S):
        world.presence(start_ms, False)
        world.look(start_ms + ASKED_MS)
        world.look(start_ms + 59 * S)
        world.presence(start_ms + 60 * S, True)
        world.telemetry(start_ms + 61 * S)
        world.look(start_ms + 60 * S + ASKED_MS)
        world.look(start_ms + 119 * S)
    raises = [at_ms for at_ms, _, state in world.told if state == "raised"]
    assert len([at_ms for at_ms in raises if at_ms < 3_600 * S]) <= 3
    assert len(raises) <= 3 * 5
    world.telemetry(end_ms + BACK_MS_MAX)
    world.look(end_ms + BACK_MS_MAX)
    assert world.told[-1][1:] == ("site_unreachable", "cleared")


def test_a_line_that_is_up_for_moments_only_stays_lost() -> None:
    """Connections too short to count do not clear the alert."""
    world = World()
    for start_ms in range(0, 3_600 * S, 60 * S):
        world.presence(start_ms, False)
        world.look(start_ms + ASKED_MS)
        world.presence(start_ms + 50 * S, True)
        world.look(start_ms + 59 * S)
    assert [state for _, _, state in world.told] == ["raised"]


def test_a_dead_health_monitor_is_told_and_its_return() -> None:
    """A connected box without telemetry is told as HealthMonitor's silence, and cleared by telemetry, once each."""
    world = World()
    silent_ms = TELEMETRY_S * S * TELEMETRY_MISSED + TELEMETRY_MARGIN_MS
    world.look(silent_ms)
    assert world.told == []
    world.look(silent_ms + 1)
    world.look(silent_ms + 60 * S)
    assert [one[1:] for one in world.told] == [("health_monitor_silent", "raised")]
    world.telemetry(silent_ms + 61 * S)
    world.look(silent_ms + 120 * S)
    world.look(silent_ms + 180 * S)
    assert [one[1:] for one in world.told[1:]] == [("health_monitor_silent", "cleared")]


def test_a_new_connection_does_not_clear_a_dead_health_monitor() -> None:
    """Only telemetry says that HealthMonitor is back; and it has its time after a connection began."""
    world = World()
    world.look(200 * S)
    world.presence(210 * S, True)
    world.look(220 * S)
    assert [state for _, _, state in world.told] == ["raised"]
    fresh = World()
    fresh.presence(190 * S, True)
    fresh.look(200 * S)
    assert fresh.told == []


def test_an_unreachable_site_is_not_told_for_its_health_monitor_too() -> None:
    """While a site cannot be reached nothing else is said of it, however long that takes."""
    world = World()
    world.presence(60 * S, False)
    world.look_each_minute(60 * S, 3_600 * S)
    assert [kind for _, kind, _ in world.told] == ["site_unreachable"]


def test_the_period_of_telemetry_counts() -> None:
    """A site that sends every ten minutes is not silent after five."""
    assert not is_silent(Seen(T, 600), None, T + 300 * S)
    assert is_silent(Seen(T, 60), None, T + 300 * S)


def test_a_site_whose_connections_nobody_told_of_is_judged_by_telemetry() -> None:
    """Without any event of a connection, missing telemetry is an unreachable site, and telemetry its return."""
    world = World(signs=Signs(Seen(T, 60), None))
    world.look(100 * S)
    world.look(140 * S)
    world.look(200 * S)
    world.telemetry(210 * S)
    world.look(220 * S)
    assert [one[1:] for one in world.told] == [("site_unreachable", "raised"), ("site_unreachable", "cleared")]


@pytest.mark.parametrize(("after_ms", "is_told"), [(STALE_MS, True), (STALE_MS + 1, False)])
def test_telemetry_after_the_end_of_a_connection_shows_that_the_site_is_there(after_ms: int, is_told: bool) -> None:
    """When the word of a new connection went missing, telemetry says it; what was on its way at the end does not."""
    world = World()
    world.presence(60 * S, False)
    world.telemetry(60 * S + after_ms)
    world.look(100 * S)
    assert bool(world.told) is is_told


def test_a_client_that_never_sent_telemetry_is_no_site() -> None:
    """Somebody's tool that connects and disconnects is told nothing of."""
    world = World(signs=Signs(None, Presence(False, "a", 0, T, T)))
    world.look_each_minute(0, 3_600 * S)
    assert world.told == []


def test_a_removed_site_is_cleared_and_told_no_more() -> None:
    """What was told of a site ends with the site."""
    world = World()
    world.presence(60 * S, False)
    world.look(100 * S)
    world.signs = Signs(None, Presence(False, "a", 9, T, T))
    world.look_each_minute(100 * S, 3_600 * S)
    assert [one[1:] for one in world.told] == [("site_unreachable", "raised"), ("site_unreachable", "cleared")]


def test_nothing_new_leaves_the_watch_as_it_is() -> None:
    """A look that finds nothing new changes nothing, so that nothing is written each minute."""
    watch = Watch(standing={"site_unreachable": T}, raises_ms=(T,))
    away = Signs(Seen(T, 60), Presence(False, "a", 0, T, T))
    assert look("site-1", away, watch, T + 60 * S, GRACE_MS) == watch


STEPS = st.lists(
    st.tuples(st.sampled_from(["telemetry", "connected", "disconnected", "removed", "look"]), st.integers(0, 200)),
    max_size=60,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_each_kind_is_raised_and_cleared_in_turn(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, notices of a kind are a raise, a clear, a raise and so on, and every notice is another."""
    world = World()
    at_ms, ids = 0, []
    for what, after_s in steps:
        at_ms += after_s * S
        if what == "telemetry":
            world.telemetry(at_ms)
        elif what == "removed":
            world.signs = Signs(None, None)
        elif what == "look":
            found = look("site-1", world.signs, world.watch, T + at_ms, GRACE_MS)
            ids += [notice.id for notice in found.untold]
            world.look(at_ms)
        else:
            world.presence(at_ms, what == "connected")
    for kind in ("site_unreachable", "health_monitor_silent"):
        states = [state for _, told, state in world.told if told == kind]
        assert states == ["raised", "cleared"] * (len(states) // 2) + ["raised"] * (len(states) % 2)
    assert len(set(ids)) == len(ids)
