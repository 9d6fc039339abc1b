"""Cutting NAL units into RTP payloads, and the headers around them."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cameras.rtp import aac_payload, goodbye, packetise, rtp_packet, sender_report


def _depacketise(codec: str, payloads: list[bytes]) -> list[bytes]:
    """The NAL units of one access unit, put together as RFC 6184 and RFC 7798 say a receiver does."""
    units: list[bytes] = []
    header_bytes, fragment = (1, 28) if codec == "h264" else (2, 49)
    for payload in payloads:
        kind = payload[0] & 0x1F if codec == "h264" else payload[0] >> 1 & 0x3F
        if kind != fragment:
            units.append(payload)
            continue
        mark = payload[header_bytes]
        assert not (mark & 0x80 and mark & 0x40), "a fragment may not be both first and last"
        if mark & 0x80:
            if codec == "h264":
                header = bytes([payload[0] & 0xE0 | mark & 0x1F])
            else:
                header = bytes([payload[0] & 0x81 | (mark & 0x3F) << 1, payload[1]])
            units.append(header)
        units[-1] += payload[header_bytes + 1 :]
    return units


def _unit(codec: str, kind: int, body: bytes) -> bytes:
    return (bytes([0x60 | kind]) if codec == "h264" else bytes([kind << 1, 1])) + body


_UNITS = st.lists(st.tuples(st.integers(1, 12), st.binary(min_size=1, max_size=400)), min_size=1, max_size=6)


@settings(max_examples=40)
@given(units=_UNITS, codec=st.sampled_from(["h264", "h265"]), room=st.integers(8, 200))
def test_what_is_packetised_comes_back(units: list[tuple[int, bytes]], codec: str, room: int) -> None:
    """For any NAL units and any packet size, a receiver gets the same units, and no payload is too large."""
    nals = [_unit(codec, kind, body) for kind, body in units]
    payloads = packetise(codec, nals, room)
    assert _depacketise(codec, payloads) == nals
    assert max(len(payload) for payload in payloads) <= room


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize(("size", "count"), [(99, 1), (100, 1), (101, 2)])
def test_fragments_begin_above_the_limit(codec: str, size: int, count: int) -> None:
    """A unit of the largest payload's size goes out whole, one byte more is cut in two."""
    nal = _unit(codec, 1, b"")
    nal += bytes(size - len(nal))
    assert len(packetise(codec, [nal], 100)) == count


def test_rtp_header_stands_behind_its_interleaved_frame() -> None:
    """A packet says its channel, length, type, marker, sequence, timestamp and source."""
    packet = rtp_packet(2, 96, True, 0x1FFFF, 0x1_0000_0005, 0xABCD, b"xyz")
    assert struct.unpack("!cBHBBHII", packet[:16]) == (b"$", 2, 15, 0x80, 0x80 | 96, 0xFFFF, 5, 0xABCD)
    assert packet[16:] == b"xyz"


def test_sender_report_ties_utc_to_rtp_time() -> None:
    """A report carries NTP time (seconds since 1900 and a binary fraction) beside the RTP time, then a name."""
    packet = sender_report(1, 7, 1_500_000_000, 90_000, 10, 2_000)
    assert packet[:2] == b"$\x01"
    assert int.from_bytes(packet[2:4], "big") == len(packet) - 4
    fields = struct.unpack("!BBHIIIIII", packet[4:32])
    assert fields == (0x80, 200, 6, 7, 2_208_988_801, 1 << 31, 90_000, 10, 2_000)
    assert packet[33] == 202
    assert int.from_bytes(packet[34:36], "big") * 4 + 4 == len(packet) - 32


def test_goodbye_ends_the_source() -> None:
    """The last packet of the goodbye compound is a BYE of the track's source."""
    assert goodbye(1, 7).endswith(struct.pack("!BBHI", 0x81, 203, 1, 7))


def test_aac_header_tells_the_size() -> None:
    """An AAC payload begins with one header of 13 bits of size and 3 bits of index."""
    payload = aac_payload(bytes(300))
    assert struct.unpack("!HH", payload[:4]) == (16, 300 << 3)
    assert len(payload) == 304
