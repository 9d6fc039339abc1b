"""How long a trouble has lasted, and how long it has been calm: what raises an alert and what clears it.

Trouble is a level in nanoseconds of monotonic time. It rises while the trouble is there and falls as fast while it is
not, so that a short calm does not begin the wait anew, and what is well most of the time never gets there. At the
rule's `raise_after_ns` the alert is raised; it is cleared after an unbroken calm of `clear_after_ns`. An alert that
comes back within an hour takes twice as long a calm, and again twice, up to half an hour: flapping is told less often.

The wall clock plays no part. What happened while nobody looked does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.health_monitor.core.alert_rules import AlertRule
from components.shared.wire.units import NS_PER_S, MonotonicNs

ELAPSED_NS_MAX = 30 * NS_PER_S
"""A look comes every 5 s: of a longer pause between two of them, so much counts."""

CLEAR_NS_MAX = 1_800 * NS_PER_S
"""The longest calm that a flapping alert needs, unless its rule says longer."""

STEADY_NS = 3_600 * NS_PER_S
"""After so long a calm an alert is a first one again."""

_NEVER_NS = MonotonicNs(0)

_DOUBLINGS_MAX = 16
"""Beyond that every rule is at its longest; the number stays small."""


@dataclass(frozen=True, slots=True)
class Level:
    """Of one kind and subject. `began_ns` is when the level last rose from nothing; `raises` counts, see above."""

    trouble_ns: int = 0
    calm_ns: int = 0
    is_present: bool = False
    began_ns: MonotonicNs = _NEVER_NS
    reason: str = ""
    raises: int = 0


CALM = Level()


def advance(level: Level, reason: str | None, elapsed_ns: int, now_ns: MonotonicNs, rule: AlertRule) -> Level:
    """The level after another look, which saw the trouble for a reason, or saw none."""
    elapsed_ns = min(max(elapsed_ns, 0), ELAPSED_NS_MAX)
    if reason is not None:
        is_new = level.trouble_ns == 0 and not level.is_present
        trouble_ns = min(level.trouble_ns + (elapsed_ns if level.is_present else 0), rule.raise_after_ns)
        return Level(trouble_ns, 0, True, now_ns if is_new else level.began_ns, reason, level.raises)
    # Between the look that saw the trouble and the first that does not, nobody knows when it ended.
    elapsed_ns = 0 if level.is_present else elapsed_ns
    calm_ns = level.calm_ns + elapsed_ns
    raises = level.raises if calm_ns < STEADY_NS else 0
    trouble_ns = max(0, level.trouble_ns - elapsed_ns)
    return replace(level, trouble_ns=trouble_ns, calm_ns=calm_ns, is_present=False, raises=raises)


def is_due(level: Level, rule: AlertRule) -> bool:
    """Whether the alert is to be raised."""
    return level.is_present and level.trouble_ns >= rule.raise_after_ns


def is_over(level: Level, rule: AlertRule) -> bool:
    """Whether a raised alert is to be cleared."""
    doublings = min(max(level.raises - 1, 0), _DOUBLINGS_MAX)
    calm_ns = max(rule.clear_after_ns, min(rule.clear_after_ns << doublings, CLEAR_NS_MAX))
    return not level.is_present and level.calm_ns >= calm_ns


def is_forgotten(level: Level) -> bool:
    """Whether nothing is left to remember."""
    return not level.is_present and level.trouble_ns == 0 and level.raises == 0
