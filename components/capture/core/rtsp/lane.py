"""The short way for what a camera sends: packets of its video as they were expected, in one loop.

Nearly all packets are such: interleaved on one connection, in order, from the same sender, with a plain header. Each of
them the long way (a packet, its turn, its picture) costs three times as much. Whatever is not exactly what was expected
ends the loop and goes the long way, so that both come to the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from components.capture.core.rtsp.pictures import Picture, Pictures, Piece
from components.capture.core.rtsp.rtp import PLAIN, Sequence

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved: mark, channel, length; RTP: flags, marker and type, sequence, timestamp, source."""

_PIECES = {bytes_of_head: struct.Struct(f"!HHHH{8 + bytes_of_head}s") for bytes_of_head in (2, 3)}
"""A piece in the middle of a unit: mark and channel, length, flags and type, sequence; then what is the same in all of
them: timestamp, source, and as many bytes as stand before what it carries (2 of H.264, 3 of H.265)."""

_SAME = struct.Struct("!II")

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
        source = sequence.source
        if source is None or not sequence.is_in_order:
            return place
        expected = sequence.expected
        channel, payload_type = self._channel, self._payload_type
        piece = pictures.piece
        unpack, end, begun = _HEAD.unpack_from, len(data), place
        while place + _HEAD.size <= end:
            if piece is not None:
                place, expected = self._take_pieces(piece, data, view, place, expected, source)
                piece = None
                if place + _HEAD.size > end:
                    break
            mark, number, length, flags, kind, turn, timestamp, sender = unpack(data, place)
            body, after = place + _HEAD.size, place + _INTERLEAVED_BYTES + length
            is_plain = mark == _MARK and number == channel and flags == PLAIN and kind & 0x7F == payload_type
            if not is_plain or turn != expected or sender != source or not body <= after <= end:
                break
            for picture in pictures.feed(timestamp, kind >= _MARKED, view[body:after], False):
                self._take_picture(picture)
            piece = pictures.piece
            expected = (expected + 1) & 0xFFFF
            place = after
        if place > begun:
            sequence.advance(expected)
        return place

    def _take_pieces(
        self, piece: Piece, data: bytes, view: memoryview, place: int, expected: int, source: int
    ) -> tuple[int, int]:
        """Take the pieces of one unit that follow each other; gives where they end, and the number due then.

        They are the greater part of all packets, and differ in nothing but number, length and what they carry.
        """
        form = _PIECES[len(piece.head)]
        unpack, size, end = form.unpack_from, form.size, len(data)
        begin, plain = _MARK << 8 | self._channel, PLAIN << 8 | self._payload_type
        same = _SAME.pack(piece.timestamp, source) + piece.head
        pieces = []
        size_bytes = 0
        while place + size <= end:
            first, length, kind, turn, rest = unpack(data, place)
            after = place + _INTERLEAVED_BYTES + length
            if turn != expected or rest != same or kind != plain or first != begin or not place + size <= after <= end:
                break
            if size_bytes + after - place - size > piece.room_bytes:
                break
            pieces.append(view[place + size : after])
            size_bytes += after - place - size
            expected = (expected + 1) & 0xFFFF
            place = after
        self._pictures.add_pieces(pieces, size_bytes)
        return place, expected
