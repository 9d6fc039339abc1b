"""The short way for most of what a camera sends: pieces in the middle of a picture, as they were expected.

Seven of ten packets are such pieces, interleaved on one connection. Each of them the long way (a packet, its turn,
its unit) would cost three times as much as all that is done with it; here they are taken in one loop. Whatever is not
exactly what was expected ends the loop and goes the long way.
"""

from __future__ import annotations

import struct

from components.capture.core.rtsp.pictures import Pictures
from components.capture.core.rtsp.rtp import PLAIN, Sequence

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved: mark, channel, length; RTP: flags, marker and type, sequence, timestamp, source."""

_MARK = 0x24
_INTERLEAVED_BYTES = 4


class Lane:
    """For one video stream; its packets come on `channel` with that payload type."""

    def __init__(self, channel: int, payload_type: int, sequence: Sequence, pictures: Pictures) -> None:
        self._channel = channel
        self._payload_type = payload_type
        self._sequence = sequence
        self._pictures = pictures

    def take(self, data: bytes, view: memoryview, place: int) -> int:
        """Take the pieces that stand at `place` and behind it; gives where the first other thing stands."""
        pictures, sequence = self._pictures, self._sequence
        piece = pictures.piece
        if piece is None or not sequence.is_in_order:
            return place
        expected, wanted = sequence.expected, (_MARK, self._channel, PLAIN, self._payload_type)
        source, timestamp = sequence.source, piece.timestamp
        kind, mask, at = piece.kind, piece.mask, piece.flags_at
        last = len(data) - _HEAD.size - at - 1
        begun = place
        unpack, add = _HEAD.unpack_from, pictures.add_piece
        while place < last:
            mark, channel, length, first, second, number, moment, sender = unpack(data, place)
            body = place + _HEAD.size
            after = place + _INTERLEAVED_BYTES + length
            if (
                (mark, channel, first, second) != wanted
                or number != expected
                or moment != timestamp
                or sender != source
                or after > len(data)
                or body + at >= after
                or data[body] & mask != kind
                or data[body + at] & 0xC0
                or not add(view[body + at + 1 : after])
            ):
                break
            expected = (expected + 1) & 0xFFFF
            place = after
        if place > begun:
            sequence.advance(expected)
        return place
