"""The short way for what a camera sends: packets of its video as they were expected, in one loop.

Nearly all packets are such: interleaved on one connection, in order, from the same sender, with a plain header. Each of
them the long way (a packet, its turn, its picture) costs three times as much. Whatever is not exactly what was expected
ends the loop and goes the long way, so that both come to the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from components.capture.core.rtsp.pictures import Picture, Pictures
from components.capture.core.rtsp.rtp import PLAIN, Sequence

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved: mark, channel, length; RTP: flags, marker and type, sequence, timestamp, source."""

_MARK = 0x24
_INTERLEAVED_BYTES = 4
_MARKED = 0x80


class Lane:
    """For one video stream, whose packets come on `channel` with that payload type."""

    def __init__(
        self,
        channel: int,
        payload_type: int,
        sequence: Sequence,
        pictures: Pictures,
        take_picture: Callable[[Picture], None],
    ) -> None:
        """`take_picture` gets the pictures that are complete with what was taken."""
        self._channel = channel
        self._payload_type = payload_type
        self._sequence = sequence
        self._pictures = pictures
        self._take_picture = take_picture

    def take(self, data: bytes, view: memoryview, place: int) -> int:
        """Take the packets that stand at `place` and behind it; gives where the first other thing stands."""
        pictures, sequence = self._pictures, self._sequence
        if not sequence.is_in_order:
            return place
        expected, source = sequence.expected, sequence.source
        channel, payload_type = self._channel, self._payload_type
        piece = pictures.piece
        unpack, end, begun = _HEAD.unpack_from, len(data), place
        while place + _HEAD.size <= end:
            mark, number, length, flags, kind, turn, timestamp, sender = unpack(data, place)
            body, after = place + _HEAD.size, place + _INTERLEAVED_BYTES + length
            is_plain = mark == _MARK and number == channel and flags == PLAIN and kind & 0x7F == payload_type
            if not is_plain or turn != expected or sender != source or not body <= after <= end:
                break
            rest = view[body:after]
            if piece is None or kind & _MARKED or not pictures.add_piece(piece, timestamp, rest):
                for picture in pictures.feed(timestamp, kind >= _MARKED, rest, False):
                    self._take_picture(picture)
                piece = pictures.piece
            expected = (expected + 1) & 0xFFFF
            place = after
        if place > begun:
            sequence.advance(expected)
        return place
