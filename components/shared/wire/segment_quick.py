"""Reads a segment file in the form that our recorder writes, from as few of its bytes as possible and quickly.

For looking at hundreds of thousands of files: the same answer as a full scan of the heads, or none. None is no verdict;
it says that something is unusual, damaged or missing, and that the file is one for the thorough reader
(`segment_file`). What is unusual is whatever libav does not write for us: 64-bit boxes, several `trun` in a `traf`,
boxes of other kinds. Headers repeat from file to file of a run, so they are parsed once and remembered by their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from components.shared.errors import Rejected
from components.shared.wire.segment_boxes import (
    HEADER_BYTES_MAX,
    MOOF_BYTES_MAX,
    SAMPLES_MAX,
    TICKS_MAX,
    Header,
    Track,
    parse_moov,
)
from components.shared.wire.segment_metadata import Gop
from components.shared.wire.segment_trailer import TRAILER_BYTES_MAX, Trailer, decode_trailer, is_trailer

WINDOW_BYTES = 4096
"""Read at a time: a header, a `moof` of a second or a trailer fits, and a small file as a whole."""

HEADERS_MAX = 1_000
"""Headers remembered: one per run, some hundred bytes each."""

FRAGMENTS_MAX = 100_000

_HEAD = struct.Struct(">I4s")
_FULL_BOX = struct.Struct(">I4sI")
_NUMBERED_BOX = struct.Struct(">I4sII")
_U32 = struct.Struct(">I")
_I64 = struct.Struct(">q")
_NOT_A_KEYFRAME = 0x0001_0000

_FIELDS = [
    {bit: place for place, bit in enumerate(bit for bit in (0x100, 0x200, 0x400, 0x800) if flags << 8 & bit)}
    for flags in range(16)
]
"""Which field of a sample stands where, by the four flags of a `trun` that say which there are (8.8.8.2)."""

Read = Callable[[int, int], bytes]
"""`read(offset, count)` gives at most so many bytes of the file, fewer at its end."""


@dataclass(frozen=True, slots=True)
class Quick:
    """What a complete file says of itself."""

    header: Header
    trailer: Trailer
    gops: tuple[Gop, ...]
    frames: int
    start_ticks: int


_Part = tuple[int, int, int, int, int]
"""What a track has in a fragment: start and duration in ticks, samples, 1 if it starts with a keyframe, bytes."""


@dataclass(frozen=True, slots=True)
class _Known:
    header: Header
    video_id: int
    tracks: dict[int, Track]


class QuickReader:
    """Reads file after file. Not for several threads."""

    def __init__(self) -> None:
        """Knows no header yet."""
        self._headers: dict[bytes, _Known] = {}

    def read(self, read: Read, size_bytes: int) -> Quick | None:
        """What a file of that length says, or None when it is one for the thorough reader."""
        try:
            return self._read(_Window(read), size_bytes)
        except (struct.error, Rejected):
            return None

    def _read(self, window: _Window, size_bytes: int) -> Quick | None:
        known = self._header(window)
        if known is None:
            return None
        header, video_id, tracks = known.header, known.video_id, known.tracks
        at = begun = header.init_bytes
        gops: list[Gop] = []
        frames = 0
        first_ticks = begun_ticks = end_ticks = None
        for _ in range(FRAGMENTS_MAX):
            box_bytes, kind = _HEAD.unpack(window.at(at, 8))
            if kind == b"uuid":
                break
            if kind != b"moof" or not 8 < box_bytes <= MOOF_BYTES_MAX:
                return None
            moof = window.at(at, box_bytes + 8)
            parts = _moof(moof, box_bytes, tracks)
            mdat_bytes = _mdat_bytes(moof, box_bytes, parts)
            if not mdat_bytes:
                return None
            part = parts.get(video_id)
            if part is not None:
                start_ticks, duration_ticks, samples, is_keyframe, _ = part
                if begun_ticks is None:
                    first_ticks = begun_ticks = start_ticks
                elif start_ticks < begun_ticks:
                    return None
                elif is_keyframe:
                    gops.append(Gop(begun, at - begun, start_ticks - begun_ticks))
                    begun, begun_ticks = at, start_ticks
                end_ticks = start_ticks + duration_ticks
                frames += samples
            at += box_bytes + mdat_bytes
        trailer = _trailer(window, at, size_bytes)
        if trailer is None or first_ticks is None or begun_ticks is None or end_ticks is None:
            return None
        gops.append(Gop(begun, at - begun, end_ticks - begun_ticks))
        said = (trailer.offset_bytes, trailer.frames, trailer.start_ticks, trailer.time_base)
        if said != (at, frames, first_ticks, header.video.time_base):
            return None
        return Quick(header, trailer, tuple(gops), frames, first_ticks)

    def _header(self, window: _Window) -> _Known | None:
        ftyp_bytes, ftyp = _HEAD.unpack(window.at(0, 8))
        if ftyp != b"ftyp" or not 8 <= ftyp_bytes <= WINDOW_BYTES:
            return None
        moov_bytes, moov = _HEAD.unpack(window.at(ftyp_bytes, 8))
        if moov != b"moov" or not 8 < moov_bytes <= HEADER_BYTES_MAX:
            return None
        end = ftyp_bytes + moov_bytes
        whole = window.at(0, end)
        if len(whole) < end:
            return None
        known = self._headers.get(whole)
        if known is None:
            header = parse_moov(whole[ftyp_bytes + 8 :], end)
            known = _Known(header, header.video.track_id, {track.track_id: track for track in header.tracks})
            if len(self._headers) >= HEADERS_MAX:
                self._headers.clear()
            self._headers[whole] = known
        return known


class _Window:
    """Bytes of a file at any offset, read in larger pieces."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._begin = 0
        self._bytes = read(0, WINDOW_BYTES)

    def at(self, offset: int, count: int) -> bytes:
        """The bytes there; fewer where the file ends."""
        begin = offset - self._begin
        if begin < 0 or begin + count > len(self._bytes):
            self._begin, begin = offset, 0
            self._bytes = self._read(offset, max(count, WINDOW_BYTES))
        return self._bytes[begin : begin + count]


