"""The one place that decides about trying again: attempt, classify the failure, back off.

One attempt is a function that returns or raises one of the three kinds. Transient: again after the next pause of the
schedule. Rejected: again after the longest, since only somebody else's change can mend it. Fatal: raised, the worker
ends and its launcher starts a new one. Anything else is a fault in the program and is not caught.

`Backoff` knows no clock; the pauses grow with the failures and start again after `steady_s` without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S

RETURN_PAUSE_NS = NS_PER_S
"""An attempt that returns is made again at once, but never more often than once a second."""

OnFailure = Callable[[Transient | Rejected], None]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses after the first, second, ... failure in a row; the last one repeats."""

    schedule_s: tuple[float, ...] = (5, 10, 30, 60)
    steady_s: float = 60

    def __post_init__(self) -> None:
        if not self.schedule_s or min(self.schedule_s) <= 0:
            raise Rejected(f"a backoff needs pauses above zero, not {self.schedule_s}")

    def pause_ns(self, failures: int) -> int:
        """The pause after that many failures in a row, 1 or more."""
        return int(self.schedule_s[min(failures, len(self.schedule_s)) - 1] * NS_PER_S)

    @property
    def longest_ns(self) -> int:
        """The longest pause, for what will not mend itself."""
        return int(max(self.schedule_s) * NS_PER_S)

    def is_steady(self, duration_ns: int) -> bool:
        """Whether so long without a failure means that the next one is a first one again."""
        return duration_ns >= self.steady_s * NS_PER_S


class _Failures:
    """Counts failures in a row, tells them once per reason, and waits."""

    def __init__(self, name: str, backoff: Backoff, clock: Clock, log: Log, on_failure: OnFailure | None) -> None:
        self._name = name
        self._backoff = backoff
        self._clock = clock
        self._log = log
        self._on_failure = on_failure
        self._count = 0
        self._text = ""
        self._well_since_ns = clock.monotonic_ns()

    def pause(self, error: Transient | Rejected, stop: threading.Event) -> None:
        if self._backoff.is_steady(self._clock.monotonic_ns() - self._well_since_ns):
            self._count = 0
        self._count += 1
        rejected = isinstance(error, Rejected)
        pause_ns = self._backoff.longest_ns if rejected else self._backoff.pause_ns(self._count)
        tell = self._log.warning if self._count == 1 or str(error) != self._text else self._log.debug
        tell("attempt_failed", task=self._name, error=error, failures=self._count, retry_s=pause_ns / NS_PER_S)
        self._text = str(error)
        if self._on_failure is not None:
            self._on_failure(error)
        self._clock.wait(stop, pause_ns)
        self._well_since_ns = self._clock.monotonic_ns()


def supervise(
    name: str,
    attempt: Callable[[], object],
    backoff: Backoff,
    clock: Clock,
    stop: threading.Event,
    log: Log,
    on_failure: OnFailure | None = None,
) -> None:
    """Make the attempt again and again until `stop` is set. Fatal and every foreign exception are raised.

    `on_failure` is told of each Transient and Rejected before the pause.
    """
    failures = _Failures(name, backoff, clock, log, on_failure)
    while not stop.is_set():
        started_ns = clock.monotonic_ns()
        try:
            attempt()
        except (Transient, Rejected) as error:
            failures.pause(error, stop)
        else:
            clock.wait(stop, started_ns + RETURN_PAUSE_NS - clock.monotonic_ns())


def retry(
    name: str,
    attempt: Callable[[], ResultT],
    backoff: Backoff,
    clock: Clock,
    stop: threading.Event,
    log: Log,
    on_failure: OnFailure | None = None,
) -> ResultT | None:
    """The result of the first attempt that returns; None when `stop` was set before. Rejected, Fatal are raised."""
    failures = _Failures(name, backoff, clock, log, on_failure)
    while not stop.is_set():
        try:
            return attempt()
        except Transient as error:
            failures.pause(error, stop)
    return None
