"""RTP payloads become audio frames: one, several, in pieces, garbled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.rtsp.rtp import RtpPacket
from components.capture.core.rtsp.sounds import AAC_SAMPLES, AacFrames, G711Frames
from components.shared.errors import Rejected

HBR = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}


def packet(payload: bytes, timestamp: int = 0) -> RtpPacket:
    return RtpPacket(97, True, 0, timestamp, 1, payload)


def hbr(*frames: bytes, sizes: tuple[int, ...] = ()) -> bytes:
    headers = b"".join((size << 3).to_bytes(2, "big") for size in sizes or [len(frame) for frame in frames])
    return (8 * len(headers)).to_bytes(2, "big") + headers + b"".join(frames)


def test_frames_of_a_packet() -> None:
    """Each lasts 1024 samples and begins where the one before ends."""
    found = list(AacFrames(HBR).feed(packet(hbr(b"one", b"three"), 500), False))
    assert found == [(b"one", 500, AAC_SAMPLES), (b"three", 500 + AAC_SAMPLES, AAC_SAMPLES)]


def test_the_other_form() -> None:
    """AAC-lbr has 6 bits of size and 2 of index."""
    frames = AacFrames({"sizelength": "6", "indexlength": "2", "indexdeltalength": "2"})
    assert list(frames.feed(packet(b"\0\x08" + bytes([3 << 2]) + b"abc", 7), False)) == [(b"abc", 7, AAC_SAMPLES)]


def test_a_frame_in_pieces() -> None:
    """It is put together, unless a piece is missing."""
    frames = AacFrames(HBR)
    assert list(frames.feed(packet(hbr(b"abc", sizes=(6,)), 9), False)) == []
    assert list(frames.feed(packet(hbr(b"def", sizes=(6,)), 9), False)) == [(b"abcdef", 9, AAC_SAMPLES)]
    assert list(frames.feed(packet(hbr(b"abc", sizes=(6,)), 99), False)) == []
    assert list(frames.feed(packet(hbr(b"def", sizes=(6,)), 99), True)) == []


@pytest.mark.parametrize("fields", [{"sizelength": "x"}, {"sizelength": "0"}, {"indexlength": "99"}])
def test_unknown_forms_are_refused(fields: dict[str, str]) -> None:
    """With a sentence for people."""
    with pytest.raises(Rejected, match="recorded without sound"):
        AacFrames(fields)


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 2), st.booleans()), max_size=20))
def test_any_payload(packets: list[tuple[bytes, int, bool]]) -> None:
    """Nothing is raised, and no frame is empty."""
    frames = AacFrames(HBR)
    for payload, timestamp, hole in packets:
        assert all(frame for frame, _at, _samples in frames.feed(packet(payload, timestamp), hole))


def test_g711() -> None:
    """A byte is a sample of a channel."""
    assert list(G711Frames(1).feed(packet(bytes(160), 80), False)) == [(bytes(160), 80, 160)]
    assert list(G711Frames(2).feed(packet(bytes(160), 80), False)) == [(bytes(160), 80, 80)]
    assert list(G711Frames(1).feed(packet(b""), False)) == []
