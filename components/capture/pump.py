"""Reads all cameras of this process that come over one plain connection each, in one thread, every `TICK_NS`.

It waits for all connections together, wakes early for one on which much has come, and puts the packets into the
cameras' queues. It never waits for a disk. Sources that must be waited for otherwise (UDP, TLS, libav) are read by
threads of their own.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from components.capture.core.packets import EncodedPacket
from components.capture.packet_queue import WATCHED_TICK_NS, PacketQueue
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_MS, NS_PER_S

TICK_NS = 250 * NS_PER_MS
"""How often all are looked at: four wake-ups a second, and less than the recorder's own tick."""

IDLE_NS = NS_PER_S
"""How soon a stop is noticed while there is nothing to read."""


@runtime_checkable
class PumpedSource(Protocol):
    """An open source that is read by asking it what there is now."""

    @property
    def is_pumped(self) -> bool:
        """Whether it can be."""

    @property
    def packets_missed(self) -> int:
        """See PacketSource."""

    def fileno(self) -> int:
        """What to wait for; negative once it is closed."""

    def collect(self, wait_ns: int) -> Sequence[EncodedPacket] | None:
        """The packets that come within `wait_ns`; None when nothing comes any more. Raises as `packets` does."""

    def close(self) -> None:
        """See PacketSource."""


class Pump:
    """Any thread may have a source read; `run` reads."""

    def __init__(
        self, clock: Clock, on_read: Callable[[], None], is_watched: Callable[[], bool] = lambda: False
    ) -> None:
        """`on_read` is called when all were looked at: what was read is best worked on while it is warm.

        While `is_watched`, all are looked at more often.
        """
        self._clock = clock
        self._on_read = on_read
        self._is_watched = is_watched
        self._lock = threading.Lock()
        self._readings: dict[PumpedSource, PacketQueue] = {}
        self._poll: _Poll | None = None  # of all that are read; none after each change
        self._has_new = threading.Event()

    def add(self, source: PumpedSource, queue: PacketQueue) -> None:
        """Read this source into the queue until it ends, fails or the queue is abandoned; it is closed then."""
        with self._lock:
            self._readings[source] = queue
            self._poll = None
        self._has_new.set()

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set and all queues are abandoned."""
        while True:
            with self._lock:
                readings = dict(self._readings)
            if readings:
                tick_ns = WATCHED_TICK_NS if self._is_watched() else TICK_NS
                due_ns = self._clock.monotonic_ns() // tick_ns * tick_ns + tick_ns
                while (left_ns := due_ns - self._clock.monotonic_ns()) > 0:
                    for source in self._much_has_come(left_ns):
                        self._read(source, self._readings[source])
                for source, queue in readings.items():
                    self._read(source, queue)
                self._on_read()
            elif stop.is_set():
                return
            else:
                self._clock.wait(self._has_new, IDLE_NS)
                self._has_new.clear()

    def _much_has_come(self, wait_ns: int) -> list[PumpedSource]:
        """The sources on whose connections much comes within `wait_ns`, or whose connections have ended."""
        with self._lock:
            poll = self._poll = self._poll or _Poll(self._readings)
        return poll.much_has_come(wait_ns)

    def _read(self, source: PumpedSource, queue: PacketQueue) -> None:
        if source not in self._readings:
            return
        try:
            packets = None if queue.is_abandoned else source.collect(0)
            if packets is not None:
                queue.put_all(packets, source.packets_missed)
                return
            error = None
        except Exception as failure:  # noqa: BLE001 - the recorder's thread raises it, where it is decided about
            error = failure
        with self._lock:
            del self._readings[source]
            self._poll = None
        source.close()
        queue.end(error)


class _Poll:
    """Waits for the connections of these sources together."""

    def __init__(self, sources: Iterable[PumpedSource]) -> None:
        self._poll = select.poll()
        self._found: dict[int, PumpedSource] = {}
        for source in sources:
            number = source.fileno()
            if number >= 0:
                self._found[number] = source
                self._poll.register(number, select.POLLIN)

    def much_has_come(self, wait_ns: int) -> list[PumpedSource]:
        """See Pump."""
        return [self._found[number] for number, _event in self._poll.poll(max(1, wait_ns // NS_PER_MS))]
