"""Footage that went before its age is told for a day, per stream, in amounts that do not change every minute."""

from __future__ import annotations

import pytest

from components.health_monitor.core.losses import TOLD_NS, Loss, judge_losses, step_below
from components.shared.wire.units import NS_PER_S, WallNs

NOW = WallNs(1_760_000_000 * NS_PER_S)


def loss(stream: str, is_lost: bool = True, segments: int = 7, ago_ns: int = 0) -> Loss:
    """So many segments of 3 MB that went so long ago."""
    start_ns = WallNs(NOW - 10 * TOLD_NS)
    return Loss(stream, is_lost, start_ns, segments, segments * 3_000_000, "no room", WallNs(NOW - ago_ns))


def test_nothing_went() -> None:
    """Without losses there is nothing to tell."""
    assert judge_losses([], NOW) == []


@pytest.mark.parametrize(("ago_ns", "told"), [(TOLD_NS - 1, 1), (TOLD_NS, 0)])
def test_a_loss_is_told_for_a_day(ago_ns: int, told: int) -> None:
    """From the moment it went, and then no more."""
    assert len(judge_losses([loss("cam-1", ago_ns=ago_ns)], NOW)) == told


def test_lost_is_not_early() -> None:
    """What nobody had uploaded is lost, what is in the cloud only gone early; each stream by itself, with how much."""
    found = judge_losses([loss("cam-2", is_lost=False), loss("cam-1"), loss("cam-1~sub"), loss("cam-1")], NOW)
    assert [(one.kind, one.subject) for one in found] == [
        ("footage_deleted_early", "cam-2"),
        ("footage_lost", "cam-1"),
        ("footage_lost", "cam-1~sub"),
    ]
    assert "at least 10 segments (at least 20 MB) from 2025-09-29" in found[1].reason  # 14 segments, 42 MB
    assert found[1].reason.endswith("before anybody had uploaded them: no room")
    assert "before their age" in found[0].reason


def test_the_reason_changes_rarely() -> None:
    """A disk that stays full deletes a segment every minute: of a thousand of them, few change what is told."""
    reasons = {judge_losses([loss("cam-1", segments=count)], NOW)[0].reason for count in range(1_000, 2_000)}
    assert len(reasons) <= 3


@pytest.mark.parametrize(
    ("amount", "step"), [(0, 0), (1, 1), (2, 2), (4, 2), (5, 5), (9, 5), (10, 10), (19, 10), (49, 20), (999, 500)]
)
def test_steps(amount: int, step: int) -> None:
    """The next of 1, 2, 5, 10, ... at or below."""
    assert step_below(amount) == step
