"""Decides under which name a file's header declares H.265.

libav (8.1, movenc.c: `codec_mp4_tags`) writes `hev1` unless the stream carries the tag `hvc1`, which PyAV (18.1) cannot
set on a stream that is only muxed. Apple's players take H.265 under the name `hvc1` only (HLS Authoring Specification
1.10). The parameter sets stand in the header under either name, and a segment begins anew where they change, so that
`hvc1` is true of our files; that cameras repeat them in the stream is something every decoder passes over.
"""

from __future__ import annotations

_OF_LIBAV, _FOR_APPLE = b"hev1", b"hvc1"
_STSD_HEAD_BYTES = (
    12  # after its name: version and flags, how many entries, and the size of the first (ISO 14496-12, 8.5.2)
)


def with_apple_name(data: bytes) -> bytes:
    """A file's first bytes with the sample entry `hev1` of their header called `hvc1`; others as they are.

    Only the header is looked at: what comes after it may hold the same letters.
    """
    position = 0
    while position + 8 <= len(data):
        size_bytes = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"moov":
            return _renamed(data, position, position + size_bytes)
        if size_bytes < 8:
            break
        position += size_bytes
    return data


def _renamed(data: bytes, begin: int, end: int) -> bytes:
    at = data.find(b"stsd", begin, end)
    while at >= 0:
        name_at = at + 4 + _STSD_HEAD_BYTES
        if data[name_at : name_at + 4] == _OF_LIBAV and name_at + 4 <= end:
            return data[:name_at] + _FOR_APPLE + data[name_at + 4 :]
        at = data.find(b"stsd", at + 4, end)
    return data
