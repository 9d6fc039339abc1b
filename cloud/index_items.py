"""The items of the index of footage: their keys, and what they say. Pure.

    pk  SEG#{thing}#{camera}#{yyyy-mm-dd}       sk  {stream}#{start}          a segment, with its picture and details
    pk  {KIND}#{thing}#{camera}#{yyyy-mm-dd}    sk  {stream}#{start}          an object of another kind: CLIP
    pk  CAMERAS                                 sk  {thing}#{stream's stem}   a stream that has had an object

    by-time    {thing}#{yyyy-mm-dd}             {start}#{stream's stem}       segments
    by-label   {thing}                          {start}#{stream's stem}       objects that show an event

Days are those in UTC on which a thing begins; `start` is as in its key, so that texts sort by time. An event may have
several labels, so that a label is no key: who asks for one reads the events of the time and leaves out the others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.object_keys import ObjectName, StreamName, check_thing, split_stem, stream_stem
from components.shared.wire.segment_metadata import Gop, unpack_gops
from components.shared.wire.units import Span, TimeBase, WallNs, format_iso, format_stamp, to_datetime

BY_TIME = "by-time"
BY_LABEL = "by-label"
CAMERAS = "CAMERAS"
SEGMENT = "SEG"

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB gives it."""

Facts = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, order=True)
class IndexedStream:
    """A stream of which the index has, or has had, an object."""

    thing: str
    camera: str
    stream: StreamName


@dataclass(frozen=True, slots=True)
class IndexedSegment:
    """A segment as the index has it. `end_ns` is None where nobody told it; `facts` is empty in the index `by-time`."""

    camera: str
    stream: StreamName
    start_ns: WallNs
    end_ns: WallNs | None
    object_key: str
    size_bytes: int
    thumbnail_key: str | None
    details_key: str | None
    facts: Facts

    @property
    def gops(self) -> tuple[Gop, ...]:
        """The byte ranges that begin with a keyframe; none where the metadata told none. Rejected when damaged."""
        try:
            return unpack_gops(base64.b64decode(str(self.facts.get("gops", "")), validate=True))
        except binascii.Error as error:
            raise Rejected(f"item of {self.object_key}: gops is not base64: {error}") from error

    @property
    def time_base(self) -> TimeBase | None:
        """Seconds per tick of the GOPs' durations, None where the metadata told none."""
        numerator, _, denominator = str(self.facts.get("time_base", "")).partition("/")
        return TimeBase(int(numerator), int(denominator)) if numerator else None


@dataclass(frozen=True, slots=True)
class IndexedEvent:
    """An object that shows an event, a clip say. `event` is the site's own id of it."""

    kind: str
    camera: str
    stream: StreamName
    event: str
    labels: tuple[str, ...]
    start_ns: WallNs
    end_ns: WallNs | None
    object_key: str
    size_bytes: int
    facts: Facts


def day_of(wall_ns: int) -> str:
    """The UTC day of a time: yyyy-mm-dd."""
    return format_iso(wall_ns)[:10]


def days_of(span: Span) -> Iterator[str]:
    """The UTC days that a span touches, in order; none for an empty span."""
    if span.duration_ns == 0:
        return
    day, last = (to_datetime(moment).date() for moment in (span.start_ns, span.end_ns - 1))
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)


def partition(prefix: str, thing: str, camera: str, day: str) -> str:
    """The partition of a camera's items of a kind and day."""
    return f"{prefix}#{check_thing(thing)}#{camera}#{day}"


def item_key(prefix: str, thing: str, name: ObjectName) -> tuple[str, str]:
    """The keys of the item that an object belongs to."""
    day = day_of(name.start_ns)
    return partition(prefix, thing, name.camera, day), f"{name.stream}#{format_stamp(name.start_ns)}"


def place_in_index(name: ObjectName) -> str:
    """The sort key of an object in both indexes."""
    return f"{format_stamp(name.start_ns)}#{stream_stem(name.camera, name.stream)}"


def segment_of(item: Item) -> IndexedSegment | None:
    """The segment in an item; None when it is none: a picture of its own, or what is left of a deleted segment."""
    if "object_key" not in item:
        return None
    return IndexedSegment(
        camera=item["camera"]["S"],
        stream=_stream(item),
        start_ns=WallNs(int(item["start_ns"]["N"])),
        end_ns=_end(item),
        object_key=item["object_key"]["S"],
        size_bytes=int(item["size_bytes"]["N"]),
        thumbnail_key=_text(item, "thumbnail_key"),
        details_key=_text(item, "details_key"),
        facts=_facts(item),
    )


def event_of(item: Item) -> IndexedEvent | None:
    """The event in an item; None when it shows none (any more)."""
    if "event" not in item or "object_key" not in item:
        return None
    return IndexedEvent(
        kind=item["kind"]["S"],
        camera=item["camera"]["S"],
        stream=_stream(item),
        event=item["event"]["S"],
        labels=tuple(label["S"] for label in item.get("labels", {}).get("L", ())),
        start_ns=WallNs(int(item["start_ns"]["N"])),
        end_ns=_end(item),
        object_key=item["object_key"]["S"],
        size_bytes=int(item["size_bytes"]["N"]),
        facts=_facts(item),
    )


def stream_of(item: Item) -> IndexedStream:
    """The stream in an item of CAMERAS."""
    thing, _, stem = item["sk"]["S"].partition("#")
    return IndexedStream(thing, *split_stem(stem))


def _stream(item: Item) -> StreamName:
    return "sub" if item["stream"]["S"] == "sub" else "main"


def _end(item: Item) -> WallNs | None:
    return WallNs(int(item["end_ns"]["N"])) if "end_ns" in item else None


def _text(item: Item, name: str) -> str | None:
    return str(item[name]["S"]) if name in item else None


def _facts(item: Item) -> Facts:
    told = item.get("facts", {}).get("M", {})
    return {name: int(value["N"]) if "N" in value else str(value["S"]) for name, value in told.items()}
