"""How long a trouble must last to raise an alert, and how long a calm to clear it."""

from __future__ import annotations

import pytest

from components.health_monitor.core.alert_rules import DEFAULT_RULE, RULES, AlertRule, rule_of
from components.health_monitor.core.hysteresis import (
    CALM,
    CLEAR_NS_MAX,
    ELAPSED_NS_MAX,
    STEADY_NS,
    Level,
    advance,
    is_due,
    is_forgotten,
    is_over,
)
from components.shared.wire.alert_config import AlertRuleSection
from components.shared.wire.units import NS_PER_S, MonotonicNs

RULE = AlertRule("critical", 120 * NS_PER_S, 60 * NS_PER_S)
STEP_S = 5


class Watched:
    """A level that is looked at every five seconds."""

    def __init__(self, rule: AlertRule = RULE) -> None:
        self.rule = rule
        self.level = CALM
        self.now_s = 0

    def look(self, is_trouble: bool, for_s: int) -> None:
        """Looks for so long, all of which see the same."""
        for _ in range(for_s // STEP_S):
            self.now_s += STEP_S
            reason = "away" if is_trouble else None
            now_ns = MonotonicNs(self.now_s * NS_PER_S)
            self.level = advance(self.level, reason, STEP_S * NS_PER_S, now_ns, self.rule)


@pytest.mark.parametrize(("seen_s", "due"), [(120, False), (125, True)])
def test_trouble_is_due_after_its_time(seen_s: int, due: bool) -> None:
    """The first look that sees it begins the time; an alert is due when it has lasted that long, not before."""
    watched = Watched()
    watched.look(True, seen_s)
    assert is_due(watched.level, RULE) == due


def test_rule_without_a_wait_is_due_at_once() -> None:
    """What has happened has happened."""
    watched = Watched(AlertRule("warning", 0, 60 * NS_PER_S))
    watched.look(True, STEP_S)
    assert is_due(watched.level, watched.rule)


def test_short_calm_does_not_begin_the_wait_anew() -> None:
    """A camera that shows a picture for a moment every minute is away all the same."""
    watched = Watched()
    watched.look(True, 100)
    watched.look(False, 10)
    watched.look(True, 40)
    assert is_due(watched.level, RULE)


def test_what_is_well_most_of_the_time_is_never_due() -> None:
    """A short trouble a minute is none, however many hours it goes on."""
    watched = Watched()
    for _ in range(500):
        watched.look(True, 20)
        assert not is_due(watched.level, RULE)
        watched.look(False, 40)


@pytest.mark.parametrize(("calm_s", "over"), [(60, False), (65, True)])
def test_alert_is_over_after_an_unbroken_calm(calm_s: int, over: bool) -> None:
    """The calm begins with the first look that sees it; another moment of trouble begins it anew."""
    watched = Watched()
    watched.look(True, 200)
    watched.look(False, 60)
    watched.look(True, STEP_S)
    watched.look(False, calm_s)
    assert is_over(watched.level, RULE) == over


@pytest.mark.parametrize(("raises", "calm_s"), [(1, 60), (2, 120), (3, 240), (6, 1800), (99, 1800)])
def test_flapping_alert_needs_a_longer_calm(raises: int, calm_s: int) -> None:
    """Each time that an alert comes back it takes twice as long a calm, up to half an hour."""
    before = Level(calm_ns=calm_s * NS_PER_S - 1, raises=raises)
    assert not is_over(before, RULE)
    assert is_over(Level(calm_ns=calm_s * NS_PER_S, raises=raises), RULE)


def test_rule_that_is_slower_than_flapping_stays_as_it_is() -> None:
    """The limit of damping does not shorten what a site has asked for."""
    slow = AlertRule("warning", 0, 2 * CLEAR_NS_MAX)
    assert not is_over(Level(calm_ns=2 * CLEAR_NS_MAX - 1, raises=1), slow)
    assert is_over(Level(calm_ns=2 * CLEAR_NS_MAX, raises=5), slow)


def test_alert_is_a_first_one_again_after_an_hour() -> None:
    """Damping ends, and nothing is left to remember."""
    level = advance(Level(calm_ns=STEADY_NS - 2, raises=7), None, 1, MonotonicNs(9), RULE)
    assert level.raises == 7
    assert not is_forgotten(level)
    level = advance(level, None, 1, MonotonicNs(10), RULE)
    assert level.raises == 0
    assert is_forgotten(level)


def test_what_nobody_looked_at_counts_little() -> None:
    """After a pause between two looks a camera has not been away for all of it, as far as anybody knows."""
    level = advance(CALM, "away", 0, MonotonicNs(0), RULE)
    level = advance(level, "away", 3_600 * NS_PER_S, MonotonicNs(3_600 * NS_PER_S), RULE)
    assert level.trouble_ns == ELAPSED_NS_MAX
    assert advance(level, "away", -5, MonotonicNs(0), RULE) == level


def test_reason_and_beginning_are_those_of_the_trouble() -> None:
    """The newest reason is told; the beginning stays until the level has fallen to nothing."""
    level = advance(CALM, "one", 0, MonotonicNs(7), RULE)
    level = advance(level, "two", 5, MonotonicNs(12), RULE)
    assert (level.reason, level.began_ns) == ("two", 7)
    for now_ns in (17, 22):
        level = advance(level, None, 5, MonotonicNs(now_ns), RULE)
    level = advance(level, "three", 5, MonotonicNs(27), RULE)
    assert (level.reason, level.began_ns) == ("three", 27)


def test_site_changes_a_rule() -> None:
    """What a site says counts, the rest is as in the table; a kind that nobody knows has the rule for all others."""
    assert rule_of("camera_offline", {}) == RULES["camera_offline"]
    assert rule_of("something_new", {}) == DEFAULT_RULE
    changes = {
        "camera_offline": AlertRuleSection(raise_after_s=300),
        "something_new": AlertRuleSection(severity="critical"),
    }
    rule = rule_of("camera_offline", changes)
    assert (rule.severity, rule.raise_after_ns, rule.clear_after_ns) == ("critical", 300 * NS_PER_S, 60 * NS_PER_S)
    assert rule_of("something_new", changes).severity == "critical"
