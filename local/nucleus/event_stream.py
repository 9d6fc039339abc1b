"""Frames of the event stream protocol, bytes to values and back.

Knows the layout (prelude, headers, payload, two checksums) and nothing of what the frames say.
Invariant: `decode(encode(frame)) == frame` for every frame that `encode` accepts, and a frame of which
any byte was changed, or that was cut short, is refused.

Layout, big endian: u32 whole length, u32 length of the headers, u32 CRC of these eight bytes, headers,
payload, u32 CRC of everything before it. A header is u8 length, name, u8 type, value; two types are used.
"""

import struct
import zlib
from dataclasses import dataclass

PRELUDE_BYTES = 12
TRAILER_BYTES = 4
OVERHEAD_BYTES = PRELUDE_BYTES + TRAILER_BYTES
FRAME_BYTES_MAX = 24 * 1024 * 1024  # aws-c-event-stream refuses longer messages
NAME_BYTES_MAX = 255  # one byte of length
STRING_BYTES_MAX = 65_535  # two bytes of length

TYPE_INT32 = 4
TYPE_STRING = 7

HeaderValue = int | str


class FramingError(ValueError):
    """The bytes are no frame, or the values do not fit into one."""


@dataclass(frozen=True)
class Frame:
    """One message: headers in their order, and a payload that is not looked into."""

    headers: tuple[tuple[str, HeaderValue], ...] = ()
    payload: bytes = b""

    def text(self, name: str) -> str | None:
        """Return the string header of that name, if there is one."""
        return next((v for n, v in self.headers if n == name and isinstance(v, str)), None)

    def number(self, name: str) -> int | None:
        """Return the int32 header of that name, if there is one."""
        return next((v for n, v in self.headers if n == name and isinstance(v, int)), None)


@dataclass(frozen=True)
class Prelude:
    """The lengths that a frame begins with."""

    total_bytes: int
    headers_bytes: int


def _encode_header(name: str, value: HeaderValue) -> bytes:
    raw_name = name.encode()
    if not 1 <= len(raw_name) <= NAME_BYTES_MAX:
        raise FramingError(f"header name of {len(raw_name)} bytes: {name[:40]!r}")
    start = bytes([len(raw_name)]) + raw_name
    if isinstance(value, int):
        try:
            return start + struct.pack(">Bi", TYPE_INT32, value)
        except struct.error as error:
            raise FramingError(f"header {name!r} is no int32: {value}") from error
    raw = value.encode()
    if len(raw) > STRING_BYTES_MAX:
        raise FramingError(f"header {name!r} has {len(raw)} bytes, {STRING_BYTES_MAX} fit")
    return start + struct.pack(">BH", TYPE_STRING, len(raw)) + raw


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame, or raise FramingError when it does not fit."""
    headers = b"".join(_encode_header(name, value) for name, value in frame.headers)
    total = OVERHEAD_BYTES + len(headers) + len(frame.payload)
    if total > FRAME_BYTES_MAX:
        raise FramingError(f"frame of {total} bytes, {FRAME_BYTES_MAX} fit")
    lengths = struct.pack(">II", total, len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + frame.payload
    return body + struct.pack(">I", zlib.crc32(body))


def decode_prelude(data: bytes) -> Prelude:
    """Read the first twelve bytes of a frame, or raise FramingError."""
    if len(data) < PRELUDE_BYTES:
        raise FramingError(f"prelude of {len(data)} bytes")
    total, headers, checksum = struct.unpack_from(">III", data)
    if checksum != zlib.crc32(data[:8]):
        raise FramingError("checksum of the prelude differs")
    if not OVERHEAD_BYTES <= total <= FRAME_BYTES_MAX or headers > total - OVERHEAD_BYTES:
        raise FramingError(f"lengths cannot be: frame {total}, headers {headers}")
    return Prelude(total, headers)


def _decode_headers(data: bytes) -> tuple[tuple[str, HeaderValue], ...]:
    headers: list[tuple[str, HeaderValue]] = []
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = data[at + 1 : name_end].decode()
            kind = data[name_end]
            at = name_end + 1
            value: HeaderValue
            if kind == TYPE_INT32:
                (value,) = struct.unpack_from(">i", data, at)
                at += 4
            elif kind == TYPE_STRING:
                (length,) = struct.unpack_from(">H", data, at)
                raw = data[at + 2 : at + 2 + length]
                if len(raw) != length:
                    raise FramingError(f"header {name!r} is cut short")
                value = raw.decode()
                at += 2 + length
            else:
                raise FramingError(f"header {name!r} has type {kind}, known are 4 and 7")
            headers.append((name, value))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise FramingError(f"headers cannot be read: {error}") from error
    return tuple(headers)


def decode(data: bytes) -> Frame:
    """Read one whole frame, or raise FramingError."""
    prelude = decode_prelude(data)
    if len(data) != prelude.total_bytes:
        raise FramingError(f"{len(data)} bytes of a frame of {prelude.total_bytes}")
    (checksum,) = struct.unpack_from(">I", data, len(data) - TRAILER_BYTES)
    if checksum != zlib.crc32(data[:-TRAILER_BYTES]):
        raise FramingError("checksum of the frame differs")
    headers_end = PRELUDE_BYTES + prelude.headers_bytes
    return Frame(_decode_headers(data[PRELUDE_BYTES:headers_end]), data[headers_end:-TRAILER_BYTES])
