"""What is said on a live socket: the coded pictures and sound of one stream, as they come from the camera.

Bytes are frames, each a header and a body. Whole numbers are big-endian.

    header   2 bytes `NV`, version (1), kind (`H`, `V`, `A`), length of the body (4 bytes)
    hello    JSON: camera, stream, how video and audio are coded, their time bases
    unit     flags (1 byte: bit 0 keyframe), dts, pts (8 each), duration (4), wall time in ns (8), the coded bytes

A reader hears a hello first, then the stream from a keyframe on, without a hole: decode times of a kind grow. Another
hello begins anew with a keyframe: other parameters, another connection to the camera, whose times have nothing to do
with those before, or a reader that was too slow and has missed something.

The parser refuses what is not exactly this, and holds no more bytes than the longest frame has. Members of the hello
are only ever added, so unknown ones are ignored.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.codec import describe_faults
from components.shared.wire.messages import CameraId, StreamName
from components.shared.wire.units import MediaTicks, TimeBase, WallNs

VERSION = 1
MAGIC = b"NV"

HELLO_BYTES_MAX = 64 * 1024
"""Parameter sets are some hundred bytes; a stream with a thousand of them is none."""

UNIT_BYTES_MAX = 16 * 1024 * 1024
"""A keyframe of 8K at its worst is half as long."""

DURATION_TICKS_MAX = 2**32 - 1
"""A picture that lasts longer, half a day of the finest ticks, is said to last this long."""

UnitKind = Literal["video", "audio"]

_HEADER = struct.Struct(">2sBcI")
_UNIT = struct.Struct(">BqqIq")
_HELLO, _VIDEO, _AUDIO = b"H", b"V", b"A"
_KINDS: dict[bytes, UnitKind] = {_VIDEO: "video", _AUDIO: "audio"}
_CODES: dict[UnitKind, bytes] = {"video": _VIDEO, "audio": _AUDIO}
_KEYFRAME = 1

HEADER_BYTES = _HEADER.size + _UNIT.size
"""What a unit has on the socket beside its coded bytes."""

_Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$", max_length=HELLO_BYTES_MAX)]
_Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class LiveVideo(_Part):
    """How the pictures are coded. `parameter_sets_hex` has them with start codes; it may be empty."""

    codec: Literal["h264", "h265"]
    width: Annotated[int, Field(ge=0, le=65_535)]
    height: Annotated[int, Field(ge=0, le=65_535)]
    ticks_numerator: _Positive
    ticks_denominator: _Positive
    parameter_sets_hex: _Hex = ""

    @property
    def time_base(self) -> TimeBase:
        """Seconds per tick of the video units."""
        return TimeBase(self.ticks_numerator, self.ticks_denominator)

    @property
    def parameter_sets(self) -> bytes:
        """The parameter sets with start codes."""
        return bytes.fromhex(self.parameter_sets_hex)


class LiveAudio(_Part):
    """How the sound is coded, as the camera sends it; `configuration_hex` is AAC's AudioSpecificConfig."""

    codec: Annotated[str, Field(min_length=1, max_length=16)]
    sample_rate: _Positive
    channels: Annotated[int, Field(ge=1, le=64)]
    ticks_numerator: _Positive
    ticks_denominator: _Positive
    configuration_hex: _Hex = ""

    @property
    def time_base(self) -> TimeBase:
        """Seconds per tick of the audio units."""
        return TimeBase(self.ticks_numerator, self.ticks_denominator)


class Hello(_Part):
    """What a stream begins with: whose it is and how to decode it."""

    camera: CameraId
    stream: StreamName
    video: LiveVideo
    audio: LiveAudio | None = None


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture (with start codes) or frame of sound; `wall_ns` is when it was, by the box's clock."""

    kind: UnitKind
    is_keyframe: bool
    dts: MediaTicks
    pts: MediaTicks
    duration_ticks: int
    wall_ns: WallNs
    payload: bytes


Frame = Hello | AccessUnit


def encode_hello(hello: Hello) -> bytes:
    """A hello as bytes; one that is too long is Rejected."""
    body = json.dumps(hello.model_dump(mode="json"), separators=(",", ":"), sort_keys=True).encode()
    if len(body) > HELLO_BYTES_MAX:
        raise Rejected(f"{_name(hello)}: a hello of {len(body)} bytes, at most {HELLO_BYTES_MAX} are said")
    return _HEADER.pack(MAGIC, VERSION, _HELLO, len(body)) + body


