"""The index answers by site, camera, time, event and label; on DynamoDB as moto has it, through real boto3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from cloud.functions.index_object.core import Seen, decide, decide_of
from cloud.index_items import IndexedStream
from cloud.index_queries import IndexReader
from cloud.index_writer import Doors, apply
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, StreamName, object_key
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, Span, TimeBase, WallNs, parse_stamp
from tests.fakes.index_in_moto import index_in_moto, put

pytestmark = pytest.mark.slow
MIDNIGHT = parse_stamp("20251021T000000.000Z")
LENGTH_NS = 180 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    with index_in_moto(monkeypatch) as made:
        yield made


@pytest.fixture
def reader(doors: Doors) -> IndexReader:
    return IndexReader(doors.dynamodb, doors.table)


def at(minutes: float) -> WallNs:
    """So many minutes after midnight."""
    return WallNs(MIDNIGHT + int(minutes * MINUTE_NS))


def span(begin: float, end: float) -> Span:
    return Span(at(begin), at(end))


def segment(
    doors: Doors, minutes: float, *, thing: str = "site-1", camera: str = "front", stream: StreamName = "main"
) -> str:
    """A segment of three minutes in the index; its key."""
    start_ns = at(minutes)
    facts = SegmentFacts(
        start_ns=start_ns,
        end_ns=WallNs(start_ns + LENGTH_NS),
        run="r1",
        codec="hvc1.1.6.L93.B0",
        width=1920,
        height=1080,
        frames=2_700,
        size_bytes=1_000,
        sha256=hashlib.sha256(b"x").hexdigest(),
        time_base=TimeBase(1, 90_000),
        start_ticks=0,
        init_bytes=100,
        gops=(Gop(100, 400, 180_000), Gop(500, 500, 180_000)),
    )
    key = object_key(thing, ObjectName(camera, stream, start_ns, "mp4"))
    put(doors, key, segment_metadata.encode(facts))
    return key


def delete(doors: Doors, key: str) -> None:
    assert apply(decide(key, "2", None, 0), doors)


def starts(doors: Doors, begin: float, end: float, stream: StreamName = "main") -> list[float]:
    """Minutes after midnight at which the segments of a span start."""
    reader = IndexReader(doors.dynamodb, doors.table)
    found = reader.segments("site-1", "front", stream, span(begin, end))
    return [(one.start_ns - MIDNIGHT) / MINUTE_NS for one in found]


def test_a_segment_says_all_that_playing_it_needs(doors: Doors, reader: IndexReader) -> None:
    """Span, key, size, header, byte ranges and their time base come out as they went in."""
    key = segment(doors, 0)
    (found,) = reader.segments("site-1", "front", "main", span(0, 3))
    assert (found.object_key, found.start_ns, found.end_ns, found.size_bytes) == (key, at(0), at(3), 1_000)
    assert found.gops == (Gop(100, 400, 180_000), Gop(500, 500, 180_000))
    assert (found.time_base, found.facts["init_bytes"]) == (TimeBase(1, 90_000), 100)
    assert reader.segment(key) == found


def test_all_that_overlaps_a_span_is_found_and_nothing_else(doors: Doors) -> None:
    """A span has the segment it begins in, none that ends where it begins, none that begins where it ends."""
    for minutes in (0, 3, 6, 9):
        segment(doors, minutes)
    assert starts(doors, 4, 7) == [3, 6]
    assert starts(doors, 3, 6) == [3]
    assert starts(doors, 12, 20) == []
    assert starts(doors, 11.9, 20) == [9]
    assert starts(doors, 4, 4) == []


def test_midnight_is_no_border(doors: Doors) -> None:
    """A span over midnight has both days, and one after it has what began the day before."""
    for minutes in (-4, -1, 2):
        segment(doors, minutes)
    assert starts(doors, -10, 10) == [-4, -1, 2]
    assert starts(doors, 1, 3) == [-1, 2]
    assert starts(doors, 0.5, 1) == [-1]


def test_what_is_left_of_deleted_footage_is_not_found(doors: Doors, reader: IndexReader) -> None:
    """A deleted segment is in no answer, also when it is the last before the span."""
    segment(doors, 0)
    gone = segment(doors, 1)
    delete(doors, gone)
    assert starts(doors, 0, 10) == [0]
    assert starts(doors, 2, 10) == [0]
    assert [one.start_ns for one in reader.footage("site-1", span(0, 10))] == [at(0)]
    assert reader.segment(gone) is None


def test_streams_cameras_and_sites_are_kept_apart(doors: Doors, reader: IndexReader) -> None:
    """A question for one of them has nothing of the others; a camera whose name begins like another's is another."""
    segment(doors, 0)
    segment(doors, 1, stream="sub")
    segment(doors, 2, camera="front-2")
    segment(doors, 3, thing="site-10")
    assert starts(doors, 0, 10) == [0]
    assert starts(doors, 0, 10, "sub") == [1]
    assert [one.camera for one in reader.footage("site-1", span(0, 10))] == ["front", "front", "front-2"]
    assert [one.camera for one in reader.footage("site-1", span(0, 10), "front-2")] == ["front-2"]
    assert reader.streams("site-1") == [
        IndexedStream("site-1", "front", "main"),
        IndexedStream("site-1", "front", "sub"),
        IndexedStream("site-1", "front-2", "main"),
    ]
    assert [one.thing for one in reader.streams()] == ["site-1"] * 3 + ["site-10"]


