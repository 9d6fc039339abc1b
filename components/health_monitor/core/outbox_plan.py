"""Which of the waiting notices are sent now: in order per subject, again with growing pauses, a few at a time.

The next notice of a subject is sent when the one before it is acknowledged, so that nobody hears of an end before the
beginning. A notice that is not acknowledged is sent again after 5 s, 10 s, ... up to 5 min; whatever is acknowledged
shows that there is a way again, and then 5 s are enough for all that wait. Times are monotonic; a monitor that has
just begun has sent nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.shared.wire.units import NS_PER_S, MonotonicNs

PAUSE_NS_MIN, PAUSE_NS_MAX = 5 * NS_PER_S, 300 * NS_PER_S
"""An answer takes a second or two; a cloud that does not answer is asked 12 times an hour."""

IN_FLIGHT_MAX = 50
"""Notices that are sent and not acknowledged: what waits beyond them can still be merged when the outbox is full."""

AT_ONCE_MAX = 20
"""Of one round, a second or more apart: a core takes them in milliseconds, and nobody else is held up."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits; they come in order."""

    notice: str
    subject: str


@dataclass(frozen=True, slots=True)
class Sent:
    """How often a notice was sent, and when last."""

    tries: int
    last_ns: MonotonicNs
    due_ns: MonotonicNs


def due_now(waiting: Iterable[Waiting], sent: Mapping[str, Sent], now_ns: MonotonicNs) -> list[str]:
    """What to send now, oldest first."""
    heads: dict[str, str] = {}
    for entry in waiting:
        heads.setdefault(entry.subject, entry.notice)
    found: list[str] = []
    in_flight = sum(1 for notice in heads.values() if notice in sent)
    for notice in heads.values():
        if len(found) == AT_ONCE_MAX:
            break
        before = sent.get(notice)
        if before is None and in_flight < IN_FLIGHT_MAX:
            found.append(notice)
            in_flight += 1
        elif before is not None and now_ns >= before.due_ns:
            found.append(notice)
    return found


def after_sending(before: Sent | None, now_ns: MonotonicNs) -> Sent:
    """What is known of a notice that was just handed over to be sent."""
    tries = before.tries + 1 if before else 1
    pause_ns = min(PAUSE_NS_MIN << min(tries - 1, 16), PAUSE_NS_MAX)
    return Sent(tries, now_ns, MonotonicNs(now_ns + pause_ns))


def after_answer(sent: Mapping[str, Sent], acknowledged: Sequence[str]) -> dict[str, Sent]:
    """What is known of the others after some were acknowledged: there is a way again."""
    return {
        notice: Sent(entry.tries, entry.last_ns, MonotonicNs(min(entry.due_ns, entry.last_ns + PAUSE_NS_MIN)))
        for notice, entry in sent.items()
        if notice not in acknowledged
    }
