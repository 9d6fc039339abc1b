"""Footage that went before its age: a condition per stream for a day, from the rows of early deletions.

What nobody had uploaded is lost; what was uploaded is only gone early. Amounts are told in steps (1, 2, 5, 10, ...), as
"at least": a disk that stays full deletes every minute, and a reason that changes all the time would be written all
the time. `./nvr coverage` tells every second of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.health_monitor.core.rules import Condition
from components.shared.wire.units import NS_PER_S, WallNs, format_iso

TOLD_NS = 86_400 * NS_PER_S
"""For a day after the last deletion somebody should see it; then it is history, as the gaps of the record are."""

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Loss:
    """Footage of a stream that went early, for one reason; `deleted_ns` is when the last of it went."""

    stream: str
    is_lost: bool
    start_ns: WallNs
    segments: int
    size_bytes: int
    reason: str
    deleted_ns: WallNs


def judge_losses(losses: Iterable[Loss], now_ns: WallNs) -> list[Condition]:
    """A condition per stream and kind of what went within the last day."""
    recent: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        if now_ns - loss.deleted_ns < TOLD_NS:
            kind = "footage_lost" if loss.is_lost else "footage_deleted_early"
            recent.setdefault((kind, loss.stream), []).append(loss)
    return [Condition(kind, stream, _tell(kind, found)) for (kind, stream), found in sorted(recent.items())]


def step_below(amount: int) -> int:
    """The greatest of 1, 2, 5, 10, 20, ... that is not above the amount; 0 for 0."""
    if amount < 1:
        return 0
    power: int = 10 ** (len(str(amount)) - 1)
    return max(step * power for step in (1, 2, 5) if step * power <= amount)


def _tell(kind: str, losses: list[Loss]) -> str:
    segments = sum(loss.segments for loss in losses)
    size = step_below(sum(loss.size_bytes for loss in losses) // _MEGABYTE)
    since = min(loss.start_ns for loss in losses)
    how = "before anybody had uploaded them" if kind == "footage_lost" else "before their age"
    what = "1 segment" if segments == 1 else f"at least {step_below(segments)} segments"
    return f"{what} (at least {size} MB) from {format_iso(since)} on went {how}: {losses[-1].reason}"
