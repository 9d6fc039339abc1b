"""What the index says of a segment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pytest

from cloud.functions.index_object.core import TOMBSTONE_S, Seen, Value, concerns, decide
from components.cloud_sync.core.plan import Place, Why, wanted_clip
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import TimeBase, WallNs, parse_stamp

START = parse_stamp("20251020T140300.250Z")
NAME = ObjectName("front-door", "main", START, "mp4")
KEY = object_key("site-1", NAME)
FACTS = SegmentFacts(
    start_ns=WallNs(START + 123_456),
    end_ns=WallNs(START + 180_000_000_000),
    run="r7",
    codec="hvc1.1.6.L93.B0",
    width=1920,
    height=1080,
    frames=2_700,
    size_bytes=45_000_000,
    sha256=hashlib.sha256(b"x").hexdigest(),
    time_base=TimeBase(1, 90_000),
    start_ticks=81_000,
    init_bytes=1_024,
    gops=(Gop(1_024, 500_000, 180_000), Gop(501_024, 400_000, 180_000)),
)
SEEN = Seen(FACTS.size_bytes, "e" * 32, "v1", segment_metadata.encode(FACTS))
NOW_S = 1_800_000_000


def facts_of(item: Mapping[str, Value]) -> Mapping[str, str | int]:
    facts = item["facts"]
    assert isinstance(facts, Mapping)
    return facts


def test_a_segment_is_found_by_site_camera_and_day() -> None:
    """A segment's item lies with its site, camera and UTC day, in order of stream and start."""
    change = decide(KEY, "A1", SEEN, NOW_S)
    assert (change.pk, change.sk) == ("SEG#site-1#front-door#2025-10-20", "main#20251020T140300.250Z")
    assert change.to_set["by_time_pk"] == "site-1#2025-10-20"
    assert change.to_set["by_time_sk"] == "20251020T140300.250Z#front-door"


def test_a_sub_stream_is_beside_the_main_one() -> None:
    """The sub stream of a camera has items of its own in the same partition."""
    key = object_key("site-1", replace(NAME, stream="sub"))
    change = decide(key, "A1", SEEN, NOW_S)
    assert (change.pk, change.sk) == ("SEG#site-1#front-door#2025-10-20", "sub#20251020T140300.250Z")
    assert change.to_set["by_time_sk"] == "20251020T140300.250Z#front-door~sub"


def test_all_that_playback_needs_is_in_the_item() -> None:
    """The facts in the object's metadata are attributes: spans to the nanosecond, codec, hash, GOP index."""
    item = decide(KEY, "A1", SEEN, NOW_S).to_set
    found = facts_of(item)
    assert (item["start_ns"], item["end_ns"]) == (FACTS.start_ns, FACTS.end_ns)
    assert (found["codec"], found["width"], found["height"], found["frames"]) == (FACTS.codec, 1920, 1080, 2_700)
    assert (found["sha256"], found["run"], found["time_base"]) == (FACTS.sha256, "r7", "1/90000")
    assert (found["start_ticks"], found["init_bytes"], item["size_bytes"]) == (81_000, 1_024, 45_000_000)
    packed = segment_metadata.decode({**SEEN.metadata, "nvr-gops": str(found["gops"])}, FACTS.size_bytes)
    assert packed.gops == FACTS.gops
    assert (item["object_key"], found["version_id"], found["etag"]) == (KEY, "v1", "e" * 32)


def test_thumbnail_and_details_belong_to_the_segments_item() -> None:
    """A picture or details file of the same name is an attribute of the segment's item, with a mark of its own."""
    for kind, attribute in (("jpg", "thumbnail_key"), ("json", "details_key")):
        key = KEY.replace(".mp4", f".{kind}")
        change = decide(key, "A1", SEEN, NOW_S)
        segment = decide(KEY, "A1", SEEN, NOW_S)
        assert (change.pk, change.sk) == (segment.pk, segment.sk)
        assert change.to_set == {attribute: key, f"{kind}_mark": "A1"}
        gone = decide(key, "A2", None, NOW_S)
        assert (gone.to_set, gone.to_remove) == ({f"{kind}_mark": "A2"}, (attribute,))


