"""Frames on the live socket: what is said is understood, and nothing else is."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from components.shared.wire.live import (
    HELLO_BYTES_MAX,
    UNIT_BYTES_MAX,
    AccessUnit,
    Frame,
    Hello,
    LiveAudio,
    LiveParser,
    LiveVideo,
    UnitKind,
    encode_hello,
    encode_unit_header,
)
from components.shared.wire.units import MediaTicks, TimeBase, WallNs

GOLDEN = Path(__file__).parents[2] / "data" / "live" / "stream.1.bin"

VIDEO = LiveVideo(
    codec="h264",
    width=1920,
    height=1080,
    ticks_numerator=1,
    ticks_denominator=90_000,
    parameter_sets_hex="0000000167640028",
)
AUDIO = LiveAudio(
    codec="aac", sample_rate=16_000, channels=1, ticks_numerator=1, ticks_denominator=16_000, configuration_hex="1408"
)
HELLO = Hello(camera="cam-1", stream="sub", video=VIDEO, audio=AUDIO)
SILENT = Hello(camera="cam-1", stream="main", video=VIDEO)


def unit(dts: int, is_keyframe: bool = False, kind: UnitKind = "video", payload: bytes = b"picture") -> AccessUnit:
    """A unit at that time, half a second of it."""
    ticks = (MediaTicks(dts), MediaTicks(dts + 10))
    return AccessUnit(kind, is_keyframe, *ticks, 45_000, WallNs(1_763_000_000_000_000_000 + dts), payload)


def said(*frames: Frame) -> bytes:
    """Frames as bytes."""
    return b"".join(
        encode_hello(frame) if isinstance(frame, Hello) else encode_unit_header(frame) + frame.payload
        for frame in frames
    )


STREAM: list[Frame] = [
    HELLO,
    unit(0, is_keyframe=True),
    unit(0, is_keyframe=True, kind="audio", payload=b"sound"),
    unit(45_000),
    unit(90_000, is_keyframe=True),
    SILENT,
    unit(0, is_keyframe=True, payload=b"\xff" * 300),
]


def header(kind: bytes = b"V", length: int = 4, magic: bytes = b"NV", version: int = 1) -> bytes:
    return struct.pack(">2sBcI", magic, version, kind, length)


def test_what_was_said_once_is_understood_for_ever() -> None:
    """The bytes of this release are those of the golden file, and every release reads them."""
    assert said(*STREAM) == GOLDEN.read_bytes()
    assert LiveParser().feed(GOLDEN.read_bytes()) == STREAM


def test_frames_may_come_byte_by_byte() -> None:
    """A frame is given out when its last byte has come, and nothing is kept of it."""
    parser = LiveParser()
    found = [frame for byte in said(*STREAM) for frame in parser.feed(bytes([byte]))]
    assert found == STREAM
    assert parser.waiting_bytes == 0


def test_how_to_decode_is_in_the_hello() -> None:
    """A hello says codec, time bases and parameter sets as values."""
    assert HELLO.video.parameter_sets == b"\x00\x00\x00\x01\x67\x64\x00\x28"
    assert HELLO.video.time_base == TimeBase(1, 90_000)
    assert HELLO.audio is not None
    assert HELLO.audio.time_base == TimeBase(1, 16_000)


def test_members_of_a_newer_hello_are_ignored() -> None:
    """What a newer release adds to the hello does not disturb this one."""
    body = json.dumps({**SILENT.model_dump(), "lens": "wide"}).encode()
    assert LiveParser().feed(header(b"H", len(body)) + body) == [SILENT]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "begins with b'GE'"),
        (header(version=2), "version 2"),
        (header(kind=b"X"), "kind b'X'"),
        (header(kind=b"H", length=HELLO_BYTES_MAX + 1), "at most 65536"),
        (header(kind=b"V", length=UNIT_BYTES_MAX + 1), "at most 16777216"),
        (header(kind=b"H", length=2) + b"[]", "hello"),
        (header(kind=b"H", length=2) + b"\xff{", "no JSON"),
        (header(kind=b"H", length=2) + b"{}", "video: Field required"),
        (said(unit(0, is_keyframe=True)), "before the hello"),
        (said(SILENT, unit(0)), "begin with a keyframe"),
        (said(HELLO, unit(0, is_keyframe=True, kind="audio")), "begin with a keyframe"),
        (said(SILENT, unit(0, is_keyframe=True), unit(5, kind="audio")), "says there is none"),
        (said(SILENT, unit(5, is_keyframe=True), unit(5)), "decode time 5 after 5"),
        (said(SILENT) + header(length=29) + bytes(29), "nothing in it"),
        (said(SILENT) + header(length=30) + b"\x02" + bytes(29), "flags 2"),
        (said(SILENT) + header(length=30) + struct.pack(">BqqIq", 1, -1, 0, 1, 0) + b"x", "dts -1"),
        (said(SILENT) + header(length=30) + struct.pack(">BqqIq", 1, 9, 8, 1, 0) + b"x", "pts 8"),
        (said(SILENT) + header(length=30) + struct.pack(">BqqIq", 1, 0, 0, 0, 0) + b"x", "duration 0"),
    ],
)
def test_garbage_is_refused_by_name(data: bytes, reason: str) -> None:
    """What is no frame, or not where it belongs, is Rejected with what is wrong."""
    with pytest.raises(Rejected, match=reason):
        LiveParser().feed(data)


def test_a_frame_that_is_too_long_is_refused_before_it_comes() -> None:
    """The header decides: a reader never holds more than the longest frame."""
    parser = LiveParser()
    assert parser.feed(said(SILENT) + header(length=UNIT_BYTES_MAX) + bytes(100)) == [SILENT]
    with pytest.raises(Rejected, match="at most"):
        LiveParser().feed(header(length=UNIT_BYTES_MAX + 1))


def test_what_cannot_be_said_is_refused() -> None:
    """Units without bytes, and those above the limit, are refused by the speaker; one at the limit is said."""
    longest = UNIT_BYTES_MAX - 29
    for payload in (b"", bytes(longest + 1)):
        with pytest.raises(Rejected, match="a unit of"):
            encode_unit_header(unit(0, payload=payload))
    assert LiveParser().feed(said(SILENT, unit(0, is_keyframe=True, payload=bytes(longest))))[0] == SILENT
    long_sets = VIDEO.model_copy(update={"parameter_sets_hex": "00" * HELLO_BYTES_MAX})
    with pytest.raises(Rejected, match="a hello of"):
        encode_hello(SILENT.model_copy(update={"video": long_sets}))
