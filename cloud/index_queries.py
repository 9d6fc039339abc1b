"""Questions to the index of footage: by site, camera, time, event and label. Speaks through the client given.

Nothing is read twice and nothing is kept: an answer comes page by page while it is taken, in order of start. What is
asked for a span is all that overlaps it. A camera's stream is unbroken but for gaps, so `segments` also looks for the
one that began last before the span; across cameras (`footage`) and events what began up to LOOK_BACK_NS before it is
looked at. The indexes `by-time` and `by-label` follow the table within a second or so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud.index_items import (
    BY_LABEL,
    BY_TIME,
    CAMERAS,
    SEGMENT,
    IndexedEvent,
    IndexedSegment,
    IndexedStream,
    Item,
    day_of,
    days_of,
    event_of,
    item_key,
    partition,
    segment_of,
    stream_of,
)
from components.shared.wire.object_keys import StreamName, check_thing, parse_object_key
from components.shared.wire.units import NS_PER_S, Span, WallNs, format_stamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOOK_BACK_NS = 3_600 * NS_PER_S
"""How long before a span something may have begun that overlaps it: six times the longest segment of a site, and as
long as the files of an FTP upload or an event are."""

DAY_NS = 86_400 * NS_PER_S
_AFTER_ANY = "~"  # sorts after every digit, `#` and `Z`: all keys that begin with a stamp lie below stamp + this


@dataclass(frozen=True, slots=True)
class _Question:
    """One query: keys of one partition between two texts; `only` items with these attributes, or with the label."""

    pk: str
    low: str
    high: str
    index: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class IndexReader:
    """Reads the index; every method raises what the client raises."""

    dynamodb: DynamoDBClient
    table: str

    def streams(self, thing: str | None = None) -> list[IndexedStream]:
        """All streams that have had an object, of one site or of all: what there is to ask for."""
        low = "" if thing is None else f"{check_thing(thing)}#"
        return sorted(stream_of(item) for item in self._ask(_Question(CAMERAS, low or "#", low + _AFTER_ANY)))

    def segment(self, object_key: str) -> IndexedSegment | None:
        """The segment at a key of S3; Rejected when it is no key of footage."""
        thing, name = parse_object_key(object_key)
        pk, sk = item_key(SEGMENT, thing, name)
        answer = self.dynamodb.get_item(TableName=self.table, Key={"pk": {"S": pk}, "sk": {"S": sk}})
        return segment_of(answer["Item"]) if "Item" in answer else None

    def segments(self, thing: str, camera: str, stream: StreamName, span: Span) -> Iterator[IndexedSegment]:
        """The segments of a stream that overlap a span, in order of start, with all that is known of them."""
        before = self._last_before(thing, camera, stream, span.start_ns)
        if before is not None and _overlaps(before.start_ns, before.end_ns, span):
            yield before
        for day in days_of(span):
            low, high = (f"{stream}#{stamp}" for stamp in _stamps(span))
            for item in self._ask(_Question(partition(SEGMENT, thing, camera, day), low, high)):
                found = segment_of(item)
                if found is not None and span.start_ns <= found.start_ns < span.end_ns:
                    yield found

    def footage(self, thing: str, span: Span, camera: str | None = None) -> Iterator[IndexedSegment]:
        """The segments of a site that overlap a span, of one camera or of all, in order of start; without `facts`.

        A tenth of what `segments` costs: for coverage and overviews.
        """
        wide = _wide(span)
        for day in days_of(wide):
            only = _told(camera=camera)
            for item in self._ask(_Question(f"{check_thing(thing)}#{day}", *_stamps(wide), BY_TIME, only)):
                found = segment_of(item)
                if found is not None and _overlaps(found.start_ns, found.end_ns, span):
                    yield found

    def events(
        self, thing: str, span: Span, *, camera: str | None = None, label: str | None = None, event: str | None = None
    ) -> Iterator[IndexedEvent]:
        """The events of a site that overlap a span and have the camera, label or id that are asked for, by start."""
        wide = _wide(span)
        question = _Question(
            check_thing(thing), *_stamps(wide), BY_LABEL, _told(camera=camera, label=label, event=event)
        )
        for item in self._ask(question):
            found = event_of(item)
            if found is not None and _overlaps(found.start_ns, found.end_ns, span):
                yield found

    def _last_before(self, thing: str, camera: str, stream: StreamName, moment_ns: WallNs) -> IndexedSegment | None:
        """The segment of a stream that began last before a moment, on its day or the day before."""
        low, high = f"{stream}#", f"{stream}#{format_stamp(moment_ns)}{_AFTER_ANY}"
        for wall_ns in (moment_ns, max(0, moment_ns - DAY_NS)):
            pk = partition(SEGMENT, thing, camera, day_of(wall_ns))
            for item in self._ask(_Question(pk, low, high, newest_first=True)):
                found = segment_of(item)
                if found is not None and found.start_ns < moment_ns:
                    return found
        return None

    def _ask(self, question: _Question) -> Iterator[Item]:
        """The items of a question, page after page."""
        pk, sk = _KEYS[question.index]
        asked: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": f"{pk} = :pk AND {sk} BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":pk": {"S": question.pk},
                ":low": {"S": question.low},
                ":high": {"S": question.high},
                **{f":{name}": {"S": value} for name, value in question.only.items()},
            },
            "ScanIndexForward": not question.newest_first,
        }
        if question.index is not None:
            asked["IndexName"] = question.index
        if question.only:
            asked["FilterExpression"] = " AND ".join(_FILTERS[name] for name in question.only)
            asked["ExpressionAttributeNames"] = {f"#{name}": _ATTRIBUTES.get(name, name) for name in question.only}
        for page in self.dynamodb.get_paginator("query").paginate(**asked):
            yield from page["Items"]


_KEYS = {None: ("pk", "sk"), BY_TIME: ("by_time_pk", "by_time_sk"), BY_LABEL: ("by_label_pk", "by_label_sk")}
_FILTERS = {
    "camera": "#camera = :camera",
    "event": "#event = :event",
    "label": "contains(#label, :label)",
}
_ATTRIBUTES = {"label": "labels"}


def _told(**asked: str | None) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value is not None}


def _stamps(span: Span) -> tuple[str, str]:
    """The first and the last text that a sort key can have that begins with a moment of the span."""
    return format_stamp(span.start_ns), format_stamp(span.end_ns) + _AFTER_ANY


def _wide(span: Span) -> Span:
    return Span(WallNs(max(0, span.start_ns - LOOK_BACK_NS)), span.end_ns)


def _overlaps(start_ns: int, end_ns: int | None, span: Span) -> bool:
    """Whether something overlaps a span; what did not say when it ends may."""
    return max(start_ns, span.start_ns) < (span.end_ns if end_ns is None else min(end_ns, span.end_ns))