def _mdat_bytes(moof: bytes, at: int, parts: dict[int, _Part]) -> int:
    """The length of the `mdat` behind a `moof`; 0 when it is none that holds these samples."""
    mdat_bytes, mdat = _HEAD.unpack_from(moof, at)
    samples_bytes = sum([part[4] for part in parts.values()])
    return int(mdat_bytes) if parts and mdat == b"mdat" and mdat_bytes > 8 and mdat_bytes - 8 >= samples_bytes else 0


def _moof(moof: bytes, end: int, tracks: dict[int, Track]) -> dict[int, _Part]:
    """What the tracks have in a fragment (`mfhd`, and per track `traf` of `tfhd`, `tfdt`, `trun`), or nothing."""
    mfhd_bytes, mfhd = _HEAD.unpack_from(moof, 8)
    if mfhd != b"mfhd":
        return {}
    parts: dict[int, _Part] = {}
    at = 8 + mfhd_bytes
    while at < end:
        traf_bytes, traf = _HEAD.unpack_from(moof, at)
        if traf != b"traf" or at + traf_bytes > end:
            return {}
        tfhd_bytes, tfhd, flags, track_id = _NUMBERED_BOX.unpack_from(moof, at + 8)
        track = tracks.get(track_id)
        if tfhd != b"tfhd" or track is None or track_id in parts:
            return {}
        defaults = _defaults(moof, at + 24, flags, track)
        part = _tfdt_and_trun(moof, at + 8 + tfhd_bytes, at + traf_bytes, defaults)
        if part is None:
            return {}
        parts[track_id] = part
        at += traf_bytes
    return parts if at == end else {}


def _tfdt_and_trun(moof: bytes, at: int, end: int, defaults: tuple[int, int, int]) -> _Part | None:
    duration, size_bytes, sample_flags = defaults
    tfdt_bytes, tfdt, version = _FULL_BOX.unpack_from(moof, at)
    if tfdt != b"tfdt":
        return None
    start_ticks = (_I64 if version >> 24 == 1 else _U32).unpack_from(moof, at + 12)[0]
    at += tfdt_bytes
    trun_bytes, trun, flags, samples = _NUMBERED_BOX.unpack_from(moof, at)
    if trun != b"trun" or at + trun_bytes != end or not 0 < samples <= SAMPLES_MAX or abs(start_ticks) > TICKS_MAX:
        return None
    position = at + 16 + (4 if flags & 0x1 else 0)
    if flags & 0x4:
        sample_flags = _U32.unpack_from(moof, position)[0]
        position += 4
    places = _FIELDS[flags >> 8 & 0xF]
    width = len(places)
    if position + 4 * samples * width > end:
        return None
    numbers = struct.unpack_from(f">{samples * width}I", moof, position)
    duration_ticks = sum(numbers[places[0x100] :: width]) if 0x100 in places else duration * samples
    total_bytes = sum(numbers[places[0x200] :: width]) if 0x200 in places else size_bytes * samples
    if 0x400 in places:
        sample_flags = numbers[places[0x400]]
    return start_ticks, duration_ticks, samples, int(not sample_flags & _NOT_A_KEYFRAME), total_bytes


def _defaults(moof: bytes, at: int, flags: int, track: Track) -> tuple[int, int, int]:
    """Duration, size and flags of samples that do not say their own, in this fragment (ISO 14496-12, 8.8.7.1)."""
    duration, size_bytes, sample_flags = track.default_duration_ticks, track.default_size_bytes, track.default_flags
    at += (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    if flags & 0x8:
        duration = _U32.unpack_from(moof, at)[0]
        at += 4
    if flags & 0x10:
        size_bytes = _U32.unpack_from(moof, at)[0]
        at += 4
    if flags & 0x20:
        sample_flags = _U32.unpack_from(moof, at)[0]
    return duration, size_bytes, sample_flags


def _trailer(window: _Window, at: int, end: int) -> Trailer | None:
    """The trailer from there to the end of the file, or None."""
    if not 24 < end - at <= TRAILER_BYTES_MAX:
        return None
    box = window.at(at, end - at)
    return decode_trailer(box) if is_trailer(box) else None
