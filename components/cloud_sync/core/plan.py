"""What is to be uploaded: from a closed segment or a thumbnail to an object with key, metadata and priority.

Order: thumbnails before segments, because they give the overview of a day for a thousandth of its bytes; within a
kind the oldest first. Oldest first, also after days without a network: retention deletes the oldest footage first, so
this order loses least, and every segment waits the same time. Fresh footage first would look better at once, but on a
link that does not keep up the old would never be sent. An object that fails waits by itself and holds up nobody.

The key follows from the segment's id alone, never from where the file lies, so that the same segment has the same key
whenever and however often it is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.cloud_sync.core.checksums import s3_form
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import Kind, ObjectName, StreamName, object_key, stream_stem
from components.shared.wire.segment_metadata import TRACE_METADATA, SegmentFacts
from components.shared.wire.trace import trace_of_segment
from components.shared.wire.units import parse_stamp

THUMBNAIL_PRIORITY = 0
SEGMENT_PRIORITY = 10  # between the two is room for the footage of events

CONTENT_TYPES: Mapping[str, str] = {"segment": "video/mp4", "thumbnail": "image/jpeg"}

_METADATA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to become an object; the hashes are lower-case hex, of the whole and of each 8 MiB part."""

    key: str
    kind: Literal["segment", "thumbnail"]
    camera: str
    segment: str
    volume: str
    path: str
    size_bytes: int
    sha256: str
    priority: int
    metadata: Mapping[str, str]
    part_sha256s: Sequence[str] = field(default=())


def wanted_segment(
    thing: str, camera: str, segment: str, volume: str, path: str, facts: SegmentFacts, part_sha256s: Sequence[str]
) -> Wanted:
    """The object of a closed segment; Rejected when its id or hash is none."""
    s3_form(facts.sha256)
    return Wanted(
        key=object_key(thing, name_of(camera, segment, "mp4")),
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
    )


def wanted_thumbnail(
    thing: str, camera: str, segment: str, volume: str, path: str, size_bytes: int, sha256: str
) -> Wanted:
    """The object of a segment's thumbnail; Rejected when its id or hash is none."""
    s3_form(sha256)
    return Wanted(
        key=object_key(thing, name_of(camera, segment, "jpg")),
        kind="thumbnail",
        camera=camera,
        segment=segment,
        volume=volume,
        path=path,
        size_bytes=size_bytes,
        sha256=sha256,
        priority=THUMBNAIL_PRIORITY,
        metadata={"nvr-version": _METADATA_VERSION, "nvr-sha256": sha256, **traced(thing, segment)},
    )


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