def test_a_deleted_segment_leaves_its_mark_for_a_while() -> None:
    """Of a deleted segment the mark stays, so that a late event cannot bring it back, and goes when none can come."""
    change = decide(KEY, "A2", None, NOW_S)
    assert change.to_set == {"expires_s": NOW_S + TOMBSTONE_S, "mp4_mark": "A2"}
    assert {"object_key", "by_time_pk", "by_time_sk", "start_ns", "facts"} <= set(change.to_remove)


def test_a_segment_that_is_back_does_not_expire() -> None:
    """A segment that is there takes the expiry of an earlier deletion away."""
    assert "expires_s" in decide(KEY, "A3", SEEN, NOW_S).to_remove


def test_footage_without_metadata_is_indexed_by_its_name() -> None:
    """An object that says nothing of itself is indexed with what its key says."""
    found = decide(KEY, "A1", replace(SEEN, metadata={}), NOW_S).to_set
    assert found["start_ns"] == START
    assert "end_ns" not in found
    assert "metadata_fault" not in facts_of(found)


@pytest.mark.parametrize("field", ["nvr-gops", "nvr-frames", "nvr-sha256"])
def test_bad_metadata_are_told_and_footage_is_indexed_all_the_same(field: str) -> None:
    """A malformed field costs the facts, not the segment, and the item names it."""
    found = decide(KEY, "A1", replace(SEEN, metadata={k: v for k, v in SEEN.metadata.items() if k != field}), NOW_S)
    assert field in str(facts_of(found.to_set)["metadata_fault"])
    assert (found.to_set["object_key"], found.to_set["start_ns"]) == (KEY, START)
    assert "end_ns" in found.to_remove


def test_foreign_footage_says_where_it_came_from() -> None:
    """An upload that was moved has its span, origin and time zone in its item."""
    metadata = {
        "nvr-start-ns": str(START),
        "nvr-end-ns": str(START + 5),
        "nvr-source": "drop/site-1/front-door/x.mp4",
        "nvr-time-zone": "UTC",
        "nvr-time-zone-flags": "assumed",
        "nvr-trigger": "motion",
    }
    item = decide(KEY, "A1", replace(SEEN, metadata=metadata), NOW_S).to_set
    found = facts_of(item)
    assert (item["start_ns"], item["end_ns"], found["trigger"]) == (START, START + 5, "motion")
    assert (found["origin"], found["time_zone"], found["time_zone_flags"]) == (
        "drop/site-1/front-door/x.mp4",
        "UTC",
        "assumed",
    )


def test_other_things_of_a_site_do_not_concern_the_index() -> None:
    """Only what lies under a site's cameras is footage."""
    assert concerns(KEY)
    assert not concerns("sites/site-1/exports/cameras/x.zip")
    assert not concerns("drop/site-1/front-door/x.mp4")


def test_a_name_under_cameras_that_is_none_is_rejected() -> None:
    """A key under a site's cameras that is not canonical is Rejected, named, and so ends in the dead letters."""
    with pytest.raises(Rejected, match="stray"):
        decide("sites/site-1/cameras/front-door/stray.mp4", "A1", SEEN, NOW_S)


@pytest.mark.parametrize(("reason", "event"), [("event", "event-7"), ("bookmark", None), ("pull", None)])
def test_a_clip_is_found_by_the_event_that_it_was_made_for(
    reason: Literal["event", "bookmark", "pull"], event: str | None
) -> None:
    """As CloudSync names it and says why; a clip for another reason shows no event."""
    source = Place("front", "main", "front_20251020T140300.000Z", "main", "front/x.mp4")
    wanted = wanted_clip("site-1", source, FACTS, (), ((0, 7),), Why(reason, "event-7", 5, 0))
    change = decide(wanted.key, "0" * 40, Seen(wanted.size_bytes, "e" * 32, "v1", wanted.metadata), NOW_S)
    assert (change.to_set["kind"], change.to_set.get("event")) == ("clip", event)
    assert ("by_label_pk" in change.to_set) == (event is not None)
