"""What a segment file's bytes say: header, fragments, trailer, hashes, and the facts that follow from them.

A segment is a fragmented MP4 (ISO 14496-12): `ftyp` and `moov` (the header), then `moof` + `mdat` pairs (fragments),
then our trailer, a `uuid` box that names camera, stream, run and times and holds the hash of everything before it.
The same scanner reads a file while it is written and one that a crash left behind, in pieces of any length.

Bytes may be anything: whatever they are, the answer is a value or Rejected, after work proportional to their number.
A fragment's range begins where the one before ended, so that ranges touch and a small box in front of a `moof`
belongs to it. It knows nothing of files on a disk, nor of what is inside a picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.shared.errors import Rejected
from components.shared.wire.segment_boxes import (
    HEADER_BYTES_MAX,
    MOOF_BYTES_MAX,
    Header,
    TrackRun,
    parse_box_head,
    parse_moof,
    parse_moov,
    samples_bytes,
)
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.segment_trailer import (
    TRAILER_BYTES_MAX,
    Trailer,
    decode_trailer,
    encode_trailer,
    is_trailer,
)
from components.shared.wire.units import WallNs

__all__ = [
    "FRAGMENTS_MAX",
    "PART_BYTES",
    "Fragment",
    "FragmentScanner",
    "Header",
    "Scan",
    "SegmentHasher",
    "TrackRun",
    "Trailer",
    "decode_trailer",
    "encode_trailer",
    "facts_from_file",
    "facts_of",
    "gop_index",
    "media_duration_ns",
    "scan",
]

PART_BYTES = 8 * 1024 * 1024
"""The part size of multipart uploads: the hashes of parts taken while recording are S3's checksums later."""

