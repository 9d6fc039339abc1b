"""The newest GOP of a stream, for whoever comes in the middle of it.

A viewer that connects, and a recording that begins, need a keyframe and everything since. What is remembered is
bounded: a GOP that grows beyond it is forgotten, but for its keyframe, and the next one is remembered again.
"""

from __future__ import annotations

from components.capture.core.packets import TimedPacket

GOP_BYTES_MAX = 4 * 1024 * 1024
"""4 s of 8 Mbit/s, 16 s of 2 Mbit/s. A GOP of 2 s at 2 Mbit/s takes half a megabyte of memory per stream."""

GOP_PACKETS_MAX = 1_024
"""The same for streams of many small packets: 10 s of 60 pictures and 40 frames of sound a second."""


class GopMemory:
    """Packets from the newest keyframe on, in the order of the run."""

    def __init__(self, bytes_max: int = GOP_BYTES_MAX, packets_max: int = GOP_PACKETS_MAX) -> None:
        self._bytes_max = bytes_max
        self._packets_max = packets_max
        self._packets: list[TimedPacket] = []
        self._bytes = 0
        self._keyframe: TimedPacket | None = None

    @property
    def packets(self) -> list[TimedPacket]:
        """The GOP so far, a keyframe first; empty when there is none, or when it is too long."""
        return list(self._packets)

    @property
    def keyframe(self) -> TimedPacket | None:
        """The newest keyframe."""
        return self._keyframe

    def add(self, timed: TimedPacket) -> None:
        """The stream's next packet."""
        if timed.packet.kind == "video" and timed.packet.is_keyframe:
            self._packets = []
            self._bytes = 0
            self._keyframe = timed
        elif not self._packets:
            return
        self._packets.append(timed)
        self._bytes += len(timed.packet.payload)
        if self._bytes > self._bytes_max or len(self._packets) > self._packets_max:
            self._packets = []

    def break_off(self) -> None:
        """The stream broke off: only its newest keyframe is of use to anybody."""
        self._packets = []
        self._bytes = 0

    def forget(self) -> None:
        """What comes next has nothing to do with what came before."""
        self.break_off()
        self._keyframe = None