def test_footage_of_a_site_is_in_order_of_time_whatever_the_camera(doors: Doors, reader: IndexReader) -> None:
    """Two cameras' segments come mixed, by start, over midnight, with the one that a span begins in."""
    for minutes, camera in ((-2, "a"), (-1, "b"), (1, "a"), (2, "b"), (30, "a")):
        segment(doors, minutes, camera=camera)
    found = list(reader.footage("site-1", span(0.5, 20)))
    assert [(one.camera, (one.start_ns - MIDNIGHT) / MINUTE_NS) for one in found] == [
        ("a", -2),
        ("b", -1),
        ("a", 1),
        ("b", 2),
    ]
    assert all(not one.facts for one in found)


def test_more_than_a_page_comes_whole(doors: Doors, reader: IndexReader) -> None:
    """An answer of more than the 1 MB of one page of DynamoDB is complete."""
    metadata = {"nvr-source": "x" * 1_900}
    for number in range(700):
        put(doors, object_key("site-1", ObjectName("front", "main", at(number / 10), "mp4")), metadata)
    page = doors.dynamodb.query(
        TableName=doors.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "SEG#site-1#front#2025-10-21"}},
    )
    assert page["Count"] < 700
    assert sum(1 for _ in reader.segments("site-1", "front", "main", span(0, 70))) == 700


def clip(doors: Doors, minutes: float, event: str, labels: str, camera: str = "front") -> None:
    """An object of a kind that has items of its own, which shows an event of 30 s."""
    name = ObjectName(camera, "main", at(minutes), "clip")
    metadata = {
        "nvr-start-ns": str(at(minutes)),
        "nvr-end-ns": str(at(minutes) + 30 * NS_PER_S),
        "nvr-event": event,
        "nvr-labels": labels,
    }
    key = f"sites/site-1/cameras/{camera}/{event}.clip"
    assert apply(decide_of("site-1", name, key, "1", Seen(500, "e", "v1", metadata), 0), doors)


def events(reader: IndexReader, begin: float, end: float, **asked: str) -> list[str]:
    return [one.event for one in reader.events("site-1", span(begin, end), **asked)]


def test_events_are_found_by_time_camera_label_and_id(doors: Doors, reader: IndexReader) -> None:
    """Each question alone and all together; one event with two labels is one item that either finds."""
    clip(doors, -1, "e0", "person")
    clip(doors, 5, "e1", "person, dog")
    clip(doors, 6, "e2", "car", camera="back")
    clip(doors, 7, "e3", "")
    segment(doors, 5)
    assert events(reader, -10, 10) == ["e0", "e1", "e2", "e3"]
    assert events(reader, -0.75, 5.4) == ["e0", "e1"]
    assert events(reader, -0.5, 5) == []
    assert events(reader, -10, 10, label="person") == ["e0", "e1"]
    assert events(reader, -10, 10, label="dog") == ["e1"]
    assert events(reader, -10, 10, label="do") == []
    assert events(reader, -10, 10, camera="back") == ["e2"]
    assert events(reader, -10, 10, event="e3") == ["e3"]
    assert events(reader, -10, 10, camera="front", label="person", event="e1") == ["e1"]
    (found,) = reader.events("site-1", span(4, 6), label="dog")
    assert (found.kind, found.labels, found.size_bytes) == ("clip", ("dog", "person"), 500)


def test_a_deleted_clip_is_no_event(doors: Doors, reader: IndexReader) -> None:
    """An object that was deleted is found by no question for events."""
    clip(doors, 5, "e1", "person")
    name = ObjectName("front", "main", at(5), "clip")
    assert apply(decide_of("site-1", name, "x", "2", None, 0), doors)
    assert events(reader, 0, 10) == []


def test_a_wrong_key_is_refused_by_name(reader: IndexReader) -> None:
    """A key that is none of footage is Rejected, not searched for."""
    with pytest.raises(Rejected, match=r"other/x\.mp4"):
        reader.segment("other/x.mp4")