FRAGMENTS_MAX = 100_000
"""600 s of a fragment per picture at 60 pictures a second is 36 000; beyond this it is no segment of ours."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A complete `moof` and `mdat`, and what each track has in it."""

    offset_bytes: int
    size_bytes: int
    tracks: tuple[TrackRun, ...]

    @property
    def end_bytes(self) -> int:
        """Where it ends in the file."""
        return self.offset_bytes + self.size_bytes

    def track(self, track_id: int) -> TrackRun | None:
        """What a track has in it, or None."""
        return next((track for track in self.tracks if track.track_id == track_id), None)


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a file, from its start to its end or to the first byte that makes no sense (`fault`).

    `complete_bytes` is where the last complete fragment ends (or the header, without one): what comes after it, the
    trailer apart, is not footage. `ends_whole` tells that no box is cut off at the end.
    """

    header: Header | None
    fragments: tuple[Fragment, ...]
    trailer: Trailer | None
    complete_bytes: int
    size_bytes: int
    fault: str | None
    ends_whole: bool


class FragmentScanner:
    """Finds the fragments of a segment in bytes that arrive in pieces; keeps no footage."""

    def __init__(self, fragments_max: int = FRAGMENTS_MAX) -> None:
        """At the start of a file."""
        self.header: Header | None = None
        self.trailer: Trailer | None = None
        self.complete_bytes = 0
        self.fed_bytes = 0
        self._held = bytearray()  # the start of a box that is not complete yet
        self._at = 0  # where `_held` begins in the file
        self._skip_bytes = 0  # of a box whose content does not matter
        self._moof: tuple[TrackRun, ...] | None = None
        self._mdat: tuple[TrackRun, ...] | None = None  # what the mdat being skipped holds
        self._fragments_left = fragments_max
        self._fault: str | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes kept until their box is whole: never footage, and never more than the limit of one box."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Fragment]:
        """The fragments that these bytes complete. Bytes that make no sense are Rejected, as is all after them."""
        if self._fault is not None:
            raise Rejected(self._fault)
        self.fed_bytes += len(data)
        found: list[Fragment] = []
        view = memoryview(data)
        try:
            while view or self._held:
                if self._skip_bytes:
                    taken = min(self._skip_bytes, len(view))
                    view = view[taken:]
                    self._skip_bytes -= taken
                    self._at += taken
                    if self._skip_bytes:
                        break
                    found.extend(self._ended())
                    continue
                view = self._take(view)
                if not self._skip_bytes and self._held:
                    break
        except Rejected as error:
            self._fault = str(error)
            # What was complete before the fault is told first; the next call tells the fault.
            if not found:
                raise
        return found

    @property
    def is_between_boxes(self) -> bool:
        """Whether every box so far is complete, and so is every fragment."""
        return not self._skip_bytes and not self._held and self._moof is None

    def result(self, fragments: Sequence[Fragment], size_bytes: int, fault: str | None) -> Scan:
        """All of it, when there are no more bytes, or a fault was told."""
        trailer = self.trailer if fault is None else None
        whole = fault is None and self.is_between_boxes
        return Scan(self.header, tuple(fragments), trailer, self.complete_bytes, size_bytes, fault, whole)

    @property
    def skippable_bytes(self) -> int:
        """How many of the next bytes have no effect but their number: a reader may seek over them and `skip`."""
        return self._skip_bytes

    def skip(self, count: int) -> list[Fragment]:
        """As `feed` of the next `count` bytes, at most `skippable_bytes`, without their being read."""
        if self._fault is not None:
            raise Rejected(self._fault)
        count = min(count, self._skip_bytes)
        self.fed_bytes += count
        self._skip_bytes -= count
        self._at += count
        return self._ended() if count and not self._skip_bytes else []

    def _take(self, view: memoryview) -> memoryview:
        """Holds what the box at hand needs and reads it when it is whole; gives the rest."""
        size_bytes, kind, head_bytes = 0, b"", 8
        while True:
            wanted = self._wanted(size_bytes, kind) if kind else head_bytes
            missing = wanted - len(self._held)
            if missing > 0:
                self._held += view[:missing]
                view = view[missing:]
            if len(self._held) < wanted:
                return view
            if kind:
                break
            head = parse_box_head(bytes(self._held), self._at)
            if head is None:
                head_bytes = 16
                continue
            size_bytes, kind, head_bytes = head
            if self.trailer is not None:
                raise Rejected(f"offset {self._at}: there is more after the trailer")
        self._begun(size_bytes, kind, head_bytes, wanted)
        return view

    def _wanted(self, size_bytes: int, kind: bytes) -> int:
        """How much of a box must be held: all of those that are read, the head alone of others."""
        limit = {b"moov": HEADER_BYTES_MAX, b"moof": MOOF_BYTES_MAX}.get(kind)
        if limit is not None and size_bytes > limit:
            raise Rejected(f"offset {self._at}: a {kind.decode()} of {size_bytes} bytes, the limit is {limit}")
        if limit is not None or (kind == b"uuid" and size_bytes <= TRAILER_BYTES_MAX):
            return size_bytes
        return 0

    def _begun(self, size_bytes: int, kind: bytes, head_bytes: int, wanted: int) -> None:
        """Reads a box that is held whole, or begins to skip one."""
        held, at = bytes(self._held), self._at
        consumed = wanted or len(held)
        self._held.clear()
        self._at += consumed
        self._skip_bytes = size_bytes - consumed
        if self._skip_bytes < 0:
            raise Rejected(f"offset {at}: a box of {size_bytes} bytes is smaller than its head")
        if at == 0 and kind != b"ftyp":
            raise Rejected(f"offset 0: the file begins with {kind!r}, not with ftyp")
        if kind == b"moov":
            if self.header is not None:
                raise Rejected(f"offset {at}: a second moov")
            self.header = parse_moov(held[head_bytes:], self._at)
            self.complete_bytes = self._at
        elif kind == b"moof":
            if self.header is None:
                raise Rejected(f"offset {at}: a fragment before the header")
            if self._moof is not None:
                raise Rejected(f"offset {at}: a second moof where a mdat was due")
            self._moof = parse_moof(held[head_bytes:], self.header, at)
        elif kind == b"mdat":
            self._mdat_begun(size_bytes - head_bytes, at)
        elif kind == b"uuid" and wanted and is_trailer(held):
            self.trailer = decode_trailer(held)
            if self.trailer.offset_bytes != at:
                raise Rejected(f"offset {at}: the trailer says that it is at {self.trailer.offset_bytes}")

    def _mdat_begun(self, body_bytes: int, at: int) -> None:
        if self._moof is None:
            raise Rejected(f"offset {at}: a mdat without its moof")
        if samples_bytes(self._moof) > body_bytes:
            raise Rejected(f"offset {at}: the mdat is shorter than its samples")
        self._mdat, self._moof = self._moof, None
        if not self._skip_bytes:
            raise Rejected(f"offset {at}: an empty mdat")

    def _ended(self) -> list[Fragment]:
        """A box was skipped to its end: when it was a mdat, a fragment is complete."""
        if self._mdat is None:
            return []
        fragment = Fragment(self.complete_bytes, self._at - self.complete_bytes, self._mdat)
        self._mdat = None
        if not self._fragments_left:
            raise Rejected(f"offset {self._at}: too many fragments for a segment")
        self._fragments_left -= 1
        self.complete_bytes = self._at
        return [fragment]


class SegmentHasher:
    """SHA-256 of the whole and of each part of PART_BYTES, taken while the bytes go by.

    Within the first part the two are one hash: hashing is a third of what recording costs.
    """

    def __init__(self) -> None:
        """Before the first byte."""
        self._whole = hashlib.sha256()
        self._part: hashlib._Hash | None = None  # None in the first part, whose hash is the whole's
        self._part_bytes = 0
        self._parts: list[str] = []

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the file."""
        view = memoryview(data)
        while view:
            taken = view[: PART_BYTES - self._part_bytes]
            self._whole.update(taken)
            if self._part is not None:
                self._part.update(taken)
            self._part_bytes += len(taken)
            view = view[len(taken) :]
            if self._part_bytes == PART_BYTES:
                self._parts.append(self._part_sha256())
                self._part, self._part_bytes = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in lower-case hex."""
        return self._whole.hexdigest()

    @property
    def part_sha256s(self) -> tuple[str, ...]:
        """Of each part so far, the last one as long as it is."""
        return (*self._parts, self._part_sha256()) if self._part_bytes else tuple(self._parts)

    def _part_sha256(self) -> str:
        return (self._part or self._whole).hexdigest()


def scan(chunks: Iterable[bytes]) -> Scan:
    """What is found in a file that is given in pieces; never raises, whatever the bytes are."""
    scanner = FragmentScanner()
    fragments: list[Fragment] = []
    fault = None
    size_bytes = 0
    for chunk in chunks:
        size_bytes += len(chunk)
        if fault is not None:
            continue
        try:
            fragments.extend(scanner.feed(chunk))
            # A fault behind complete fragments is told by the next call.
            scanner.feed(b"")
        except Rejected as error:
            fault = str(error)
    return scanner.result(fragments, size_bytes, fault)


def gop_index(header: Header, fragments: Sequence[Fragment]) -> tuple[Gop, ...]:
    """The fragments joined to ranges that start with a keyframe.

    What comes before the first keyframe, if anything, is the first range: it is footage too, only not seekable.
    """
    video = header.video
    gops: list[Gop] = []
    begun_ticks = 0
    end_ticks: int | None = None
    offset_bytes = 0
    for fragment in fragments:
        run = fragment.track(video.track_id)
        if run is None:
            continue
        if end_ticks is None:
            begun_ticks, offset_bytes = run.start_ticks, fragments[0].offset_bytes
        elif run.start_ticks < begun_ticks:
            raise Rejected(f"offset {fragment.offset_bytes}: decode times go back to {run.start_ticks}")
        elif run.starts_with_keyframe:
            size_bytes = fragment.offset_bytes - offset_bytes
            gops.append(Gop(offset_bytes, size_bytes, run.start_ticks - begun_ticks))
            begun_ticks, offset_bytes = run.start_ticks, fragment.offset_bytes
        end_ticks = run.start_ticks + run.duration_ticks
    if end_ticks is None:
        raise Rejected("there is no complete fragment with video")
    gops.append(Gop(offset_bytes, fragments[-1].end_bytes - offset_bytes, end_ticks - begun_ticks))
    return tuple(gops)


def media_duration_ns(header: Header, fragments: Sequence[Fragment]) -> int:
    """How long the video of these fragments lasts by its own decode times."""
    return header.video.time_base.to_ns(sum(gop.duration_ticks for gop in gop_index(header, fragments)))


def facts_of(
    header: Header,
    fragments: Sequence[Fragment],
    start_ns: WallNs,
    end_ns: WallNs,
    run: str,
    size_bytes: int,
    sha256: str,
) -> SegmentFacts:
    """The facts of a file with this header and these fragments; without video they are Rejected.

    `size_bytes` and `sha256` are of the whole file, trailer included.
    """
    video = header.video
    gops = gop_index(header, fragments)
    runs = [run for run in (fragment.track(video.track_id) for fragment in fragments) if run is not None]
    return SegmentFacts(
        start_ns=start_ns,
        end_ns=end_ns,
        run=run,
        codec=video.codec,
        width=video.width,
        height=video.height,
        frames=sum(run.samples for run in runs),
        size_bytes=size_bytes,
        sha256=sha256,
        time_base=video.time_base,
        start_ticks=runs[0].start_ticks,
        init_bytes=header.init_bytes,
        gops=gops,
    )


def facts_from_file(chunks: Iterable[bytes]) -> tuple[SegmentFacts, tuple[str, ...], Trailer]:
    """The facts, part hashes and trailer of a complete file: its trailer says whose it is and proves its bytes.

    Rejected when anything is missing, torn or different from what the trailer says.
    """
    hasher = SegmentHasher()
    tail = bytearray()
    before_tail = hashlib.sha256()

    def passing() -> Iterable[bytes]:
        for chunk in chunks:
            hasher.feed(chunk)
            # Everything but the last bytes is surely before the trailer: the rest is hashed when its place is known.
            tail.extend(chunk)
            surplus = len(tail) - TRAILER_BYTES_MAX
            if surplus > 0:
                before_tail.update(tail[:surplus])
                del tail[:surplus]
            yield chunk

    found = scan(passing())
    if found.fault is not None:
        raise Rejected(found.fault)
    if found.trailer is None or found.header is None:
        raise Rejected("the file has no trailer")
    trailer = found.trailer
    before_tail.update(tail[: len(tail) - (found.size_bytes - trailer.offset_bytes)])
    if before_tail.hexdigest() != trailer.sha256:
        raise Rejected("the file's bytes are not those that its trailer was made for")
    facts = facts_of(
        *(found.header, found.fragments, trailer.start_ns, trailer.end_ns, trailer.run),
        *(found.size_bytes, hasher.sha256),
    )
    if (facts.frames, facts.start_ticks, facts.time_base) != (trailer.frames, trailer.start_ticks, trailer.time_base):
        raise Rejected(f"the trailer tells of {trailer.frames} frames, the file has {facts.frames}")
    return facts, hasher.part_sha256s, trailer
