"""The boxes of a fragmented MP4 that a recorder needs (ISO 14496-12): `moov` and `moof`, as values.

Read are the tracks of the header with their time base, codec and defaults, and of each fragment when its samples
begin, how long they last, how many they are and whether the first is a keyframe. Everything else is passed over.
Bytes that contradict themselves are Rejected, naming their offset in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from components.shared.errors import Rejected
from components.shared.wire.units import TimeBase

HEADER_BYTES_MAX = 1024 * 1024
"""A `moov` without samples has about a kilobyte; parameter sets may add some."""

MOOF_BYTES_MAX = 1024 * 1024
"""16 bytes a sample: 60 000 samples, where a fragment of a second has some tens."""

SAMPLES_MAX = 100_000
"""Samples of one `trun`: a count that no bytes follow could claim four billion."""

BOXES_MAX = 1_000
"""Boxes within one box: headers have tens."""

TICKS_MAX = 2**62
"""Decode times stay inside what a database and a time base can hold: 2**62 ticks of 90 kHz are a million years."""

TrackKind = Literal["video", "audio", "other"]

_CODECS = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "h265", b"hev1": "h265", b"mp4a": "aac", b"av01": "av1"}
_KINDS: dict[bytes, TrackKind] = {b"vide": "video", b"soun": "audio"}

_PLAIN_HEAD = struct.Struct(">I4s")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_I64 = struct.Struct(">q")
_NOT_A_KEYFRAME = 0x0001_0000  # sample_is_non_sync_sample, ISO 14496-12 8.8.3.1


@dataclass(frozen=True, slots=True)
class Track:
    """A track as the header declares it; width and height are 0 unless it is video."""

    track_id: int
    kind: TrackKind
    codec: str
    width: int
    height: int
    time_base: TimeBase
    default_duration_ticks: int = 0
    default_size_bytes: int = 0
    default_flags: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """`ftyp` and `moov`: `init_bytes` is their length, which a player needs before any fragment."""

    init_bytes: int
    tracks: tuple[Track, ...]

    @property
    def video(self) -> Track:
        """The video track; a file without one is Rejected."""
        for track in self.tracks:
            if track.kind == "video":
                return track
        raise Rejected("the header declares no video track")

    def track(self, track_id: int) -> Track | None:
        """The track of that number, or None."""
        return next((track for track in self.tracks if track.track_id == track_id), None)


@dataclass(frozen=True, slots=True)
class TrackRun:
    """What one track has in one fragment; times are decode times in the track's time base."""

    track_id: int
    start_ticks: int
    duration_ticks: int
    samples: int
    starts_with_keyframe: bool
    size_bytes: int


