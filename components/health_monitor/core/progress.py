"""Which component lives and does nothing, by what it says of itself and by what its work looks like from outside.

A component is stuck when work waits for it and for a while nothing shows that any was done: neither its own word of
progress nor what it writes. The word alone is not enough, since a task that hangs leaves the figures that it last
wrote on the board. Time is counted here, by the monotonic clock, from the first look at which work waited: a component
that had nothing to do for a night is not stuck when the morning's first work comes, and a step of the wall clock makes
nobody idle. How long a component may be silent is not decided here; of one that is, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.health_monitor.core.picture import Heard
from components.health_monitor.core.rules import SILENT_NS, Condition, last_words
from components.shared.wire.topics import CAPTURE, SITE_CONFIG
from components.shared.wire.units import NS_PER_S, MonotonicNs

IDLE_NS = 120 * NS_PER_S
"""A component with work waiting that gets none done for so long is stuck: longer than a slow link takes for a part."""

STILL_NS = 30 * NS_PER_S
"""A stream that is recorded writes a fragment every 0.4 s, or a GOP; the longest GOP that cameras make is some 10 s."""

OF_THE_CLOUD = frozenset({SITE_CONFIG})
"""Whose work that waits is all with the cloud: while the box cannot reach it that is one trouble, told as such. Footage
that is not uploaded is worth a word of its own."""

Sign = tuple[int | str, ...]
"""What moves whenever work is done."""


@dataclass(frozen=True, slots=True)
class Work:
    """A component's work as it looks from outside: `waiting` things wait, and `sign` moves when some are done."""

    component: str
    waiting: int
    sign: Sign
    what: str


@dataclass(frozen=True, slots=True)
class Growth:
    """The footage of a stream that is said to be recorded: its newest file, and how long that is by now."""

    stream: str
    segment: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Still:
    """Since when a sign has not moved though it should."""

    since_ns: MonotonicNs
    sign: Sign


class ProgressWatch:
    """Remembers when each sign moved last; `look` is called in every round."""

    def __init__(self) -> None:
        self._idle: dict[str, _Still] = {}
        self._still: dict[str, _Still] = {}

    def look(
        self,
        now_ns: MonotonicNs,
        heard: Mapping[str, Heard],
        works: Iterable[Work],
        growths: Iterable[Growth] | None,
        *,
        is_cloud_away: bool = False,
    ) -> list[Condition]:
        """What is stuck now. `growths` is None when the files cannot be asked: then nothing is said of them.

        `is_cloud_away`: the box's last try to reach the cloud found nobody.
        """
        alive = {name: status for name, status in heard.items() if now_ns - status.received_ns <= SILENT_NS}
        judged = {name: status for name, status in alive.items() if not (is_cloud_away and name in OF_THE_CLOUD)}
        found = self._components(now_ns, judged, {work.component: work for work in works})
        if growths is not None:
            found += self._streams(now_ns, alive, list(growths))
        return found

    def _components(
        self, now_ns: MonotonicNs, alive: Mapping[str, Heard], works: Mapping[str, Work]
    ) -> list[Condition]:
        idle: dict[str, _Still] = {}
        found = []
        for name, status in alive.items():
            work = works.get(name)
            if not (status.backlog or (work and work.waiting)):
                continue
            said: Sign = (status.started_wall_ns, status.last_progress_wall_ns)
            idle[name] = _follow(self._idle.get(name), (*said, *(work.sign if work else ())), now_ns)
            if now_ns - idle[name].since_ns > IDLE_NS:
                what = work.what if work and work.waiting else "work"
                reason = f"{what} waits and none was done for more than {IDLE_NS // NS_PER_S} s"
                found.append(Condition("component_stuck", name, reason + last_words(status)))
        self._idle = idle
        return found

    def _streams(self, now_ns: MonotonicNs, alive: Mapping[str, Heard], growths: list[Growth]) -> list[Condition]:
        self._still = {
            one.stream: _follow(self._still.get(one.stream), (one.segment, one.size_bytes), now_ns) for one in growths
        }
        still = [name for name, one in self._still.items() if now_ns - one.since_ns > STILL_NS]
        if not still or CAPTURE not in alive:
            return []
        told = f"no byte of footage has come to the disk for more than {STILL_NS // NS_PER_S} s"
        if len(still) == len(growths):
            reason = f"cameras are said to be recorded, but {told}" + last_words(alive[CAPTURE])
            return [Condition("component_stuck", CAPTURE, reason)]
        return [Condition("recording_stalled", name, f"it is said to be recorded, but {told}") for name in still]


def _follow(before: _Still | None, sign: Sign, now_ns: MonotonicNs) -> _Still:
    return before if before is not None and before.sign == sign else _Still(now_ns, sign)
