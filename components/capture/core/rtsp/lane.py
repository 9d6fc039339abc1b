"""The short way for what a camera sends: packets of its video as they were expected, in one loop.

Nearly all packets are such: interleaved on one connection, in order, from the same sender, with a plain header. Each of
them the long way (a packet, its turn, its picture) costs three times as much. Whatever is not exactly what was expected
ends the loop and goes the long way, so that both come to the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from components.capture.core.packets import VideoCodec
from components.capture.core.rtsp.pictures import (
    ACCESS_UNIT_BYTES_MAX,
    START_CODE,
    Fragments,
    Picture,
    Pictures,
    Piece,
    fragments_of,
)
from components.capture.core.rtsp.rtp import PLAIN, Payload, Sequence

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved: mark, channel, length; RTP: flags, marker and type, sequence, timestamp, source."""

_PIECES = {bytes_of_head: struct.Struct(f"!HHHH{8 + bytes_of_head}s") for bytes_of_head in (2, 3)}
"""A piece in the middle of a unit: mark and channel, length, flags and type, sequence; then what is the same in all of
them: timestamp, source, and as many bytes as stand before what it carries (2 of H.264, 3 of H.265)."""

_FIRSTS = {bytes_of_head: struct.Struct(f"!HHHHII{bytes_of_head}s") for bytes_of_head in (2, 3)}
"""The same of a first piece, whose timestamp and source are asked for."""

KNOWN_MAX = 1_024
"""Beginnings of fragments that are remembered: a camera has two or three."""

_SAME = struct.Struct("!II")

_MARK = 0x24
_INTERLEAVED_BYTES = 4
_MARKED = 0x80


class Lane:
    """For one video stream, whose packets come on `channel` with that payload type."""

    def __init__(
        self,
        codec: VideoCodec,
        channel: int,
        payload_type: int,
        sequence: Sequence,
        pictures: Pictures,
        take_picture: Callable[[Picture], None],
    ) -> None:
        """`take_picture` gets the pictures that are complete with what was taken."""
        self._codec = codec
        self._form = _PIECES[2 if codec == "h264" else 3]
        self._first = _FIRSTS[2 if codec == "h264" else 3]
        self._known: dict[bytes, Fragments | None] = {}
        self._begin, self._plain = _MARK << 8 | channel, PLAIN << 8 | payload_type
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
                place, expected = self._take_middle(piece, data, view, place, expected, source)
                piece = None
                if place + _HEAD.size > end:
                    break
            elif pictures.is_at_rest:
                before = place
                place, expected = self._take_whole(data, view, place, expected, source)
                if place > before:
                    continue
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

    def _take_whole(self, data: bytes, view: memoryview, place: int, expected: int, source: int) -> tuple[int, int]:
        """Take a picture of one slice in fragments that is here as a whole, as nearly all are.

        Gives where it ends and the number due then; `place` and `expected` when it is something else.
        """
        size, end = self._form.size, len(data)
        if place + size > end:
            return place, expected
        first, length, kind, turn, timestamp, sender, head = self._first.unpack_from(data, place)
        after = place + _INTERLEAVED_BYTES + length
        if (first, kind, turn, sender) != (self._begin, self._plain, expected, source) or after < place + size:
            return place, expected
        fragments = self._fragments(head)
        if fragments is None or timestamp == self._pictures.timestamp:
            return place, expected
        times = _SAME.pack(timestamp, source)
        middle, at, due = self._middle(times + fragments.middle, data, view, after, (expected + 1) & 0xFFFF)
        if at + size > end:
            return place, expected
        first, length, kind, turn, rest = self._form.unpack_from(data, at)
        last_after = at + _INTERLEAVED_BYTES + length
        is_end = (first, kind, turn, rest) == (self._begin, self._plain | _MARKED, due, times + fragments.last)
        if not is_end or not at + size <= last_after <= end or last_after - place > ACCESS_UNIT_BYTES_MAX:
            return place, expected
        self._pictures.passed(timestamp)
        parts = (START_CODE, fragments.unit, view[place + size : after], *middle, view[at + size : last_after])
        self._take_picture(Picture(b"".join(parts), timestamp, fragments.is_key))
        return last_after, (due + 1) & 0xFFFF

    def _fragments(self, head: bytes) -> Fragments | None:
        if head not in self._known:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[head] = fragments_of(self._codec, head)
        return self._known[head]

    def _take_middle(
        self, piece: Piece, data: bytes, view: memoryview, place: int, expected: int, source: int
    ) -> tuple[int, int]:
        """Take the pieces that follow of the unit at hand; gives where they end, and the number due then."""
        same = _SAME.pack(piece.timestamp, source) + piece.head
        pieces, after, due = self._middle(same, data, view, place, expected)
        size_bytes = sum(map(len, pieces))
        if size_bytes > piece.room_bytes:
            return place, expected
        self._pictures.add_pieces(pieces, size_bytes)
        return after, due

    def _middle(
        self, same: bytes, data: bytes, view: memoryview, place: int, expected: int
    ) -> tuple[list[Payload], int, int]:
        """What the pieces carry that follow each other in the middle of one unit, where they end, the number due then.

        They are the greater part of all packets, and differ in nothing but number, length and what they carry.
        """
        unpack, size, end = self._form.unpack_from, self._form.size, len(data)
        begin, plain = self._begin, self._plain
        pieces: list[Payload] = []
        while place + size <= end:
            first, length, kind, turn, rest = unpack(data, place)
            after = place + _INTERLEAVED_BYTES + length
            if turn != expected or rest != same or kind != plain or first != begin or not place + size <= after <= end:
                break
            pieces.append(view[place + size : after])
            expected = (expected + 1) & 0xFFFF
            place = after
        return pieces, place, expected
