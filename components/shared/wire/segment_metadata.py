"""The facts of a segment that travel with it: its row in the catalogue, and its object's metadata in S3.

S3 takes 2 048 bytes of user metadata per object, keys and values together. A GOP index of 600 s with a GOP a second
does not fit as it is, so `encode` joins neighbouring GOPs until it does: each range still starts on a keyframe, only
the seek steps of a byte-range playlist become longer.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.shared.errors import Rejected
from components.shared.wire.units import TimeBase, WallNs

TRACE_METADATA = "nvr-trace"
"""The trace of an object's segment (see `trace`), beside its facts."""

SEGMENT_METADATA = "nvr-segment"
"""The id of the segment that a clip is a part of, beside the facts of the clip itself."""

REASON_METADATA = "nvr-reason"
"""Why a clip was made: `event`, `bookmark` or `pull`; and in REASON_ID_METADATA the id of that."""

REASON_ID_METADATA = "nvr-reason-id"

GOP_INDEX_TEXT_BYTES_MAX = 1_400  # of S3's 2 048: leaves room for the other fields at their longest
_VERSION = "1"
_NUMBER = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
_GOES_ON = bytes(byte >> 7 for byte in range(256))
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))


@dataclass(frozen=True, slots=True)
class Gop:
    """A byte range of a segment file that starts with a keyframe.

    `offset_bytes` and `size_bytes` count from the start of the file; `duration_ticks` is media time in the
    segment's video time base.
    """

    offset_bytes: int
    size_bytes: int
    duration_ticks: int


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What is needed to play, check and find a segment without opening it.

    `init_bytes` is the length of the header (`ftyp` and `moov`) at the start of the file; `run` names the unbroken
    reading of the camera that the segment belongs to (decode times run on within it); `sha256` is lower-case hex of
    the whole file.
    """

    start_ns: WallNs
    end_ns: WallNs
    run: str
    codec: str
    width: int
    height: int
    frames: int
    size_bytes: int
    sha256: str
    time_base: TimeBase
    start_ticks: int
    init_bytes: int
    gops: tuple[Gop, ...]


def pack_gops(gops: Iterable[Gop]) -> bytes:
    """GOPs as LEB128 numbers: the first offset, then size and duration of each. Ranges must touch."""
    packed = bytearray()
    expected: int | None = None
    for gop in gops:
        if expected is None:
            packed += _varint(gop.offset_bytes)
        elif gop.offset_bytes != expected:
            raise Rejected(f"GOP index has a hole: offset {gop.offset_bytes} where {expected} was due")
        packed += _varint(gop.size_bytes) + _varint(gop.duration_ticks)
        expected = gop.offset_bytes + gop.size_bytes
    return bytes(packed)


def unpack_gops(packed: bytes) -> tuple[Gop, ...]:
    """The inverse of `pack_gops`; bytes that are not of that form are Rejected."""
    offset, sizes, durations = unpack_gop_columns(packed)
    return gops_of(offset, sizes, durations)


def unpack_gop_columns(packed: bytes) -> tuple[int, list[int], list[int]]:
    """The first offset, then the sizes and the durations of all GOPs: as `unpack_gops`, without an object for each."""
    numbers = _numbers(packed)
    if not numbers:
        return 0, [], []
    if len(numbers) % 2 == 0:
        raise Rejected(f"GOP index has {len(numbers)} numbers, an offset and pairs were due")
    return numbers[0], numbers[1::2], numbers[2::2]


def gops_of(offset_bytes: int, sizes_bytes: Sequence[int], durations_ticks: Sequence[int]) -> tuple[Gop, ...]:
    """GOPs that touch, from the first one's offset, the sizes and the durations."""
    offsets = itertools.accumulate(sizes_bytes, initial=offset_bytes)
    return tuple(map(Gop, offsets, sizes_bytes, durations_ticks))


def join_gops(gops: tuple[Gop, ...], per_range: int) -> tuple[Gop, ...]:
    """Neighbouring GOPs joined, `per_range` to each range."""
    joined = []
    for index in range(0, len(gops), per_range):
        group = gops[index : index + per_range]
        joined.append(
            Gop(
                group[0].offset_bytes,
                sum(gop.size_bytes for gop in group),
                sum(gop.duration_ticks for gop in group),
            )
        )
    return tuple(joined)


