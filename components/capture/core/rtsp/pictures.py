"""RTP payloads of H.264 and H.265 put together to access units, with start codes, as decoders and muxers take them.

An access unit ends with the marker bit, or where the timestamp changes. Some cameras set the marker on every slice or
on parameter sets alone: it is believed only once a slice is there, and no more after it has lied.

What is missing is never made up: a NAL unit that lost a fragment is dropped whole, since half a slice looks like one
and decodes to rubbish; the rest of its picture stays, and `damaged` counts it.

Sources: RFC 6184 (H.264: single NAL unit, STAP-A, FU-A), RFC 7798 (H.265: single NAL unit, AP, FU).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.capture.core.packets import VideoCodec
from components.capture.core.rtsp.rtp import Payload

START_CODE = b"\x00\x00\x00\x01"

ACCESS_UNIT_BYTES_MAX = 8 * 1024 * 1024
"""Eight times the largest keyframe of a 4K camera; more is a stream without markers or timestamps."""

_H264_STAP_A, _H264_FU_A = 24, 28
_H265_AP, _H265_FU = 48, 49
_H264_IDR, _H264_SEI = 5, 6
_H265_IRAP = range(16, 24)
_RECOVERY_POINT = 6
"""The SEI message that says: decoding may begin here (H.264 D.1.8), as in an open GOP."""


class Picture(NamedTuple):
    """An access unit as it was received."""

    payload: bytes
    timestamp: int
    is_keyframe: bool


class Piece(NamedTuple):
    """What a piece in the middle of the unit at hand looks like: its timestamp, the bytes before what it carries.

    There is room for so many bytes of them.
    """

    timestamp: int
    head: bytes
    room_bytes: int


class Fragments(NamedTuple):
    """What the packets of a slice begin with that is sent in fragments, behind the RTP header.

    `unit` is what the slice itself begins with.
    """

    unit: bytes
    middle: bytes
    last: bytes
    is_key: bool


def fragments_of(codec: VideoCodec, first: bytes) -> Fragments | None:
    """The fragments of the slice whose first one begins with `first`; None when that begins no slice."""
    flags = first[-1]
    if flags & 0xC0 != 0x80:
        return None
    if codec == "h264":
        unit = bytes((first[0] & 0xE0 | flags & 0x1F,))
        is_first = first[0] & 0x1F == _H264_FU_A and not flags & 0x20 and has_h264_slice(unit)
        is_key = is_first and _is_h264_key(unit, None)
    else:
        unit = bytes((first[0] & 0x81 | (flags & 0x3F) << 1, first[1]))
        is_first = first[0] >> 1 & 0x3F == _H265_FU and has_h265_slice(unit)
        is_key = is_first and _is_h265_key(unit, None)
    before = first[:-1]
    kind = flags & 0x3F
    return Fragments(unit, before + bytes((kind,)), before + bytes((0x40 | kind,)), is_key) if is_first else None


class Pictures:
    """Puts the packets of one video stream together; fed in the order of sequence numbers."""

    def __init__(self, codec: VideoCodec) -> None:
        self.damaged = 0
        self._unpack = self._unpack_h264 if codec == "h264" else self._unpack_h265
        self._has_slice = has_h264_slice if codec == "h264" else has_h265_slice
        self._begins_picture = _h264_begins if codec == "h264" else _h265_begins
        self._is_key = _is_h264_key if codec == "h264" else _is_h265_key
        self._parts: list[Payload] = []
        self._bytes = 0
        self._timestamp: int | None = None
        self._ended: int | None = None  # the timestamp of a picture that a marker ended
        self._fragment_from: int | None = None  # where in `_parts` an unfinished fragmented unit begins
        self._piece_head = b""  # what its pieces begin with, but for the first and the last
        self._holds_slice = False
        self._holds_key = False
        self._is_damaged = False
        self._believes_marker = True

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is at hand, and a marker is believed to end a picture."""
        return not self._parts and not self._is_damaged and self._believes_marker

    @property
    def timestamp(self) -> int | None:
        """That of the newest packet."""
        return self._timestamp

    def passed(self, timestamp: int) -> None:
        """A picture with that timestamp, ended by a marker, was put together elsewhere."""
        self._timestamp = self._ended = timestamp

    @property
    def piece(self) -> Piece | None:
        """What the next packet looks like if it is a piece in the middle of the unit at hand; None without one."""
        if self._fragment_from is None or self._timestamp is None:
            return None
        return Piece(self._timestamp, self._piece_head, ACCESS_UNIT_BYTES_MAX - self._bytes)

    def add_pieces(self, pieces: Sequence[Payload], size_bytes: int) -> None:
        """Add what such pieces carry to the unit at hand, which has room for it."""
        self._parts += pieces
        self._bytes += size_bytes

    def feed(self, timestamp: int, is_marked: bool, payload: Payload, is_after_hole: bool) -> Sequence[Picture]:
        """The pictures that are complete with this packet. `is_after_hole`: packets before it are missing."""
        if is_after_hole:
            self._is_damaged = True
            self._drop_fragment()
        before: Sequence[Picture] = ()
        if timestamp != self._timestamp:
            if self._parts or self._is_damaged:
                before = self.finish()
            self._timestamp = timestamp
        if payload:
            self._unpack(payload)
        if self._bytes > ACCESS_UNIT_BYTES_MAX:
            self._is_damaged = True
            self._clear()
        if is_marked and self._believes_marker and self._holds_slice:
            self._ended = timestamp
            return (*before, *self.finish())
        return before

    def finish(self) -> Sequence[Picture]:
        """The picture at hand, which is over."""
        self._drop_fragment()
        self.damaged += self._is_damaged
        picture = None
        if self._holds_slice and self._timestamp is not None:
            picture = Picture(b"".join(self._parts), self._timestamp, self._holds_key)
        if picture is not None or not self._parts or self._is_damaged:
            self._clear()
        self._is_damaged = False
        return () if picture is None else (picture,)

    def _clear(self) -> None:
        self._parts.clear()
        self._bytes = 0
        self._fragment_from = None
        self._holds_slice = self._holds_key = False

    def _drop_fragment(self) -> None:
        """A fragmented unit whose end did not come is no unit."""
        if self._fragment_from is not None:
            dropped = self._parts[self._fragment_from :]
            del self._parts[self._fragment_from :]
            self._bytes -= sum(map(len, dropped))
            self._fragment_from = None
            self._is_damaged = True

    def _add(self, unit: Payload) -> None:
        """A whole NAL unit."""
        if len(unit) < 2:
            return
        self._note(bytes(unit[:4]), unit)
        self._parts += (START_CODE, unit)
        self._bytes += 4 + len(unit)

    def _note(self, head: bytes, unit: Payload | None) -> None:
        """What the head of a unit, and a unit that is whole, tell of the picture."""
        if self._has_slice(head):
            if self._ended == self._timestamp and not self._begins_picture(head):
                self._believes_marker = False
            self._holds_slice = True
        self._holds_key = self._holds_key or self._is_key(head, unit)

    def _begin_fragment(self, head: bytes, rest: Payload) -> None:
        self._drop_fragment()
        self._fragment_from = len(self._parts)
        self._parts += (START_CODE, head, rest)
        self._bytes += 4 + len(head) + len(rest)

    def _go_on(self, is_first: bool, is_last: bool, head: bytes, rest: Payload) -> None:
        """A fragment of a unit whose head is `head`."""
        if is_first:
            self._begin_fragment(head, rest)
        elif self._fragment_from is None:
            self._is_damaged = True  # its beginning is missing
            return
        else:
            self._parts.append(rest)
            self._bytes += len(rest)
        if is_last and self._fragment_from is not None:
            first = self._parts[self._fragment_from + 2]
            self._note(head + bytes(first[:2]), None)
            self._fragment_from = None

    def _unpack_h264(self, payload: Payload) -> None:
        kind = payload[0] & 0x1F
        if 0 < kind < _H264_STAP_A:
            self._drop_fragment()
            self._add(payload)
        elif kind == _H264_STAP_A:
            self._drop_fragment()
            self._unpack_units(payload, 1)
        elif kind == _H264_FU_A and len(payload) > 2:
            first, second = payload[0], payload[1]
            if second & 0x80:
                self._piece_head = bytes((first, second & 0x1F))
            head = bytes((first & 0xE0 | second & 0x1F,))
            self._go_on(bool(second & 0x80), bool(second & 0x40), head, payload[2:])
        else:
            self._is_damaged = True

    def _unpack_h265(self, payload: Payload) -> None:
        kind = payload[0] >> 1 & 0x3F
        if kind < _H265_AP:
            self._drop_fragment()
            self._add(payload)
        elif kind == _H265_AP:
            self._drop_fragment()
            self._unpack_units(payload, 2)
        elif kind == _H265_FU and len(payload) > 3:
            third = payload[2]
            if third & 0x80:
                self._piece_head = bytes((payload[0], payload[1], third & 0x3F))
            head = bytes((payload[0] & 0x81 | (third & 0x3F) << 1, payload[1]))
            self._go_on(bool(third & 0x80), bool(third & 0x40), head, payload[3:])
        else:
            self._is_damaged = True

    def _unpack_units(self, payload: Payload, place: int) -> None:
        """Several units in one packet, each behind its length in two bytes."""
        end = len(payload)
        while place + 2 <= end:
            after = place + 2 + (payload[place] << 8 | payload[place + 1])
            if after > end:
                self._is_damaged = True
                return
            self._add(payload[place + 2 : after])
            place = after


