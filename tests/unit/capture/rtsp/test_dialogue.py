"""RTSP as bytes: requests, answers, interleaved packets and rubbish, in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.rtsp.dialogue import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    SKIP_BYTES_MAX,
    Garbled,
    Incoming,
    answer,
    request,
)

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 5\r\n\r\nhello"
PACKET = b"$\x02\x00\x03abc"


def fed(data: bytes, sizes: list[int]) -> tuple[list[tuple[int, bytes]], Incoming]:
    incoming = Incoming()
    packets: list[tuple[int, bytes]] = []
    place = 0
    for size in [*sizes, len(data)]:
        incoming.feed(data[place : place + size], lambda channel, payload: packets.append((channel, bytes(payload))))
        place += size
    return packets, incoming


def test_a_request_names_method_url_and_number() -> None:
    """As RFC 2326 has it, with the headers given."""
    assert request("PLAY", "rtsp://h/1", 3, {"Session": "x"}) == (
        b"PLAY rtsp://h/1 RTSP/1.0\r\nCSeq: 3\r\nUser-Agent: EdgeNVR\r\nSession: x\r\n\r\n"
    )
    assert answer(4) == b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n"


@given(st.lists(st.integers(1, 30), max_size=12))
def test_packets_and_answers_in_any_pieces(sizes: list[int]) -> None:
    """Where a read ends makes no difference."""
    packets, incoming = fed(PACKET + ANSWER + PACKET + b"OPTIONS rtsp://us RTSP/1.0\r\nCSeq: 9\r\n\r\n" + PACKET, sizes)
    assert packets == [(2, b"abc")] * 3
    said, asked = incoming.messages
    assert (said.status, said.reason, said.sequence, said.body) == (200, "OK", 7, b"hello")
    assert (asked.status, asked.method, asked.sequence) == (0, "OPTIONS", 9)


@given(st.binary(max_size=400), st.lists(st.integers(1, 90), max_size=6))
def test_rubbish_never_breaks_anything_else(data: bytes, sizes: list[int]) -> None:
    """Whatever comes, it is taken, skipped or Garbled."""
    try:
        fed(data, sizes)
    except Garbled as error:
        assert str(error)


def test_a_few_bytes_between_messages_are_skipped() -> None:
    """Some firmware sends the rest of a packet after one that it lost."""
    packets, incoming = fed(PACKET + b"\x00\x01rest" + PACKET + ANSWER, [])
    assert packets == [(2, b"abc")] * 2
    assert len(incoming.messages) == 1
    assert incoming.skipped_bytes == 6


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"RTSP/1.0 200 OK\r\nX: " + b"a" * HEAD_BYTES_MAX, "headers are longer"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), "Content-Length"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n", "Content-Length"),
        (b"RTSP/1.0 yes\r\n\r\n", "its answer begins with"),
        (b"\x00" * (SKIP_BYTES_MAX + 1), "neither RTSP nor RTP"),
    ],
)
def test_limits(data: bytes, says: str) -> None:
    """What breaks a limit is told, and not waited for."""
    with pytest.raises(Garbled, match=says):
        fed(data, [])


def test_at_the_limit() -> None:
    """A message as long as allowed is waited for."""
    packets, incoming = fed(b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES_MAX, [])
    assert (packets, incoming.messages) == ([], [])


def test_all_challenges_are_kept() -> None:
    """A camera may offer several ways to log in, each in a header of its own."""
    _packets, incoming = fed(
        b'RTSP/1.0 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: Digest nonce="n"\r\n\r\n', []
    )
    assert incoming.messages[0].challenges == ('Basic realm="x"', 'Digest nonce="n"')
