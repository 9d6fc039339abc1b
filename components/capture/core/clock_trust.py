"""Whether the box's wall clock can be believed, by what it did since the process began.

A box without a battery wakes up in 1970, 2000 or where its file system was left; a person sets the clock, or a time
server does. Monotonic time goes through all of that evenly, so a step of the wall clock is seen as a change of the
distance between the two. The rules, in order:

- A year in which this product cannot be running is not believed.
- A clock that the kernel calls synchronised is believed, whatever it did and whatever the record says.
- After a step of more than a minute without that, the clock is not believed until it is synchronised or the process
  begins anew; stepping out of a year that cannot be is how a clock is put right, and no reason for doubt.
- A clock that is behind the newest record is not believed: one of the two is wrong, and who deletes or dates by a
  clock has to know which.

Deleting takes more than believing: after a leap of more than a day no clock is `trusted` for a day, synchronised or
not, because a time server that is wrong for an hour must not make a year's footage old. Who only places new footage may
also believe a clock that has gone on evenly for long (`even_ns`).
"""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, WallNs, to_datetime

YEAR_MIN, YEAR_MAX = 2025, 2100
"""Before the first release, and where a clock that lost its battery, or its reason, is found."""

STEP_NS = 500 * NS_PER_MS
"""Less is how exactly two clocks are read one after the other on a box under load."""

DOUBT_NS = 60 * NS_PER_S
"""What a day without a time server makes of a bad clock is less; no retention is decided by a minute."""

DAY_NS = 86_400 * NS_PER_S

LEAP_NS = DAY_NS
"""Footage is kept for days: what makes it older by less makes little of it old."""

PROBATION_NS = DAY_NS
"""As long as a wrong time server stays unnoticed by those who run it, or those who see the dates."""

FUTURE_NS_MAX = 60 * NS_PER_S
"""A record is ahead of its clock by its anchors' uncertainty, seconds at most."""

_WALL_NS_MAX = 253_402_300_799 * NS_PER_S  # the end of the year 9999, the last that a date can have


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """Whether the clock is believed, and why (not); `is_trusted`: so much that footage may be deleted by it.

    `even_ns` is how long it has gone on without a step.
    """

    is_believed: bool
    is_trusted: bool
    reason: str
    even_ns: int
    has_stepped: bool = False
    is_plausible: bool = True


class ClockTrust:
    """Follows the two clocks of one process. Not for several threads at once."""

    def __init__(self) -> None:
        self._apart_ns: int | None = None
        self._even_since_ns = 0
        self._has_stepped = False
        self._doubt = ""
        self._leapt_ns: int | None = None

    def leapt(self, monotonic_ns: MonotonicNs) -> None:
        """By then the clock has leapt ahead of what was recorded before."""
        self._leapt_ns = monotonic_ns

    def doubt(self, reason: str) -> None:
        """There is a reason for doubt from before, until the clock is synchronised."""
        self._doubt = reason

    def look(
        self,
        wall_ns: WallNs,
        monotonic_ns: MonotonicNs,
        record_end_ns: WallNs | None = None,
        is_synchronised: bool | None = None,
    ) -> ClockVerdict:
        """The verdict now. The clocks are read together; `is_synchronised` is the kernel's word, None if unknown.

        `record_end_ns` is where the newest record ends, of what the caller decides about; None when there is none.
        """
        is_plausible = _is_plausible(wall_ns)
        self._follow(wall_ns, monotonic_ns)
        if is_synchronised:
            self._doubt = ""
        believed, reason = True, "synchronised" if is_synchronised else "it has gone on evenly"
        if not is_plausible:
            believed, reason = False, f"the clock says {_date(wall_ns)}"
        elif is_synchronised:
            pass
        elif self._doubt:
            believed, reason = False, self._doubt
        elif record_end_ns is not None and record_end_ns - wall_ns > FUTURE_NS_MAX:
            behind_s = (record_end_ns - wall_ns) // NS_PER_S
            believed, reason = False, f"the clock is {behind_s} s behind the newest record"
        trusted = believed
        if believed and self._leapt_ns is not None and monotonic_ns - self._leapt_ns < PROBATION_NS:
            trusted, reason = False, "the clock leapt by more than a day, less than a day ago"
        return ClockVerdict(
            believed, trusted, reason, monotonic_ns - self._even_since_ns, self._has_stepped, is_plausible
        )

    def _follow(self, wall_ns: WallNs, monotonic_ns: MonotonicNs) -> None:
        apart_ns = wall_ns - monotonic_ns
        if self._apart_ns is None:
            self._even_since_ns = monotonic_ns
        elif abs(apart_ns - self._apart_ns) < STEP_NS:
            return  # the first distance is kept, so that many small steps are noticed too
        else:
            step_ns = apart_ns - self._apart_ns
            self._even_since_ns, self._has_stepped = monotonic_ns, True
            was_plausible = _is_plausible(monotonic_ns + self._apart_ns)
            if step_ns > LEAP_NS and was_plausible:
                self._leapt_ns = monotonic_ns
            if abs(step_ns) > DOUBT_NS:
                self._doubt = f"the clock stepped by {step_ns / NS_PER_S:+.0f} s" if was_plausible else ""
        self._apart_ns = apart_ns


def _is_plausible(wall_ns: int) -> bool:
    return 0 <= wall_ns <= _WALL_NS_MAX and YEAR_MIN <= to_datetime(wall_ns).year < YEAR_MAX


def _date(wall_ns: int) -> str:
    return f"{to_datetime(wall_ns):%Y-%m-%d}" if 0 <= wall_ns <= _WALL_NS_MAX else f"{wall_ns} ns"
