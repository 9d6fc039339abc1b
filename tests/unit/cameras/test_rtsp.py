"""RTSP messages taken off a stream, and the session description."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cameras.loops import Sound
from local.cameras.rtsp import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    MalformedRequestError,
    Request,
    client_ports,
    interleaved_channel,
    response,
    take_request,
)
from local.cameras.sdp import describe

_SETUP = (
    b"SETUP rtsp://127.0.0.1:8554/cam-1/trackID=0 RTSP/1.0\r\nCSeq: 3\r\n"
    b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
)
_PARAMETER = b"SET_PARAMETER rtsp://127.0.0.1/cam-1 RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 5\r\n\r\nhello"
_RECEIVER_REPORT = b"$\x01\x00\x08\x80\xc9\x00\x01$$$$"


@given(cuts=st.lists(st.integers(0, 300), max_size=8))
def test_requests_arrive_in_any_pieces(cuts: list[int]) -> None:
    """Requests come out whole and in order however the bytes are cut, receiver reports between them skipped."""
    stream = _RECEIVER_REPORT + _SETUP + b"\r\n" + _RECEIVER_REPORT * 2 + _PARAMETER + _RECEIVER_REPORT + _SETUP
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    buffer = bytearray()
    taken: list[Request] = []
    for begin, end in pairwise(places):
        buffer += stream[begin:end]
        while (request := take_request(buffer)) is not None:
            taken.append(request)
    assert [request.method for request in taken] == ["SETUP", "SET_PARAMETER", "SETUP"]
    assert taken[0].path == ["cam-1", "trackID=0"]
    assert taken[1].headers == {"cseq": "4", "content-length": "5"}
    assert not buffer


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS rtsp://h/cam-1\r\n\r\n",
        b"OPTIONS rtsp://h/cam-1 RTSP/1.0\r\nnonsense\r\n\r\n",
        b"OPTIONS rtsp://h/cam-1 RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS rtsp://h/cam-1 RTSP/1.0\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
        b"x" * (HEAD_BYTES_MAX + 1),
    ],
)
def test_what_is_not_rtsp_is_refused(head: bytes) -> None:
    """A client that speaks something else, or without end, cannot make the camera keep its bytes."""
    with pytest.raises(MalformedRequestError):
        take_request(bytearray(head))


def test_a_request_at_the_limit_waits() -> None:
    """Up to the limit the rest of a request is waited for."""
    assert take_request(bytearray(b"x" * HEAD_BYTES_MAX)) is None


def test_a_response_repeats_the_sequence_and_counts_its_body() -> None:
    """Status, CSeq, headers and the body's length are in the answer."""
    text = response(200, "7", {"Session": "abc"}, "v=0").decode()
    assert text.startswith("RTSP/1.0 200 OK\r\nCSeq: 7\r\n")
    assert text.endswith("\r\nSession: abc\r\nContent-Length: 3\r\n\r\nv=0")
    assert "Content-Length" not in response(401, "7").decode()


@pytest.mark.parametrize(
    ("transport", "channel"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=4-5", 4),
        ("RTP/AVP;unicast;client_port=5000-5001, RTP/AVP/TCP;interleaved=2-3", 2),
        ("RTP/AVP/TCP;unicast", 6),
        ("RTP/AVP/TCP;interleaved=254-255", 254),
        ("RTP/AVP/TCP;interleaved=255-256", None),
        ("RTP/AVP;unicast;client_port=5000-5001", None),
        ("", None),
    ],
)
def test_only_tcp_transports_are_taken(transport: str, channel: int | None) -> None:
    """The first interleaved offer counts; UDP alone is no offer."""
    assert interleaved_channel(transport, default=6) == channel


@pytest.mark.parametrize(
    ("transport", "ports"),
    [
        ("RTP/AVP;unicast;client_port=5000-5001", (5000, 5001)),
        ("RTP/AVP/UDP;unicast;client_port=5000-5003", (5000, 5003)),
        ("RTP/AVP;unicast;client_port=5000", (5000, 5001)),
        ("RTP/AVP/TCP;interleaved=2-3, RTP/AVP;unicast;client_port=6000-6001", (6000, 6001)),
        ("RTP/AVP;multicast;client_port=5000-5001", None),
        ("RTP/AVP;unicast;client_port=65535", None),
        ("RTP/AVP/TCP;unicast;interleaved=0-1", None),
        ("RTP/SAVP;unicast;client_port=5000-5001", None),
        ("", None),
    ],
)
def test_udp_transports_name_the_clients_ports(transport: str, ports: tuple[int, int] | None) -> None:
    """The first unicast UDP offer counts; where it names one port, RTCP has the next one."""
    assert client_ports(transport) == ports


def test_the_description_carries_the_parameter_sets() -> None:
    """H.264 names profile and both sets, H.265 all three, and sound its clock and settings."""
    sets = [bytes([0x67, 0x42, 0xC0, 0x1F, 1]), bytes([0x68, 2])]
    text = describe("cam-1", "h264", sets, Sound("aac", 1), bytes.fromhex("1408"))
    assert "profile-level-id=42C01F;sprop-parameter-sets=Z0LAHwE=,aAI=\r\n" in text
    assert "a=rtpmap:97 MPEG4-GENERIC/16000/1\r\n" in text
    assert ";config=1408\r\n" in text
    text = describe("cam-2", "h265", [b"\x40\x01", b"\x42\x01", b"\x44\x01"], None)
    assert "a=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=\r\n" in text
    assert "m=audio" not in text
    assert "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000" in describe("c", "h264", sets, Sound("pcma", 1))
    assert "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000" in describe("c", "h264", sets, Sound("pcmu", 1))
    assert "a=rtpmap:97 G726-32/8000" in describe("c", "h264", sets, Sound("unknown", 1))


def test_a_description_can_leave_things_out() -> None:
    """Without parameter sets the codec is told all the same; without a picture there is only sound."""
    assert "a=fmtp:96 packetization-mode=1\r\n" in describe("c", "h264", (), None)
    assert "a=rtpmap:96 H265/90000\r\na=control" in describe("c", "h265", (), None)
    text = describe("c", None, (), Sound("aac", 1), b"\x14\x08")
    assert "m=video" not in text
    assert "a=control:trackID=1" in text
