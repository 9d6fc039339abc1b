"""Calls a function with single events, as Lambda does for services that do not wait for its answer.

Events wait in a queue and are handled one at a time. One whose call fails is tried again twice, after a pause in which
others have their turn, and is then sent to the function's dead-letter queue, if it has one. The queue is in memory: a
kill loses what waits, where AWS keeps it up to six hours. Whoever sends what must not be lost waits for an answer.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
from collections import Counter
from typing import Any, Protocol

from local.aws.lambda_process import FunctionFault
from local.aws.stack import Function

log = logging.getLogger(__name__)

RETRY_PAUSES_S = (1.0, 2.0)
"""AWS pauses for one and for two minutes: on one machine nobody wants to wait for that."""

WAITING_EVENTS_MAX = 10_000  # at a few KB each tens of MB: minutes of a busy site while a function hangs
FAULTS_KEPT = 20  # the latest faults, for the figures


class Callee(Protocol):
    """A function that can be called."""

    def call(self, event: Any, timeout_s: float) -> Any:
        """The handler's result, else FunctionFault."""

    def stop(self) -> None:
        """Ends it; a call under way is killed."""


class DeadLetters(Protocol):
    """Queues that take what could not be handled."""

    def send_message(self, queue_name: str, message_body: str) -> Any:
        """Sends one message."""


class EventInvoker:
    """One function with its waiting events, a thread of its own."""

    def __init__(
        self,
        function: Function,
        callee: Callee,
        queues: DeadLetters,
        retry_pauses_s: tuple[float, ...] = RETRY_PAUSES_S,
        waiting_events_max: int = WAITING_EVENTS_MAX,
    ) -> None:
        self._function = function
        self._callee = callee
        self._queues = queues
        self._retry_pauses_s = retry_pauses_s
        self._waiting_events_max = waiting_events_max
        self._waiting: list[tuple[float, int, int, Any]] = []  # due, order, failed tries so far, event
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"invoke-{function.name}", daemon=True)
        self._counts: Counter[str] = Counter()
        self._faults: list[str] = []

    def start(self) -> None:
        """Begins to call."""
        self._thread.start()

    def send(self, event: Any) -> None:
        """Takes an event, which is any value of JSON, and returns at once. OverflowError when too many wait."""
        with self._changed:
            if len(self._waiting) >= self._waiting_events_max:
                raise OverflowError(f"{self._waiting_events_max} events wait for {self._function.name}")
            heapq.heappush(self._waiting, (time.monotonic(), next(self._order), 0, event))
            self._changed.notify()

    def stop(self) -> None:
        """Ends; a call under way is killed, and what waits is lost."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._callee.stop()
        if self._thread.is_alive():
            self._thread.join(5)
        self._callee.stop()

    def figures(self) -> dict[str, Any]:
        """What has happened so far."""
        with self._changed:
            waiting = len(self._waiting)
        return {
            "waiting": waiting,
            "calls": self._counts["calls"],
            "events_done": self._counts["done"],
            "events_given_up": self._counts["given_up"],
            "faults": list(self._faults),
        }

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            self._handle(*taken)

    def _next(self) -> tuple[int, Any] | None:
        """The next event that is due with its failed tries so far; None when it is time to end."""
        with self._changed:
            while not self._stopping:
                due_in_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if due_in_s is not None and due_in_s <= 0:
                    _, _, failures, event = heapq.heappop(self._waiting)
                    return failures, event
                self._changed.wait(due_in_s)
        return None

    def _handle(self, failures: int, event: Any) -> None:
        self._counts["calls"] += 1
        try:
            self._callee.call(event, self._function.timeout_s)
        except FunctionFault as fault:
            if self._stopping:
                return
            self._tell(str(fault))
            if failures < len(self._retry_pauses_s):
                self._again(failures, event)
            else:
                self._give_up(event)
        else:
            self._counts["done"] += 1

    def _again(self, failures: int, event: Any) -> None:
        due = time.monotonic() + self._retry_pauses_s[failures]
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._order), failures + 1, event))

    def _give_up(self, event: Any) -> None:
        self._counts["given_up"] += 1
        if self._function.dead_letters is not None:
            self._queues.send_message(self._function.dead_letters.rpartition(":")[2], json.dumps(event))

    def _tell(self, fault: str) -> None:
        log.error("function_failed function=%s fault=%s", self._function.name, fault)
        self._faults = [*self._faults, fault[:2_000]][-FAULTS_KEPT:]
