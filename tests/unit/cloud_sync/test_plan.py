"""What is to be uploaded under which name."""

from __future__ import annotations

import pytest

from components.cloud_sync.core.plan import (
    EVENT_PRIORITY,
    PRIORITY_MAX,
    PULLED_PRIORITY,
    SEGMENT_PRIORITY,
    THUMBNAIL_PRIORITY,
    WORKERS,
    lanes,
    name_of,
    wanted_segment,
    wanted_thumbnail,
)
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.trace import trace_of_segment
from components.shared.wire.units import TimeBase, WallNs, parse_stamp

SEGMENT = "cam-1_20251113T021320.000Z"
START_NS = parse_stamp("20251113T021320.000Z")
SHA256 = "ab" * 32
FACTS = SegmentFacts(
    start_ns=START_NS,
    end_ns=WallNs(START_NS + 1),
    run="run-1",
    codec="avc1.640028",
    width=1280,
    height=720,
    frames=1,
    size_bytes=99,
    sha256=SHA256,
    time_base=TimeBase(1, 90_000),
    start_ticks=0,
    init_bytes=10,
    gops=(Gop(10, 89, 90_000),),
)


def test_segment_has_its_canonical_key_and_its_facts_as_metadata() -> None:
    """A segment's object has the key of its id and carries what is needed to play it without opening it."""
    wanted = wanted_segment("site-1", "cam-1", SEGMENT, "main", "anywhere/else.mp4", FACTS, (SHA256,))
    assert wanted.key == f"sites/site-1/cameras/cam-1/2025/11/13/02/{SEGMENT}.mp4"
    assert segment_metadata.decode(wanted.metadata, 99) == FACTS
    assert wanted.metadata["nvr-trace"] == trace_of_segment("site-1", SEGMENT)
    assert (wanted.size_bytes, wanted.sha256, wanted.part_sha256s) == (99, SHA256, (SHA256,))
    assert (wanted.volume, wanted.path) == ("main", "anywhere/else.mp4")


def test_thumbnail_lies_beside_its_segment_and_goes_first() -> None:
    """A thumbnail has its segment's key with another ending and a priority before every segment."""
    wanted = wanted_thumbnail("site-1", "cam-1", SEGMENT, "main", "x.jpg", 5, SHA256)
    assert wanted.key == f"sites/site-1/cameras/cam-1/2025/11/13/02/{SEGMENT}.jpg"
    assert wanted.metadata["nvr-sha256"] == SHA256
    assert wanted.metadata["nvr-trace"] == trace_of_segment("site-1", SEGMENT)
    assert THUMBNAIL_PRIORITY < SEGMENT_PRIORITY
    assert wanted.priority == THUMBNAIL_PRIORITY


def test_sub_stream_has_a_key_of_its_own() -> None:
    """The segment of a sub stream is named by its stream."""
    assert name_of("cam-1", "cam-1~sub_20251113T021320.000Z", "mp4").stream == "sub"
    wanted = wanted_thumbnail("site-1", "cam-1", "cam-1~sub_20251113T021320.000Z", "main", "x.jpg", 5, SHA256)
    assert wanted.key.startswith("sites/site-1/cameras/cam-1~sub/2025/")


@pytest.mark.parametrize("segment", ["", "cam-1", "cam-2_20251113T021320.000Z", "cam-1_yesterday"])
def test_id_that_is_not_the_cameras_is_rejected(segment: str) -> None:
    """A segment's id must be that of its camera and of a moment."""
    with pytest.raises(Rejected):
        wanted_thumbnail("site-1", "cam-1", segment, "main", "x.jpg", 5, SHA256)


def test_what_is_no_hash_is_rejected() -> None:
    """A row without a proper SHA-256 cannot be uploaded."""
    with pytest.raises(Rejected):
        wanted_thumbnail("site-1", "cam-1", SEGMENT, "main", "x.jpg", 5, "ab")


PICTURE, PULLED, EVENT, REST = THUMBNAIL_PRIORITY, PULLED_PRIORITY, EVENT_PRIORITY, SEGMENT_PRIORITY


@pytest.mark.parametrize(
    ("under_way", "expected"),
    [
        ([], [(PICTURE, PRIORITY_MAX)]),
        ([REST], [(PICTURE, PRIORITY_MAX)]),
        ([REST, REST], [(PICTURE, REST - 1)]),
        ([REST, EVENT], [(PICTURE, PRIORITY_MAX)]),
        ([EVENT, EVENT, PULLED], [(PICTURE, PICTURE)]),
        ([REST, REST, EVENT], [(PICTURE, PICTURE)]),
        ([PICTURE, PICTURE], [(PICTURE, PRIORITY_MAX)]),
        ([PICTURE, PICTURE, PICTURE], [(PULLED, PRIORITY_MAX), (PICTURE, PRIORITY_MAX)]),
    ],
)
def test_a_place_is_kept_free_for_what_goes_first(under_way: list[int], expected: list[tuple[int, int]]) -> None:
    """The rest never takes the last place of events, footage never that of pictures, pictures not all before events."""
    assert lanes(under_way) == expected
    assert len(under_way) < WORKERS
