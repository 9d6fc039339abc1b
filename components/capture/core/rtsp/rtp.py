"""RTP and RTCP packets: their headers, the order they come in, and what a sender's reports say of its clock.

Sources: RFC 3550, 5.1 (RTP), 6.4.1 (sender report), 6.4.2 (receiver report), A.1 (sequence numbers).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence as Sequence_
from dataclasses import dataclass
from typing import NamedTuple

from components.shared.wire.units import NS_PER_MS, NS_PER_S

Payload = bytes | memoryview

_HEADER = struct.Struct("!BBHII")
_SENDER_REPORT = struct.Struct("!IIIII")
_NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900, where NTP's time begins, to 1970."""

SENDER_REPORT, RECEIVER_REPORT, GOODBYE = 200, 201, 203

REORDER_PACKETS_MAX = 64
"""Packets that wait for an earlier one over UDP: a keyframe of 90 kB; more would only delay what comes anyway."""

REORDER_NS_MAX = 200 * NS_PER_MS
"""How long packets wait for an earlier one: far more than two ways through a network differ. A stream of few packets
would otherwise wait for seconds until there are enough of them."""

RESTART_PACKETS = 3_000
"""A sequence number further away than this is another beginning, not a loss (MAX_DROPOUT of RFC 3550 A.1)."""


class RtpPacket(NamedTuple):
    """One RTP packet; `timestamp` and `sequence` as they stand in it."""

    payload_type: int
    is_marked: bool
    sequence: int
    timestamp: int
    source: int
    payload: Payload


PLAIN = 0x80
"""The first byte of an RTP packet of version 2 without padding, extension and contributing sources."""


def parse_rtp(data: Payload) -> RtpPacket | None:
    """The packet in `data`, its payload a part of it; None when it is none."""
    length = len(data)
    if length < _HEADER.size:
        return None
    first, second, sequence, timestamp, source = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if start + 4 > length:
            return None
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
    end = length - data[length - 1] if first & 0x20 else length
    if start > end:
        return None
    return RtpPacket(second & 0x7F, second >= 0x80, sequence, timestamp, source, data[start:end])


Turn = tuple[RtpPacket, bool]
"""A packet whose turn it is, and whether some before it are missing."""


class Sequence:
    """Puts packets of one stream into order and counts those that are missing.

    Over TCP (`waits` false) nothing overtakes: a number that is left out is lost at once, and one that was there
    before is another beginning. Over UDP packets wait for earlier ones, and late ones are too late.
    """

    def __init__(self, waits: bool) -> None:
        self.missed = 0
        self.highest = 0
        self._waits = waits
        self._source: int | None = None
        self._expected = 0
        self._early: dict[int, RtpPacket] = {}
        self._late = 0
        self._hole_at = 0
        self._hole_since_ns: int | None = None

    @property
    def is_in_order(self) -> bool:
        """Whether nothing waits for an earlier packet."""
        return not self._early

    @property
    def expected(self) -> int:
        """The number that is due."""
        return self._expected

    @property
    def source(self) -> int | None:
        """Who sends."""
        return self._source

    def advance(self, expected: int) -> None:
        """All packets before this number have come, in order."""
        self._late = 0
        self.highest = (expected - 1) & 0xFFFF
        self._expected = expected

    def feed(self, packet: RtpPacket) -> Sequence_[Turn]:
        """The packets whose turn it is now."""
        if packet.source != self._source:
            is_first = self._source is None
            self._source = packet.source
            return [*self._give_up(), self._take(packet, not is_first)]
        ahead = (packet.sequence - self._expected) & 0xFFFF
        if ahead == 0 and not self._early:
            return [self._take(packet, False)]
        if ahead >= 0x10000 - RESTART_PACKETS and self._waits and self._late < REORDER_PACKETS_MAX:
            self._late += 1
            return ()
        if ahead > RESTART_PACKETS or not self._waits:
            self.missed += ahead if ahead <= RESTART_PACKETS else 0
            return [*self._give_up(), self._take(packet, True)]
        self._early[packet.sequence] = packet
        turns = self._in_turn(False)
        return turns + self._skip_hole() if len(self._early) > REORDER_PACKETS_MAX else turns

    def look(self, now_ns: int) -> Sequence_[Turn]:
        """The packets that have waited long enough for an earlier one, which is lost. To be called now and then."""
        if not self._early:
            self._hole_since_ns = None
            return ()
        if self._hole_since_ns is None or self._hole_at != self._expected:
            self._hole_at, self._hole_since_ns = self._expected, now_ns
        if now_ns - self._hole_since_ns < REORDER_NS_MAX:
            return ()
        return self._skip_hole()

    def _take(self, packet: RtpPacket, is_after_hole: bool) -> Turn:
        self._late = 0
        self.highest = packet.sequence
        self._expected = (packet.sequence + 1) & 0xFFFF
        return packet, is_after_hole

    def _in_turn(self, is_after_hole: bool) -> list[Turn]:
        turns = []
        while (packet := self._early.pop(self._expected, None)) is not None:
            turns.append(self._take(packet, is_after_hole))
            is_after_hole = False
        return turns

    def _skip_hole(self) -> list[Turn]:
        nearest = min(self._early, key=lambda number: (number - self._expected) & 0xFFFF)
        self.missed += (nearest - self._expected) & 0xFFFF
        self._expected = nearest
        return self._in_turn(True)

    def _give_up(self) -> list[Turn]:
        turns: list[Turn] = []
        while self._early:
            turns += self._skip_hole()
        return turns


class LongTimes:
    """RTP timestamps as if they did not wrap at 32 bits: each is the nearest to the one before."""

    def __init__(self) -> None:
        self._last: int | None = None

    def feed(self, timestamp: int) -> int:
        """The timestamp in full."""
        if self._last is None:
            self._last = timestamp
        self._last += (timestamp - self._last + (1 << 31)) % (1 << 32) - (1 << 31)
        return self._last


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender's word on its clock: RTP `timestamp` was at `wall_ns` by the sender's own wall clock."""

    source: int
    wall_ns: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Control:
    """What a compound RTCP packet says that matters here."""

    report: SenderReport | None = None
    is_goodbye: bool = False


def parse_rtcp(data: Payload) -> Control:
    """The sender report and the goodbye in a compound packet; what is garbled says nothing."""
    report: SenderReport | None = None
    is_goodbye = False
    place = 0
    while place + 4 <= len(data) and data[place] >> 6 == 2:
        kind = data[place + 1]
        end = place + 4 + 4 * (data[place + 2] << 8 | data[place + 3])
        if end > len(data):
            break
        if kind == SENDER_REPORT and end - place >= 24:
            source, seconds, fraction, timestamp, _packets = _SENDER_REPORT.unpack_from(data, place + 4)
            if seconds:  # a sender without a wall clock says 0 (6.4.1)
                wall_ns = (seconds - _NTP_EPOCH_S) * NS_PER_S + (fraction * NS_PER_S >> 32)
                report = SenderReport(source, wall_ns, timestamp)
        elif kind == GOODBYE:
            is_goodbye = True
        place = end
    return Control(report, is_goodbye)


def receiver_report(own_source: int, sequence: Sequence) -> bytes:
    """A receiver report on one stream: some cameras end a session that sends none."""
    head = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, own_source)
    lost = min(sequence.missed, 0x7FFFFF)
    return head + struct.pack("!IIIIII", sequence.source or 0, lost, sequence.highest, 0, 0, 0)
