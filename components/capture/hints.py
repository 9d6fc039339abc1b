"""Tells others that there is something new, without ever waiting for them.

A hint is a message that may be lost: whoever listens sweeps the catalogue too. Sending one can take long, when the core
hangs; so a thread of its own sends them, from a queue that drops the oldest. Recording never notices.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from components.shared.errors import Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.messages import Body
from components.shared.wire.units import NS_PER_MS

HINTS_MAX = 256
"""Several minutes of 32 cameras; older hints help nobody."""

LOOK_NS = 200 * NS_PER_MS
"""How soon the sender notices that it should stop: well within the time that the component has for that."""


class GivesHints(Protocol):
    """Who wants to tell something."""

    def give(self, body: Body) -> None:
        """Send it soon, or never; does not fail."""


class Hints:
    """Give hints from any thread; `run` sends them."""

    def __init__(self, bus: Bus, clock: Clock, log: Log) -> None:
        self._bus = bus
        self._clock = clock
        self._log = log
        self._waiting: deque[Body] = deque(maxlen=HINTS_MAX)
        self._wakeup = threading.Event()

    def give(self, body: Body) -> None:
        """Send it soon, or never; does not wait and does not fail."""
        self._waiting.append(body)
        self._wakeup.set()

    def run(self, stop: threading.Event) -> None:
        """Send what is given, until `stop` is set and all of it is sent or refused once."""
        while not stop.is_set():
            self._clock.wait(self._wakeup, LOOK_NS)
            self.send_waiting()
        self.send_waiting()

    def send_waiting(self) -> None:
        """Send what waits; what the core does not take is dropped."""
        self._wakeup.clear()
        while self._waiting:
            body = self._waiting.popleft()
            try:
                self._bus.publish(body)
            except Transient as error:
                self._log.debug("hint_lost", hint=type(body).__name__, error=error)
