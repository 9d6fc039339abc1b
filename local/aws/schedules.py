"""EventBridge's schedules: calls functions again and again, at the rates that the template names.

The first call comes one period after the start, as in AWS. A call is handed over and not waited for. `fire` calls all
of them now, for those who cannot wait a minute.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_RATE = re.compile(r"rate\((?P<number>[1-9]\d*) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_UNIT_S = {"minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which function, by its ARN, is called how often."""

    name: str
    arn: str
    period_s: int
    function: str


@dataclass(slots=True)
class _Running:
    schedule: Schedule
    send: Callable[[Any], None]
    due: float
    calls: int = 0


def period_s(expression: str) -> int:
    """The period of a rate, in seconds; ValueError for what AWS would refuse, and for `cron`, not known here."""
    found = _RATE.fullmatch(expression)
    if found is None or (found["number"] == "1") == bool(found["plural"]):
        raise ValueError(f"schedule {expression!r} is not a rate such as rate(1 minute) or rate(5 minutes)")
    return int(found["number"]) * _UNIT_S[found["unit"]]


class Schedules:
    """All schedules, on one thread."""

    def __init__(self, account: str, region: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._account = account
        self._region = region
        self._monotonic = monotonic
        self._running: list[_Running] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self, schedules: Sequence[tuple[Schedule, Callable[[Any], None]]]) -> None:
        """Begins; each schedule comes with what takes its events."""
        now = self._monotonic()
        self._running = [_Running(schedule, send, now + schedule.period_s) for schedule, send in schedules]
        self._thread.start()

    def fire(self) -> int:
        """Call every function of a schedule now, beside its turns; how many they are."""
        with self._changed:
            for running in self._running:
                self._call(running)
            return len(self._running)

    def stop(self) -> None:
        """Ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(5)

    def figures(self) -> dict[str, int]:
        """How often each has called."""
        with self._changed:
            return {running.schedule.name: running.calls for running in self._running}

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                now = self._monotonic()
                for running in self._running:
                    if running.due <= now:
                        running.due += running.schedule.period_s
                        self._call(running)
                due_in_s = min((running.due for running in self._running), default=None)
                self._changed.wait(None if due_in_s is None else max(0.0, due_in_s - self._monotonic()))

    def _call(self, running: _Running) -> None:
        running.calls += 1
        running.send(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": self._account,
                "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "region": self._region,
                "resources": [running.schedule.arn],
                "detail": {},
            }
        )