def encode(facts: SegmentFacts) -> dict[str, str]:
    """The facts as S3 user metadata (names without `x-amz-meta-`), within S3's 2 048 bytes."""
    per_range = 1
    index = base64.b64encode(pack_gops(facts.gops)).decode()
    while len(index) > GOP_INDEX_TEXT_BYTES_MAX:
        per_range += 1
        index = base64.b64encode(pack_gops(join_gops(facts.gops, per_range))).decode()
    return {
        "nvr-version": _VERSION,
        "nvr-start-ns": str(facts.start_ns),
        "nvr-end-ns": str(facts.end_ns),
        "nvr-run": facts.run,
        "nvr-codec": facts.codec,
        "nvr-picture": f"{facts.width}x{facts.height}",
        "nvr-frames": str(facts.frames),
        "nvr-sha256": facts.sha256,
        "nvr-time-base": f"{facts.time_base.numerator}/{facts.time_base.denominator}",
        "nvr-start-ticks": str(facts.start_ticks),
        "nvr-init-bytes": str(facts.init_bytes),
        "nvr-gops": index,
    }


def decode(metadata: Mapping[str, str], size_bytes: int) -> SegmentFacts:
    """The facts in an object's user metadata; a missing or malformed field is Rejected, naming it."""
    width, height = _pair(metadata, "nvr-picture", "x")
    numerator, denominator = _pair(metadata, "nvr-time-base", "/")
    try:
        packed = base64.b64decode(_text(metadata, "nvr-gops"), validate=True)
    except binascii.Error as error:
        raise Rejected(f"metadata nvr-gops is not base64: {error}") from error
    return SegmentFacts(
        start_ns=WallNs(_number(metadata, "nvr-start-ns")),
        end_ns=WallNs(_number(metadata, "nvr-end-ns")),
        run=_text(metadata, "nvr-run"),
        codec=_text(metadata, "nvr-codec"),
        width=width,
        height=height,
        frames=_number(metadata, "nvr-frames"),
        size_bytes=size_bytes,
        sha256=_text(metadata, "nvr-sha256"),
        time_base=TimeBase(numerator, denominator),
        start_ticks=_number(metadata, "nvr-start-ticks"),
        init_bytes=_number(metadata, "nvr-init-bytes"),
        gops=unpack_gops(packed),
    )


def _text(metadata: Mapping[str, str], name: str) -> str:
    value = metadata.get(name)
    if value is None:
        raise Rejected(f"metadata {name} is missing")
    return value


def _number(metadata: Mapping[str, str], name: str) -> int:
    text = _text(metadata, name)
    try:
        return int(text)
    except ValueError as error:
        raise Rejected(f"metadata {name} is {text!r}, a whole number was due") from error


def _pair(metadata: Mapping[str, str], name: str, separator: str) -> tuple[int, int]:
    text = _text(metadata, name)
    first, _, second = text.partition(separator)
    try:
        return int(first), int(second)
    except ValueError as error:
        raise Rejected(f"metadata {name} is {text!r}, two numbers with {separator!r} were due") from error


def _varint(number: int) -> bytes:
    if number < 0:
        raise Rejected(f"GOP index cannot hold the negative number {number}")
    packed = bytearray()
    while number > 0x7F:
        packed.append(0x80 | (number & 0x7F))
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _numbers(packed: bytes) -> list[int]:
    if packed and packed[-1] & 0x80:
        raise Rejected("GOP index ends in the middle of a number")
    first = _NUMBER.match(packed)
    if first is None:
        return []
    rest = packed[first.end() :]
    count, surplus = divmod(len(rest), 3)
    if not surplus and rest.translate(_GOES_ON) == b"\x01\x01\x00" * count:
        # GOPs of 16 kB to 2 MB that last up to 23 s: three bytes for every number, taken apart in C.
        bits = rest.translate(_SEVEN_BITS)
        return [
            _number_of(first[0]),
            *[
                low | middle << 7 | high << 14
                for low, middle, high in zip(bits[::3], bits[1::3], bits[2::3], strict=True)
            ],
        ]
    return [_number_of(piece) for piece in _NUMBER.findall(packed)]


def _number_of(piece: bytes) -> int:
    number = 0
    for byte in reversed(piece):
        number = number << 7 | byte & 0x7F
    return number
