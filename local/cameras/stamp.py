"""The identity of every frame a camera sends: an SEI message (user data, unregistered) with camera, lap,
frame.

The picture itself carries the frame's number in its loop (see pattern); the loop is encoded once, so the
lap is added while streaming, as a NAL unit before the first slice. (lap, frame) names each frame of a
camera since its start exactly once and in order. Sources: H.264 D.1.7 and H.265 D.2.7.
"""

import re
import uuid
from typing import NamedTuple

from local.cameras.nal import H264_SEI, H265_SEI, escape, split_units, unescape

STAMP_UUID = uuid.UUID("8d1f6c52-7be4-4a39-9c60-2f5ad3b7e914")
_USER_DATA_UNREGISTERED = 5
_TEXT = re.compile(rb"edgenvr ([a-z0-9-]{1,32}) ([0-9]{10})/([0-9]{5})")


class Stamp(NamedTuple):
    """Which frame this is: the lap since the camera started (from 0), the frame in the loop, the camera."""

    lap: int
    frame: int
    camera: str


def stamp_nal(codec: str, stamp: Stamp) -> bytes:
    """The NAL unit that carries the stamp: H.264 type 6, H.265 type 39 (prefix SEI)."""
    text = f"edgenvr {stamp.camera} {stamp.lap:010d}/{stamp.frame:05d}".encode("ascii")
    payload = STAMP_UUID.bytes + text
    header = bytes([H264_SEI]) if codec == "h264" else bytes([H265_SEI << 1, 1])
    return header + escape(bytes([_USER_DATA_UNREGISTERED, len(payload)]) + payload + b"\x80")


def read_stamp(access_unit: bytes) -> Stamp | None:
    """The stamp in an access unit of either codec, with start codes or 4-byte lengths; None without one."""
    for nal in split_units(access_unit):
        if nal[0] & 0x9F == H264_SEI:
            stamp = _read_messages(unescape(nal[1:]))
        elif nal[0] == H265_SEI << 1:
            stamp = _read_messages(unescape(nal[2:]))
        else:
            continue
        if stamp is not None:
            return stamp
    return None


def read_user_data(payload: bytes) -> Stamp | None:
    """The stamp in one unregistered user data message (UUID and text), as decoders hand it out."""
    if payload[:16] != STAMP_UUID.bytes:
        return None
    match = _TEXT.fullmatch(payload[16:])
    return Stamp(int(match[2]), int(match[3]), match[1].decode("ascii")) if match else None


def _read_messages(payload: bytes) -> Stamp | None:
    """Walk the messages of an SEI payload: type and size are sums of bytes up to one below 255."""
    place = 0
    while place < len(payload) and payload[place:] != b"\x80":
        numbers = []
        for _ in range(2):
            number = 0
            while place < len(payload) and payload[place] == 0xFF:
                number += 0xFF
                place += 1
            if place >= len(payload):
                return None
            numbers.append(number + payload[place])
            place += 1
        kind, size_bytes = numbers
        if kind == _USER_DATA_UNREGISTERED:
            stamp = read_user_data(payload[place : place + size_bytes])
            if stamp is not None:
                return stamp
        place += size_bytes
    return None
