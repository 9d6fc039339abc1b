"""Decode times of the pictures that a demuxer gives out before it knows how far pictures are sent out of order.

A sender of B-frames tells when a picture is shown, never when it is decoded. Whoever works that out needs to see some
pictures first, and gives those presentation times alone. Taken for decode times they would run backwards. So they are
held until the first decode time and counted back from it, a picture's duration each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from components.capture.core.packets import EncodedPacket

HELD_MAX = 17
"""Pictures: H.264 and H.265 have no more than 16 out of order."""


class FirstTimes:
    """Holds a stream's first packets until the decode times of its pictures are known, then lets all pass."""

    def __init__(self) -> None:
        self._held: list[EncodedPacket] | None = []

    def feed(self, packet: EncodedPacket) -> Sequence[EncodedPacket]:
        """The packets that can go on with this one, in their order."""
        if self._held is None:
            return (packet,)
        self._held.append(packet)
        pictures = sum(held.kind == "video" for held in self._held)
        is_known = packet.kind == "video" and packet.dts is not None
        return self.finish() if is_known or pictures >= HELD_MAX else ()

    def finish(self) -> Sequence[EncodedPacket]:
        """The packets still held."""
        held, self._held = self._held or [], None
        return _counted_back(held)


def _counted_back(held: Sequence[EncodedPacket]) -> list[EncodedPacket]:
    """The packets with decode times for all pictures, when the last one has one and others tell when they are shown."""
    pictures = [packet for packet in held if packet.kind == "video"]
    shown = [packet.pts for packet in pictures if packet.pts is not None]
    if not pictures or pictures[-1].dts is None or len(shown) < 2:
        return list(held)
    completed: list[EncodedPacket] = []
    dts = pictures[-1].dts
    first_shown = min(shown)
    for packet in reversed(held):
        made = packet
        if packet.kind == "video" and packet is not pictures[-1]:
            dts -= packet.duration_ticks
            # The stream's first picture tells nothing at all; it is shown before all that follow it.
            pts = packet.pts if packet.pts is not None else max(dts, first_shown - packet.duration_ticks)
            made = dataclasses.replace(packet, dts=dts, pts=pts)
        completed.append(made)
    return completed[::-1]