def parse_box_head(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Size, kind and head length of the box that begins with `data`; None when 16 bytes are needed and 8 are there."""
    size_bytes = _U32.unpack_from(data)[0]
    kind = data[4:8]
    if size_bytes != 1:
        if size_bytes < 8:
            raise Rejected(f"offset {at}: a box {kind!r} of {size_bytes} bytes")
        return size_bytes, kind, 8
    if len(data) < 16:
        return None
    size_bytes = _U64.unpack_from(data, 8)[0]
    if not 16 <= size_bytes <= TICKS_MAX:
        raise Rejected(f"offset {at}: a box {kind!r} of {size_bytes} bytes")
    return size_bytes, kind, 16


def parse_moov(body: bytes, end_at: int) -> Header:
    """The header in the content of a `moov` that ends at `end_at` in the file."""
    at = end_at - len(body)
    tracks: list[Track] = []
    for kind, content, offset in _boxes(body, at):
        if kind == b"trak":
            tracks.append(_parse_trak(content, offset))
    for kind, content, offset in _boxes(body, at):
        if kind == b"mvex":
            tracks = [_with_defaults(track, content, offset) for track in tracks]
    if len({track.track_id for track in tracks}) != len(tracks):
        raise Rejected(f"offset {at}: two tracks have one number")
    return Header(end_at, tuple(tracks))


def parse_moof(body: bytes, header: Header, at: int) -> tuple[TrackRun, ...]:
    """What the tracks have in a fragment, from the content of its `moof`; unknown tracks are Rejected."""
    runs: dict[int, TrackRun] = {}
    for kind, content, offset in _boxes(body, at):
        if kind != b"traf":
            continue
        run = _parse_traf(content, header, offset)
        before = runs.get(run.track_id)
        # A track may have several boxes in one fragment: they follow each other.
        runs[run.track_id] = run if before is None else _joined(before, run)
    if not runs:
        raise Rejected(f"offset {at}: a moof without tracks")
    return tuple(runs.values())


def samples_bytes(runs: tuple[TrackRun, ...]) -> int:
    """How many bytes of `mdat` these samples need."""
    return sum(run.size_bytes for run in runs)


def _boxes(data: bytes, at: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Kind, content and offset in the file of each box in `data`, which they must fill."""
    position = 0
    for _ in range(BOXES_MAX):
        left = len(data) - position
        if not left:
            return
        if left < 8:
            raise Rejected(f"offset {at + position}: {left} bytes are left over")
        size_bytes, kind = _PLAIN_HEAD.unpack_from(data, position)
        head_bytes = 8
        if not 8 <= size_bytes <= left:  # seldom: a long one, one to the end, or one that is wrong
            head = parse_box_head(data[position : position + 16], at + position)
            if head is None or head[0] > left:
                raise Rejected(f"offset {at + position}: a box {kind!r} is longer than what it is in")
            size_bytes, kind, head_bytes = head
        yield kind, data[position + head_bytes : position + size_bytes], at + position
        position += size_bytes
    raise Rejected(f"offset {at}: more than {BOXES_MAX} boxes in one")


def _child(data: bytes, wanted: bytes, at: int) -> tuple[bytes, int]:
    return _first(_boxes(data, at), wanted, at)


def _first(boxes: Iterable[tuple[bytes, bytes, int]], wanted: bytes, at: int) -> tuple[bytes, int]:
    for kind, content, offset in boxes:
        if kind == wanted:
            return content, offset
    raise Rejected(f"offset {at}: no {wanted.decode()} where one must be")


def _u32(data: bytes, position: int, at: int) -> int:
    if position + 4 > len(data):
        raise Rejected(f"offset {at}: a box is too short")
    return int(_U32.unpack_from(data, position)[0])


def _i64(data: bytes, position: int, at: int) -> int:
    # The standard says unsigned; libav (8.1, movenc.c) writes the priming of an AAC encoder as a negative time.
    if position + 8 > len(data):
        raise Rejected(f"offset {at}: a box is too short")
    return int(_I64.unpack_from(data, position)[0])


def _parse_trak(data: bytes, at: int) -> Track:
    tkhd, tkhd_at = _child(data, b"tkhd", at)
    mdia, mdia_at = _child(data, b"mdia", at)
    mdhd, mdhd_at = _child(mdia, b"mdhd", mdia_at)
    hdlr, _ = _child(mdia, b"hdlr", mdia_at)
    minf, minf_at = _child(mdia, b"minf", mdia_at)
    stbl, stbl_at = _child(minf, b"stbl", minf_at)
    stsd, stsd_at = _child(stbl, b"stsd", stbl_at)
    # Version 1 has 64-bit creation and modification times in front (8.3.2.2, 8.4.2.2).
    track_id = _u32(tkhd, 20 if tkhd[:1] == b"\x01" else 12, tkhd_at)
    timescale = _u32(mdhd, 20 if mdhd[:1] == b"\x01" else 12, mdhd_at)
    if timescale == 0:
        raise Rejected(f"offset {mdhd_at}: a time scale of 0")
    kind = _KINDS.get(hdlr[8:12], "other")
    entry = stsd[8:]
    sample_entry = entry[4:8]
    width = height = 0
    if kind == "video":
        # A visual sample entry: 8 of head, 8 common, 16 unused, then width and height (12.1.3.2).
        size = _u32(entry, 32, stsd_at)
        width, height = size >> 16, size & 0xFFFF
        if not (width and height):
            raise Rejected(f"offset {stsd_at}: a picture of {width}x{height}")
    codec = _CODECS.get(sample_entry, sample_entry.decode("ascii", "replace"))
    return Track(track_id, kind, codec, width, height, TimeBase(1, timescale))


def _with_defaults(track: Track, mvex: bytes, at: int) -> Track:
    for kind, content, offset in _boxes(mvex, at):
        if kind == b"trex" and _u32(content, 4, offset) == track.track_id:
            duration, size_bytes, flags = (_u32(content, position, offset) for position in (12, 16, 20))
            return replace(track, default_duration_ticks=duration, default_size_bytes=size_bytes, default_flags=flags)
    return track


def _joined(first: TrackRun, second: TrackRun) -> TrackRun:
    return replace(
        first,
        duration_ticks=first.duration_ticks + second.duration_ticks,
        samples=first.samples + second.samples,
        size_bytes=first.size_bytes + second.size_bytes,
    )


def _parse_traf(data: bytes, header: Header, at: int) -> TrackRun:
    found: dict[bytes, tuple[bytes, int]] = {}
    parts = []
    for kind, content, offset in _boxes(data, at):
        if kind == b"trun":
            parts.append((content, offset))
        else:
            found.setdefault(kind, (content, offset))
    if b"tfhd" not in found or b"tfdt" not in found:
        raise Rejected(f"offset {at}: no {'tfdt' if b'tfhd' in found else 'tfhd'} where one must be")
    (tfhd, tfhd_at), (tfdt, tfdt_at) = found[b"tfhd"], found[b"tfdt"]
    track = header.track(_u32(tfhd, 4, tfhd_at))
    if track is None:
        raise Rejected(f"offset {at}: a track that the header does not declare")
    defaults = _fragment_defaults(track, tfhd, tfhd_at)
    start_ticks = _i64(tfdt, 4, tfdt_at) if tfdt[:1] == b"\x01" else _u32(tfdt, 4, tfdt_at)
    if abs(start_ticks) > TICKS_MAX:
        raise Rejected(f"offset {tfdt_at}: a decode time of {start_ticks}")
    run: TrackRun | None = None
    for content, offset in parts:
        part = _parse_trun(content, track.track_id, defaults, start_ticks, offset)
        run = part if run is None else _joined(run, part)
    if run is None or not run.samples:
        raise Rejected(f"offset {at}: a track without samples")
    return run


class _Defaults(NamedTuple):
    """What holds of samples that do not say it themselves."""

    duration_ticks: int
    size_bytes: int
    flags: int


def _fragment_defaults(track: Track, tfhd: bytes, at: int) -> _Defaults:
    """The track's defaults, but for those that this fragment has of its own (8.8.7.1)."""
    flags = _u32(tfhd, 0, at) & 0x00FF_FFFF
    position = 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    duration, size_bytes, sample_flags = (
        track.default_duration_ticks,
        track.default_size_bytes,
        track.default_flags,
    )
    if flags & 0x8:
        duration, position = _u32(tfhd, position, at), position + 4
    if flags & 0x10:
        size_bytes, position = _u32(tfhd, position, at), position + 4
    if flags & 0x20:
        sample_flags = _u32(tfhd, position, at)
    return _Defaults(duration, size_bytes, sample_flags)


def _parse_trun(data: bytes, track_id: int, defaults: _Defaults, start_ticks: int, at: int) -> TrackRun:
    """The samples of one `trun` (8.8.8.2)."""
    flags = _u32(data, 0, at) & 0x00FF_FFFF
    samples = _u32(data, 4, at)
    position = 8 + (4 if flags & 0x1 else 0)
    first_flags = defaults.flags
    if flags & 0x4:
        first_flags = _u32(data, position, at)
        position += 4
    columns = (flags >> 8 & 0xF).bit_count()  # duration, size, flags, composition offset, in this order
    if samples > SAMPLES_MAX or len(data) - position < samples * 4 * columns:
        raise Rejected(f"offset {at}: a trun tells of {samples} samples that are not there")
    numbers = struct.unpack_from(f">{samples * columns}I", data, position)
    duration_ticks, size_bytes = samples * defaults.duration_ticks, samples * defaults.size_bytes
    column = 0
    if flags & 0x100:
        duration_ticks, column = sum(numbers[::columns]), 1
    if flags & 0x200:
        size_bytes, column = sum(numbers[column::columns]), column + 1
    if flags & 0x400 and samples:
        first_flags = numbers[column]
    is_keyframe = samples > 0 and not first_flags & _NOT_A_KEYFRAME
    return TrackRun(track_id, start_ticks, duration_ticks, samples, is_keyframe, size_bytes)
