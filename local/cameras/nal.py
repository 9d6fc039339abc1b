"""NAL units of H.264 and H.265: where they begin and end, what they are, and their emulation prevention.

Sources: ITU-T H.264 and H.265, annex B and clause 7.3.1. It knows nothing of RTP or files.
"""

from collections.abc import Iterable, Iterator

H264_SEI, H264_SPS, H264_PPS, H264_AUD = 6, 7, 8, 9
H265_VPS, H265_SPS, H265_PPS, H265_AUD, H265_SEI = 32, 33, 34, 35, 39
_H265_SEI_SUFFIX = 40
_RECOVERY_POINT = 6  # the payload type of that SEI message (H.264 D.1.8)


def nal_type(codec: str, nal: bytes) -> int:
    """The type of a NAL unit of that codec."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_picture(codec: str, nal: bytes) -> bool:
    """Whether the NAL unit carries a piece of a picture (VCL)."""
    kind = nal_type(codec, nal)
    return 1 <= kind <= 5 if codec == "h264" else kind < 32


def is_decoration(codec: str, nal: bytes) -> bool:
    """Whether a picture decodes just as well without this unit: delimiters and SEI, but for recovery points of
    H.264, which alone say that a picture that is no IDR picture is a keyframe.
    """
    kind = nal_type(codec, nal)
    if codec == "h264":
        return kind == H264_AUD or (kind == H264_SEI and nal[1] != _RECOVERY_POINT)
    return kind in (H265_AUD, H265_SEI, _H265_SEI_SUFFIX)


def parameter_sets(codec: str, nals: Iterable[bytes]) -> list[bytes]:
    """The parameter sets among the units, in the order VPS, SPS, PPS."""
    kinds = (H264_SPS, H264_PPS) if codec == "h264" else (H265_VPS, H265_SPS, H265_PPS)
    units = list(nals)
    return [nal for kind in kinds for nal in units if nal_type(codec, nal) == kind]


def split_annexb(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream with start codes, without the start codes and trailing zeros."""
    starts: list[int] = []
    place = data.find(b"\x00\x00\x01")
    while place >= 0:
        starts.append(place + 3)
        place = data.find(b"\x00\x00\x01", place + 3)
    ends = [*(start - 3 for start in starts[1:]), len(data)] if starts else []
    units = (data[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True))
    return [unit for unit in units if unit]


def split_lengths(data: bytes) -> list[bytes] | None:
    """The NAL units of a sample with 4-byte lengths, or None when the lengths do not fill it exactly."""
    units: list[bytes] = []
    place = 0
    while place + 4 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 0 or place + 4 + size > len(data):
            return None
        units.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return units if place == len(data) else None


def split_units(data: bytes) -> list[bytes]:
    """The NAL units of an access unit in either form. Lengths are tried first: a unit of 256 to 511 bytes has
    a length that looks like a start code, but start codes never happen to be lengths that fill the whole.
    """
    units = split_lengths(data)
    return split_annexb(data) if units is None else units


def escape(payload: bytes) -> bytes:
    """Put emulation prevention bytes into a raw payload (clause 7.4.1 of both standards)."""
    if b"\x00\x00" not in payload:
        return payload
    escaped = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)


def unescape(payload: bytes) -> bytes:
    """Take the emulation prevention bytes out of a payload."""
    return bytes(_without_prevention(payload))


def _without_prevention(payload: bytes) -> Iterator[int]:
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte == 3:
            zeros = 0
            continue
        zeros = zeros + 1 if byte == 0 else 0
        yield byte
