"""RTP and RTCP as bytes: cutting NAL units and sound into payloads, packet headers, sender reports,
goodbyes.

Sources: RFC 3550 (RTP), RFC 6184 (H.264: single unit and FU-A), RFC 7798 (H.265: single unit and FU), RFC
3640 (AAC-hbr), RFC 2326 clause 10.12 (interleaving). Payloads are made once per loop; only the 16 bytes
before each are made anew for a client. It knows nothing of time, sockets or cameras.
"""

import struct
from collections.abc import Sequence

PAYLOAD_BYTES_MAX = 1_400  # fits an Ethernet frame with every header and a tunnel around it
VIDEO_CLOCK_HZ = 90_000
VIDEO_PAYLOAD_TYPE = 96
SOUND_PAYLOAD_TYPES = {"aac": 97, "unknown": 97, "pcma": 8, "pcmu": 0}  # 8 and 0 are fixed by RFC 3551

_H264_FU_A, _H265_FU = 28, 49
_NTP_OF_UNIX_S = 2_208_988_800  # from 1900 to 1970
_CNAME = b"camera"
_HEADER = struct.Struct("!BBHBBHII")


def packetise(codec: str, nals: Sequence[bytes], payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> list[bytes]:
    """The RTP payloads of the NAL units in order; a unit that is too large goes out in fragments."""
    payloads: list[bytes] = []
    for nal in nals:
        if len(nal) <= payload_bytes_max:
            payloads.append(nal)
        else:
            payloads += _fragments(codec, nal, payload_bytes_max)
    return payloads


def _fragments(codec: str, nal: bytes, payload_bytes_max: int) -> list[bytes]:
    """The unit without its header, in pieces: each behind a header that says fragment, and of which type."""
    if codec == "h264":
        header, kind, body = bytes([nal[0] & 0xE0 | _H264_FU_A]), nal[0] & 0x1F, nal[1:]
    else:
        header, kind, body = bytes([nal[0] & 0x81 | _H265_FU << 1, nal[1]]), nal[0] >> 1 & 0x3F, nal[2:]
    room = payload_bytes_max - len(header) - 1
    pieces = []
    for place in range(0, len(body), room):
        first, last = place == 0, place + room >= len(body)
        pieces.append(header + bytes([first << 7 | last << 6 | kind]) + body[place : place + room])
    return pieces


def aac_payload(access_unit: bytes) -> bytes:
    """One AAC access unit behind its header section: 16 bits of headers, 13 bits of size, 3 of index."""
    return struct.pack("!HH", 16, len(access_unit) << 3) + access_unit


def rtp_packet(
    channel: int, payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> bytes:
    """An RTP packet in its interleaved frame (`$`, channel, length)."""
    return (
        _HEADER.pack(
            0x24,
            channel,
            12 + len(payload),
            0x80,
            marker << 7 | payload_type,
            sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
        + payload
    )


def sender_report(
    channel: int, ssrc: int, wall_ns: int, timestamp: int, packets_sent: int, payload_bytes_sent: int
) -> bytes:
    """An interleaved RTCP compound of a sender report and a name: this RTP time is this UTC time."""
    seconds, rest_ns = divmod(wall_ns, 1_000_000_000)
    report = struct.pack(
        "!BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        seconds + _NTP_OF_UNIX_S & 0xFFFFFFFF,
        (rest_ns << 32) // 1_000_000_000,
        timestamp & 0xFFFFFFFF,
        packets_sent & 0xFFFFFFFF,
        payload_bytes_sent & 0xFFFFFFFF,
    )
    return _interleaved(channel, report + _source_name(ssrc))


def goodbye(channel: int, ssrc: int) -> bytes:
    """An interleaved RTCP compound that ends a stream: an empty receiver report, a name, BYE."""
    empty = struct.pack("!BBHI", 0x80, 201, 1, ssrc)
    return _interleaved(channel, empty + _source_name(ssrc) + struct.pack("!BBHI", 0x81, 203, 1, ssrc))


def _source_name(ssrc: int) -> bytes:
    """The SDES packet every RTCP compound must have: one chunk with a CNAME, padded to 32 bits."""
    chunk = struct.pack("!IBB", ssrc, 1, len(_CNAME)) + _CNAME
    chunk += bytes(4 - len(chunk) % 4)
    return struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


def _interleaved(channel: int, packet: bytes) -> bytes:
    return struct.pack("!BBH", 0x24, channel, len(packet)) + packet