def has_h264_slice(head: bytes) -> bool:
    """Whether a unit that begins so is a slice of a picture."""
    return 1 <= head[0] & 0x1F <= 5


def has_h265_slice(head: bytes) -> bool:
    """Whether a unit that begins so is a slice of a picture."""
    return head[0] >> 1 & 0x3F < 32


def _h264_begins(head: bytes) -> bool:
    """Whether a slice is its picture's first: first_mb_in_slice is 0, which is one bit."""
    return len(head) > 1 and head[1] >= 0x80


def _h265_begins(head: bytes) -> bool:
    """Whether a slice is its picture's first: first_slice_segment_in_pic_flag."""
    return len(head) > 2 and head[2] >= 0x80


def _is_h264_key(head: bytes, unit: Payload | None) -> bool:
    kind = head[0] & 0x1F
    return kind == _H264_IDR or (kind == _H264_SEI and unit is not None and _holds_recovery_point(bytes(unit[1:])))


def _is_h265_key(head: bytes, unit: Payload | None) -> bool:
    del unit
    return head[0] >> 1 & 0x3F in _H265_IRAP


def _holds_recovery_point(messages: bytes) -> bool:
    """Whether one of the messages of an SEI unit is a recovery point (H.264 7.3.2.3.1)."""
    place = 0
    while place + 2 <= len(messages) and messages[place] != 0x80:
        numbers = []
        for _ in range(2):  # type and size, each a sum of bytes up to the first below 255
            number = 0
            while place < len(messages) and messages[place] == 0xFF:
                number += 255
                place += 1
            if place >= len(messages):
                return False
            numbers.append(number + messages[place])
            place += 1
        if numbers[0] == _RECOVERY_POINT:
            return True
        place += numbers[1]
    return False
