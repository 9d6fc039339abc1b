"""What is to be uploaded: from a closed segment, a thumbnail or a clip to an object with key, metadata and place.

Order, by priority and within it by rank, the lowest first:

- thumbnails: the overview of a day for a thousandth of its bytes; of events first, the newest first, then the oldest
- what somebody in the cloud waits for (`span/pull`), the oldest first
- footage of events, the newest event first: also behind days of backlog somebody looks at what is happening now
- all other footage, the oldest first: retention deletes the oldest first, so this order loses least, and on a link
  that does not keep up the old would never be sent otherwise

A place at the front is no place in hand: `lanes` keeps one free for those in front. An object that fails waits by
itself and holds up nobody.

The key follows from the segment's id alone, never from where the file lies, so that the same segment has the same key
whenever and however often it is found. That of a clip follows from the pictures that are in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.cloud_sync.core.checksums import s3_form
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import Kind, ObjectName, StreamName, object_key, stream_stem
from components.shared.wire.segment_metadata import (
    REASON_ID_METADATA,
    REASON_METADATA,
    SEGMENT_METADATA,
    TRACE_METADATA,
    SegmentFacts,
)
from components.shared.wire.trace import trace_of_segment
from components.shared.wire.units import NS_PER_MS, parse_stamp

THUMBNAIL_PRIORITY = 0
PULLED_PRIORITY = 3
EVENT_PRIORITY = 5
SEGMENT_PRIORITY = 10
PRIORITY_MAX = 1_000

REST_AT_ONCE_MAX = 2
"""Segments of no event under way at once: one connection rarely fills a link."""

FOOTAGE_AT_ONCE_MAX = 3
"""Footage under way at once, that of events included: a new event finds a place within a request's beginning."""

WORKERS = 4
"""Objects under way at once: one more than footage, so that an alert's picture waits for none of it."""

THUMBNAILS_AT_ONCE_MAX = 3
"""Thumbnails under way at once, so that a backlog of them does not hold up the footage of an event."""

CONTENT_TYPES: Mapping[str, str] = {"segment": "video/mp4", "clip": "video/mp4", "thumbnail": "image/jpeg"}

_METADATA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to become an object; the hashes are lower-case hex, of the whole and of each 8 MiB part.

    `ranges` are the parts of the file that the object is made of, `(offset_bytes, size_bytes)`; none is all of it.
    """

    key: str
    kind: Literal["segment", "thumbnail", "clip"]
    camera: str
    segment: str
    volume: str
    path: str
    size_bytes: int
    sha256: str
    priority: int
    metadata: Mapping[str, str]
    part_sha256s: Sequence[str] = field(default=())
    rank: int = 0
    ranges: tuple[tuple[int, int], ...] = ()


def wanted_segment(
    thing: str, camera: str, segment: str, volume: str, path: str, facts: SegmentFacts, part_sha256s: Sequence[str]
) -> Wanted:
    """The object of a closed segment; Rejected when its id or hash is none."""
    s3_form(facts.sha256)
    name = name_of(camera, segment, "mp4")
    return Wanted(
        key=object_key(thing, name),
        kind="segment",
        camera=camera,
        segment=segment,
        volume=volume,
        path=path,
        size_bytes=facts.size_bytes,
        sha256=facts.sha256,
        priority=SEGMENT_PRIORITY,
        metadata=segment_metadata.encode(facts) | traced(thing, segment),
        part_sha256s=tuple(part_sha256s),
        rank=name.start_ns,
    )


def wanted_thumbnail(
    thing: str, camera: str, segment: str, volume: str, path: str, size_bytes: int, sha256: str
) -> Wanted:
    """The object of a segment's thumbnail; Rejected when its id or hash is none."""
    s3_form(sha256)
    name = name_of(camera, segment, "jpg")
    return Wanted(
        key=object_key(thing, name),
        kind="thumbnail",
        camera=camera,
        segment=segment,
        volume=volume,
        path=path,
        size_bytes=size_bytes,
        sha256=sha256,
        priority=THUMBNAIL_PRIORITY,
        metadata={"nvr-version": _METADATA_VERSION, "nvr-sha256": sha256, **traced(thing, segment)},
        rank=name.start_ns,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """The segment that a clip is a part of, and where its file is."""

    camera: str
    stream: StreamName
    segment: str
    volume: str
    path: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why a clip is made, with the id of that, and its place in the queue."""

    reason: Literal["event", "bookmark", "pull"]
    id: str
    priority: int
    rank: int


def wanted_clip(
    thing: str,
    source: Place,
    facts: SegmentFacts,
    part_sha256s: Sequence[str],
    ranges: tuple[tuple[int, int], ...],
    why: Why,
) -> Wanted:
    """The object of a part of a segment; the facts are the clip's own, of the bytes of its ranges."""
    duration_ms = (facts.end_ns - facts.start_ns) // NS_PER_MS
    name = ObjectName(source.camera, source.stream, facts.start_ns, "clip", duration_ms)
    return Wanted(
        key=object_key(thing, name),
        kind="clip",
        camera=source.camera,
        segment=source.segment,
        volume=source.volume,
        path=source.path,
        size_bytes=facts.size_bytes,
        sha256=facts.sha256,
        priority=why.priority,
        metadata={
            **segment_metadata.encode(facts),
            SEGMENT_METADATA: source.segment,
            REASON_METADATA: why.reason,
            REASON_ID_METADATA: why.id,
            **traced(thing, source.segment),
        },
        part_sha256s=tuple(part_sha256s),
        rank=why.rank,
        ranges=ranges,
    )


def lanes(under_way: Collection[int]) -> list[tuple[int, int]]:
    """The lowest and highest priority that a free worker may take, best choice first, by those that are under way.

    Several choices are taken in turn until one finds something.
    """
    pictures = sum(priority == THUMBNAIL_PRIORITY for priority in under_way)
    rest = sum(priority >= SEGMENT_PRIORITY for priority in under_way)
    footage = len(under_way) - pictures
    if footage >= FOOTAGE_AT_ONCE_MAX:
        return [(THUMBNAIL_PRIORITY, THUMBNAIL_PRIORITY)]
    highest = SEGMENT_PRIORITY - 1 if rest >= REST_AT_ONCE_MAX else PRIORITY_MAX
    if pictures >= THUMBNAILS_AT_ONCE_MAX:
        return [(PULLED_PRIORITY, highest), (THUMBNAIL_PRIORITY, highest)]
    return [(THUMBNAIL_PRIORITY, highest)]


def traced(thing: str, segment: str) -> dict[str, str]:
    """The trace of a segment, as metadata of every object that is made of it."""
    return {TRACE_METADATA: trace_of_segment(thing, segment)}


def name_of(camera: str, segment: str, kind: Kind) -> ObjectName:
    """The name of a segment's object of that kind, read from the segment's id."""
    stem, _, stamp = segment.rpartition("_")
    streams: tuple[StreamName, ...] = ("main", "sub")
    for stream in streams:
        if stem == stream_stem(camera, stream):
            return ObjectName(camera, stream, parse_stamp(stamp), kind)
    raise Rejected(f"camera {camera}, segment {segment}: the id is not of this camera")
