"""Asks what may not answer: each probe in a thread of its own, so that none of them ever holds up the look.

A disk that has died lets whoever asks it wait for ever, and no thread of Python can be ended. So a probe that has been
asked is not asked again before it has answered, and one that does not within its limit is silent: its last reading
counts no more, and its silence is itself a reading. At most one thread per probe waits, however long the silence.

What a probe cannot know, or fails at, is None to whoever asks for the reading; why is logged when it changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from components.shared.errors import NvrError
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S

PROBES_MAX = 200
"""Three for each volume and a few for the box: more than any site has."""

STALE_PERIODS = 3
"""A reading counts for so many periods: one that was late is better than none."""

ReadingT_co = TypeVar("ReadingT_co", covariant=True)  # a reading is only ever given
Start = Callable[[str, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Probe(Generic[ReadingT_co]):
    """Something to ask every `period_ns`, that should answer within `limit_ns`.

    `read` gives the reading, or None for unknown; our own errors say why there is none.
    """

    name: str
    read: Callable[[], ReadingT_co | None]
    period_ns: int
    limit_ns: int = 10 * NS_PER_S


def start_thread(name: str, run: Callable[[], None]) -> None:
    """Run it in a thread that nobody waits for, not even the end of the process."""
    threading.Thread(target=run, name=name, daemon=True).start()


class Prober:
    """Keeps the newest reading of every probe. `look` and `reading` are for one thread."""

    def __init__(self, clock: Clock, log: Log, start: Start = start_thread) -> None:
        self._clock = clock
        self._log = log
        self._start = start
        self._asked: dict[str, _Asked] = {}

    def look(self, probes: Iterable[Probe[object]]) -> None:
        """Ask what is due of these; forget the others. Raises what a probe failed with that is no failure of ours."""
        wanted = {probe.name: probe for probe in list(probes)[:PROBES_MAX]}
        self._asked = {name: asked for name, asked in self._asked.items() if name in wanted or asked.is_waiting}
        now_ns = self._clock.monotonic_ns()
        for name, probe in wanted.items():
            asked = self._asked.setdefault(name, _Asked(self._clock))
            asked.period_ns, asked.limit_ns = probe.period_ns, probe.limit_ns
            self._tell(name, asked)
            if asked.failure is not None:
                raise asked.failure
            if not asked.is_waiting and (asked.asked_ns is None or now_ns - asked.asked_ns >= probe.period_ns):
                asked.begin(now_ns)
                self._start(f"probe-{name}", lambda asked=asked, probe=probe: asked.ask(probe.read))  # type: ignore[misc]

    def reading(self, probe: Probe[ReadingT_co]) -> ReadingT_co | None:
        """The newest reading of a probe, None when there is none that counts."""
        asked = self._asked.get(probe.name)
        if asked is None or self._is_silent(asked):
            return None
        value, read_ns = asked.answer
        is_old = self._clock.monotonic_ns() - read_ns > STALE_PERIODS * probe.period_ns + probe.limit_ns
        return None if is_old else value  # type: ignore[return-value]  # of the same name, so of the same type

    def silent(self) -> list[str]:
        """The probes that were asked and have not answered within their limit."""
        return sorted(name for name, asked in self._asked.items() if self._is_silent(asked))

    def _is_silent(self, asked: _Asked) -> bool:
        if not asked.is_waiting or asked.asked_ns is None:
            return False
        return self._clock.monotonic_ns() - asked.asked_ns > asked.limit_ns

    def _tell(self, name: str, asked: _Asked) -> None:
        reason = f"no answer within {asked.limit_ns // NS_PER_S} s" if self._is_silent(asked) else asked.why
        if reason != asked.told:
            asked.told = reason
            if reason:
                self._log.warning("probe_without_reading", probe=name, reason=reason)
            else:
                self._log.info("probe_reads_again", probe=name)


class _Asked:
    """One probe: what it said last, and whether it is asked just now. Its thread writes the answer in one step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked_ns: int | None = None
        self.period_ns = self.limit_ns = 0
        self.is_waiting = False
        self.answer: tuple[object, int] = (None, 0)
        self.why = ""
        self.told = ""
        self.failure: BaseException | None = None

    def begin(self, now_ns: int) -> None:
        """It is being asked."""
        self.asked_ns, self.is_waiting = now_ns, True

    def ask(self, read: Callable[[], object]) -> None:
        """Ask, and keep the answer; in the probe's own thread."""
        value, why = None, ""
        try:
            value = read()
        except (
            NvrError
        ) as error:  # Fatal too: what one device makes of us costs its reading, not the watch over all others
            why = str(error)
        except BaseException as error:  # noqa: BLE001 - a fault of the program ends the worker: raised by the next look
            self.failure = error
        self.answer, self.why = (value, self._clock.monotonic_ns()), why
        self.is_waiting = False
