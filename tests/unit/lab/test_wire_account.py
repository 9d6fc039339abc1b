"""What is made of the bytes of every tick: a sender that breaks its cap for a second is seen, wherever that is."""

from __future__ import annotations

import pytest

from lab.wire_account import Stage, account, cap_at

TICKS_PER_S = 100


def steady(bytes_per_s: int, begin_s: int, end_s: int) -> dict[int, int]:
    return dict.fromkeys(range(begin_s * TICKS_PER_S, end_s * TICKS_PER_S), bytes_per_s // TICKS_PER_S)


def test_a_sender_that_keeps_the_cap() -> None:
    """All of it, over a change too."""
    stages = [Stage(0, 1_000_000), Stage(30 * TICKS_PER_S, 2_000_000)]
    kept = account(steady(1_000_000, 0, 30) | steady(2_000_000, 30, 60), stages, 60 * TICKS_PER_S)
    assert (kept.over_max, kept.over_max_slow, kept.used_min) == (1, None, 1)
    assert cap_at(stages, 30 * TICKS_PER_S - 1) == 1_000_000
    assert cap_at(stages, 30 * TICKS_PER_S) == 2_000_000


@pytest.mark.parametrize("second", [0, 15, 29, 59])
def test_one_second_too_much_is_seen(second: int) -> None:
    """Half as much again for one second is 5 % of the ten seconds around it."""
    sent = steady(1_000_000, 0, 60) | steady(1_500_000, second, second + 1)
    kept = account(sent, [Stage(0, 1_000_000)], 60 * TICKS_PER_S)
    assert kept.over_max == pytest.approx(1.05)


def test_one_second_of_nothing_is_seen() -> None:
    """It is a tenth of what might have been used."""
    sent = steady(1_000_000, 0, 60) | steady(0, 30, 31)
    assert account(sent, [Stage(0, 1_000_000)], 60 * TICKS_PER_S).used_min == pytest.approx(0.9)


def test_a_change_that_comes_late_is_seen() -> None:
    """Who goes on for a second with ten times what is allowed now has sent far more than that."""
    stages = [Stage(0, 1_000_000), Stage(30 * TICKS_PER_S, 100_000)]
    sent = steady(1_000_000, 0, 31) | steady(100_000, 31, 60)
    kept = account(sent, stages, 60 * TICKS_PER_S)
    assert kept.over_max_slow == pytest.approx(1.72)
    assert kept.over_max == pytest.approx(1)


def test_less_than_a_window_tells_nothing() -> None:
    """Then there is no figure, hence no limit that is kept."""
    kept = account({}, [Stage(0, 1_000_000)], 9 * TICKS_PER_S)
    assert (kept.over_max, kept.over_max_slow, kept.used_min) == (None, None, None)
