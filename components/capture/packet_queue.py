"""Packets on their way from the thread that reads a camera to the one that records it.

The reader never waits: a disk that is slow, or stands still for a while, must not make it lose what the camera sends.
What waits is bounded (`WAITING_BYTES_MAX`); beyond that packets are dropped and counted, from then on all of them, so
that the recorder ends the run there, with a gap that says why. The recorder looks every `TICK_NS`, because waking it
for each packet would cost more than recording it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.capture.core.packets import EncodedPacket, StreamParameters
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_MS

WAITING_BYTES_MAX = 16 * 1024 * 1024
"""Half a minute of 4 Mbit/s: longer than a disk sleeps or a write-back takes. 32 cameras: 512 MB at the very worst."""

WAITING_PACKETS_MAX = 16_384
"""The same for streams of many small packets: a packet costs some hundred bytes beside its payload."""

WATCHED_TICK_NS = 40 * NS_PER_MS
"""While somebody watches a stream live, pictures are handed on as they come, 25 a second."""

TICK_NS = 250 * NS_PER_MS
"""A quarter of what a killed process may lose, and four wake-ups a second for each camera."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the recorder finds. `ended`: nothing comes any more, because of `error`, or in good order without one."""

    packets: tuple[EncodedPacket, ...]
    dropped: int = 0
    ended: bool = False
    error: Transient | Rejected | Exception | None = None


class PacketQueue:
    """One reader puts, one recorder takes; see the module."""

    def __init__(
        self, clock: Clock, bytes_max: int = WAITING_BYTES_MAX, packets_max: int = WAITING_PACKETS_MAX
    ) -> None:
        self._clock = clock
        self._bytes_max = bytes_max
        self._packets_max = packets_max
        self._lock = threading.Lock()
        self._waiting: deque[EncodedPacket] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._parameters: StreamParameters | None = None
        self._packets_missed = 0
        self._ended = False
        self._error: Exception | None = None
        self._is_abandoned = False
        self._interrupt: Callable[[], None] = lambda: None
        self._wakeup = threading.Event()

    @property
    def parameters(self) -> StreamParameters | None:
        """The streams' parameters, once the source is open."""
        return self._parameters

    @property
    def packets_missed(self) -> int:
        """Network packets that the source knows to have been lost."""
        return self._packets_missed

    @property
    def waiting(self) -> int:
        """Packets that wait for the recorder."""
        return len(self._waiting)

    @property
    def is_abandoned(self) -> bool:
        """Whether the recorder has gone: the reader should close its source and end."""
        return self._is_abandoned

    def opened(self, parameters: StreamParameters, interrupt: Callable[[], None] = lambda: None) -> None:
        """The reader has opened the source; `interrupt` is called when the recorder goes."""
        self._parameters = parameters
        self._interrupt = interrupt
        self._wakeup.set()
        if self._is_abandoned:
            interrupt()

    def put(self, packet: EncodedPacket, packets_missed: int) -> None:
        """Add a packet; never waits. Once one did not fit, none is taken any more."""
        self.put_all((packet,), packets_missed)

    def put_all(self, packets: Sequence[EncodedPacket], packets_missed: int) -> None:
        """The same for several."""
        with self._lock:
            self._packets_missed = packets_missed
            size_bytes = sum([len(packet.payload) for packet in packets])
            has_room = self._waiting_bytes + size_bytes <= self._bytes_max
            if has_room and not self._dropped and len(self._waiting) + len(packets) <= self._packets_max:
                self._waiting += packets
                self._waiting_bytes += size_bytes
                return
            for packet in packets:
                size_bytes = len(packet.payload)
                has_room = (
                    self._waiting_bytes + size_bytes <= self._bytes_max and len(self._waiting) < self._packets_max
                )
                if self._dropped or not has_room:
                    self._dropped += packet.kind == "video"
                    continue
                self._waiting.append(packet)
                self._waiting_bytes += size_bytes

    def end(self, error: Exception | None) -> None:
        """The reader has ended, because of `error`, or with the stream."""
        with self._lock:
            self._ended = True
            self._error = error
        self._wakeup.set()

    def abandon(self) -> None:
        """The recorder takes no more."""
        with self._lock:
            self._is_abandoned = True
            self._waiting.clear()
            self._waiting_bytes = 0
        self._interrupt()

    def take(self, duration_ns: int = TICK_NS) -> Batch:
        """What has come within `duration_ns`; at once when the reader has ended or opened the source."""
        if duration_ns:  # even a wait of nothing costs as much as recording a picture
            self._clock.wait(self._wakeup, duration_ns)
        with self._lock:
            if self._wakeup.is_set():
                self._wakeup.clear()
            if self._ended:
                self._wakeup.set()
            packets = tuple(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return Batch(packets, self._dropped, self._ended, self._error)
