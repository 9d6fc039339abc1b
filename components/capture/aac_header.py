"""The header of an MP4 that holds one AAC track and nothing else.

PyAV copies a stream's parameters only from another stream; this makes one for it to read, from the few bytes that
describe the stream (AudioSpecificConfig, ISO 14496-3 1.6.2.1). Box layouts: ISO 14496-12, 14496-14 (`esds`).
"""

from __future__ import annotations

import struct

_SAMPLE_RATE_MAX = 0xFFFF  # of the field in the sample entry; decoders read the AudioSpecificConfig


def aac_header(config: bytes, sample_rate: int, channels: int) -> bytes:
    """`ftyp` and `moov` of a fragmented MP4 with that AAC track."""
    decoder = _descriptor(4, struct.pack(">BBHBII", 0x40, 0x15, 0, 0, 0, 0) + _descriptor(5, config))
    elementary = _descriptor(3, struct.pack(">HB", 1, 0) + decoder + _descriptor(6, b"\x02"))
    rate = min(sample_rate, _SAMPLE_RATE_MAX) << 16
    entry_fields = bytes(6) + struct.pack(">H8xHHHHI", 1, channels, 16, 0, 0, rate)
    entry = _box(b"mp4a", entry_fields, _full_box(b"esds", elementary))
    tables = _box(
        b"stbl",
        _full_box(b"stsd", struct.pack(">I", 1), entry),
        _full_box(b"stts", bytes(4)),
        _full_box(b"stsc", bytes(4)),
        _full_box(b"stsz", bytes(8)),
        _full_box(b"stco", bytes(4)),
    )
    references = _full_box(b"dref", struct.pack(">I", 1), _full_box(b"url ", flags=1))
    information = _box(b"minf", _full_box(b"smhd", bytes(4)), _box(b"dinf", references), tables)
    media_header = _full_box(b"mdhd", struct.pack(">IIIIHH", 0, 0, sample_rate, 0, 0x55C4, 0))
    handler = _full_box(b"hdlr", bytes(4), b"soun", bytes(13))
    track_header = _full_box(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, 0), bytes(60), flags=7)
    track = _box(b"trak", track_header, _box(b"mdia", media_header, handler, information))
    movie_header = _full_box(b"mvhd", struct.pack(">IIIIIH", 0, 0, 1000, 0, 0x10000, 0x100), bytes(70), _NEXT_TRACK)
    extends = _box(b"mvex", _full_box(b"trex", struct.pack(">IIIII", 1, 1, 0, 0, 0)))
    return _box(b"ftyp", b"iso5", bytes(4), b"iso5") + _box(b"moov", movie_header, track, extends)


_NEXT_TRACK = struct.pack(">I", 2)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _descriptor(tag: int, body: bytes) -> bytes:
    """An MPEG-4 descriptor with its length in the four-byte form."""
    length = len(body)
    return (
        bytes([tag, 0x80 | length >> 21, 0x80 | length >> 14 & 0x7F, 0x80 | length >> 7 & 0x7F, length & 0x7F]) + body
    )