def encode_unit_header(unit: AccessUnit) -> bytes:
    """What goes before a unit's coded bytes, which are not copied; Rejected when those are too many, or none."""
    length = _UNIT.size + len(unit.payload)
    if not unit.payload or length > UNIT_BYTES_MAX:
        raise Rejected(f"a unit of {len(unit.payload)} bytes, 1 to {UNIT_BYTES_MAX - _UNIT.size} are said")
    header = _HEADER.pack(MAGIC, VERSION, _CODES[unit.kind], length)
    flags = _KEYFRAME if unit.is_keyframe else 0
    return header + _UNIT.pack(flags, unit.dts, unit.pts, unit.duration_ticks, unit.wall_ns)


class LiveParser:
    """Frames out of the bytes of a live socket, in whatever pieces they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._hello: Hello | None = None
        self._last_dts: dict[UnitKind, int] = {}

    @property
    def waiting_bytes(self) -> int:
        """How much of a frame has come that is not complete yet."""
        return len(self._bytes)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes. Rejected for what is none; nothing can be read after that."""
        self._bytes += data
        frames: list[Frame] = []
        start = 0
        while len(self._bytes) - start >= _HEADER.size:
            kind, length = self._read_header(start)
            end = start + _HEADER.size + length
            if len(self._bytes) < end:
                break
            frames.append(self._read_body(kind, bytes(self._bytes[start + _HEADER.size : end])))
            start = end
        del self._bytes[:start]
        return frames

    def _read_header(self, start: int) -> tuple[bytes, int]:
        magic, version, kind, length = _HEADER.unpack_from(self._bytes, start)
        if magic != MAGIC:
            raise Rejected(f"live socket: a frame begins with {magic!r}, not {MAGIC!r}")
        if version != VERSION:
            raise Rejected(f"live socket: version {version} is spoken, this reader knows {VERSION}")
        if kind != _HELLO and kind not in _KINDS:
            raise Rejected(f"live socket: a frame of the kind {kind!r}")
        longest = HELLO_BYTES_MAX if kind == _HELLO else UNIT_BYTES_MAX
        if length > longest:
            raise Rejected(f"live socket: a frame of {length} bytes, at most {longest} are said")
        return kind, length

    def _read_body(self, kind: bytes, body: bytes) -> Frame:
        if kind == _HELLO:
            self._hello = _read_hello(body)
            self._last_dts.clear()
            return self._hello
        unit = _read_unit(_KINDS[kind], body)
        self._check_place(unit)
        self._last_dts[unit.kind] = unit.dts
        return unit

    def _check_place(self, unit: AccessUnit) -> None:
        if self._hello is None:
            raise Rejected("live socket: a unit before the hello")
        where = f"live socket of {_name(self._hello)}"
        if unit.kind == "audio" and self._hello.audio is None:
            raise Rejected(f"{where}: sound, though the hello says there is none")
        if "video" not in self._last_dts and not (unit.kind == "video" and unit.is_keyframe):
            raise Rejected(f"{where}: it does not begin with a keyframe")
        last = self._last_dts.get(unit.kind)
        if last is not None and unit.dts <= last:
            raise Rejected(f"{where}: decode time {unit.dts} after {last}")


def _read_hello(body: bytes) -> Hello:
    try:
        return Hello.model_validate(json.loads(body))
    except ValidationError as error:
        raise Rejected(f"live socket: hello: {describe_faults(error)}") from error
    except (ValueError, RecursionError) as error:
        raise Rejected(f"live socket: a hello that is no JSON: {error}") from error


def _read_unit(kind: UnitKind, body: bytes) -> AccessUnit:
    if len(body) <= _UNIT.size:
        raise Rejected(f"live socket: a unit of {len(body)} bytes has nothing in it")
    flags, dts, pts, duration, wall_ns = _UNIT.unpack_from(body)
    if flags & ~_KEYFRAME or dts < 0 or pts < dts or duration < 1 or wall_ns < 0:
        raise Rejected(
            f"live socket: a unit with flags {flags}, dts {dts}, pts {pts}, duration {duration}, wall time {wall_ns}"
        )
    ticks = (MediaTicks(dts), MediaTicks(pts))
    return AccessUnit(kind, bool(flags & _KEYFRAME), *ticks, duration, WallNs(wall_ns), body[_UNIT.size :])


def _name(hello: Hello) -> str:
    return f"camera {hello.camera}, stream {hello.stream}"
