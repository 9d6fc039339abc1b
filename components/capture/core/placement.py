"""Whether a run whose wall time has left the box's clock goes on, is led back, or makes way for a new one.

A run follows the camera's ticks and knows nothing of steps of the box's clock, so after one it is dated wrong: rightly
while the step was the fault, wrongly once the clock is right. It is looked at where a segment ends anyway, so that a
clock that steps every second cuts nothing: a step costs at most a new run at the next cut.

- A step is followed when the clock has stood for a while and is believed; else time goes on as before it.
- Less than `APART_NS` is what anchors are unsure of, and left.
- A run that is off by little is led back, by pictures that last a little longer or shorter.
- One that is off by more ends, and the next begins at the true time; where that is not free, because the record (dated
  ahead) is there already, the run is led back, however long that takes: nothing is recorded twice over the same time.
"""

from __future__ import annotations

from typing import Literal

from components.capture.core.clock_trust import ClockVerdict
from components.shared.wire.units import NS_PER_MS, NS_PER_S

Placement = Literal["keep", "lead", "renew"]

APART_NS = 500 * NS_PER_MS
"""What a run may be apart from the clock for good; the difference of a sender and the network is no more."""

LEAD_NS_MAX = 2 * NS_PER_S
"""Led back within a minute; a run that is dated wrong by more begins anew."""

SETTLED_NS = 30 * NS_PER_S
"""A clock that is being set may step several times: it is followed when it has stood for so long."""

EVEN_NS = 3_600 * NS_PER_S
"""A clock that nothing speaks for is followed after an hour; it then dates new footage, and deletes nothing."""


def decide_placement(ahead_ns: int) -> Placement:
    """What becomes of a run that is ahead of the clock by so much (behind: negative)."""
    if abs(ahead_ns) <= APART_NS:
        return "keep"
    return "lead" if abs(ahead_ns) <= LEAD_NS_MAX else "renew"


def is_followed(verdict: ClockVerdict) -> bool:
    """Whether time goes on by the clock of which that was said, also after a step of it."""
    if not verdict.is_plausible or (verdict.has_stepped and verdict.even_ns < SETTLED_NS):
        return False
    return verdict.is_believed or verdict.even_ns >= EVEN_NS
