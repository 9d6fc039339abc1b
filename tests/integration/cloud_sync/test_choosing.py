"""What goes first, and what goes at all, by what happened while it was recorded; clips, frame by frame."""

from __future__ import annotations

import io
import queue
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from components.cloud_sync.core.plan import EVENT_PRIORITY, WORKERS, Place, Why, wanted_clip
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.catalogue.retention import Mark, delete_all_garbage, mark_all_garbage
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import parse_object_key
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.segment_metadata import Gop
from components.shared.wire.units import NS_PER_MS, NS_PER_S, format_stamp
from tests.fakes.archive import START_NS, at
from tests.fakes.eventful_site import EventfulSite
from tests.fakes.object_store import Fault

NO_MARGINS = {"event_before_s": 0, "event_after_s": 0}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[EventfulSite]:
    made = EventfulSite(tmp_path)
    yield made
    made.close()


def frames(data: bytes) -> dict[int, bytes]:
    """The decoded pictures of a file by their presentation time, in its ticks."""
    with av.open(io.BytesIO(data), "r") as container:
        return {frame.pts or 0: frame.to_ndarray().tobytes() for frame in container.decode(video=0)}


def clips(site: EventfulSite) -> dict[str, bytes]:
    """The clips in the bucket, by the name of their key."""
    return {
        key.rpartition("/")[2]: versions[-1].data
        for key, versions in site.store.versions.items()
        if key.endswith(".clip.mp4")
    }


def mp4(row: SegmentRow) -> str:
    return f"{row.segment}.mp4"


def clip(begin_s: float, duration_s: float, camera: str = "cam-1") -> str:
    return f"{camera}_{stamp(begin_s)}_{int(duration_s * 1000)}ms.clip.mp4"


def stamp(begin_s: float) -> str:
    return format_stamp(at(begin_s))


def test_the_newest_event_goes_before_days_of_backlog(site: EventfulSite) -> None:
    """Footage of events first, the newest event first; then the rest, the oldest first."""
    site.sync.configure({"cam-1": "all", "cam-2": "all"}, **NO_MARGINS)
    rows = [site.record(10 * number, f"cam-{number % 2 + 1}") for number in range(8)]
    for row in rows:
        begin_s = (row.start_ns - START_NS) / NS_PER_S
        site.see(row, *([(begin_s + 1, begin_s + 2)] if row in (rows[2], rows[5]) else []))
    site.settle()
    expected = [rows[number] for number in (5, 2, 0, 1, 3, 4, 6, 7)]
    assert site.queue() == [mp4(row) for row in expected]
    newest = site.record(100)
    site.see(newest, (101, None))
    site.settle()
    assert site.queue()[0] == mp4(newest)


def test_the_picture_of_an_event_goes_first_of_all(site: EventfulSite) -> None:
    """Thumbnails before footage, those of events before the others, the newest event first."""
    rows = [site.record(10 * number) for number in range(4)]
    for number, row in enumerate(rows):
        site.see(row, *([(10 * number + 1, 10 * number + 2)] if number in (1, 3) else []), picture=True)
    site.sync.configure({"cam-1": "all"}, **NO_MARGINS)
    site.settle()
    assert site.queue()[:4] == [f"{rows[number].segment}.jpg" for number in (3, 1, 0, 2)]


def test_margins_reach_into_the_segments_around(site: EventfulSite) -> None:
    """What was decided before an event was found goes with it when its margin reaches there, and what follows too."""
    site.sync.configure({"cam-1": "all"}, event_before_s=5, event_after_s=5)
    before = site.record(0)
    sub = site.record(0, stream="sub")
    site.see(before)
    site.analysis.advance(sub.sequence or 0)
    site.settle()
    during = site.record(10)
    site.see(during, (11, 18))
    site.settle()
    after, later = site.record(20), site.record(30)
    site.see(after)
    site.see(later)
    site.settle()
    assert set(site.queue()[:4]) == {mp4(row) for row in (before, sub, during, after)}
    assert site.queue()[4:] == [mp4(later)]


def test_a_bookmark_is_as_good_as_an_event_also_unseen(site: EventfulSite) -> None:
    """Footage that somebody has marked goes first, whether VideoProcessor has come to it or not."""
    rows = [site.record(10 * number) for number in range(4)]
    site.see(rows[0])
    site.bookmark(21, 22)
    site.settle()
    assert site.queue() == [mp4(rows[number]) for number in (2, 0, 1, 3)]
    # What was decided for the bookmark alone is looked at again once it can be.
    site.see(rows[1])
    site.see(rows[2], (25, 26))
    site.sync.configure({"cam-1": "all"}, **NO_MARGINS)
    site.settle()
    row = site.sync.ledger.uploads_of(rows[2].segment)[0]
    assert (row.priority, row.rank) == (EVENT_PRIORITY, -at(25))


def test_an_event_uploads_its_clip_and_not_its_segment(site: EventfulSite) -> None:
    """Under `events`, what goes are the pictures from the keyframe before to the keyframe after: nothing else."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    quiet = site.record(10)
    site.settle()
    assert site.queue() == [], "nothing is decided before it was looked at"
    site.see(row, (3, 5))
    site.see(quiet)
    assert site.settle() == 1
    assert site.queue() == [clip(2, 4)]
    assert site.sync.ledger.held("left_out")[0] == 2
    site.sync.drain()
    (name, data), *others = clips(site).items()
    assert not others and name == clip(2, 4)
    assert len(site.store.versions) == 1
    whole = site.archive.root / row.path
    assert len(data) < whole.stat().st_size / 2
    wanted = {pts: picture for pts, picture in frames(whole.read_bytes()).items() if 20 <= pts * 10 // 90_000 < 60}
    assert frames(data) == wanted and len(wanted) == 40


def test_a_clip_says_what_it_is(site: EventfulSite) -> None:
    """Key and metadata tell whose it is, when, of which segment and why; its GOP index is of its own bytes."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    site.see(row, (3, 5))
    site.settle()
    site.sync.drain()
    ((key, versions),) = site.store.versions.items()
    metadata, data = versions[-1].new.metadata, versions[-1].data
    thing, name = parse_object_key(key)
    assert (thing, name.camera, name.kind, name.start_ns) == ("site-1", "cam-1", "clip", at(2))
    facts = segment_metadata.decode(metadata, len(data))
    assert (facts.start_ns, facts.end_ns, facts.frames) == (at(2), at(6), 40)
    assert (facts.end_ns - facts.start_ns) // NS_PER_MS == name.duration_ms
    assert metadata["nvr-segment"] == row.segment
    assert (metadata["nvr-reason"], metadata["nvr-reason-id"]) == ("event", "event-cam-1-3")
    assert metadata["nvr-trace"]
    assert row.facts is not None and facts.start_ticks == row.facts.start_ticks + 2 * 90_000
    # Any GOP can be played by itself, with the header: what a playlist of byte ranges does.
    second = facts.gops[1]
    part = data[: facts.init_bytes] + data[second.offset_bytes : second.offset_bytes + second.size_bytes]
    assert len(frames(part)) == 20


def test_clips_of_events_across_segments_show_every_picture_once(site: EventfulSite) -> None:
    """An event over two segments has a clip of each; together they hold its pictures, each once."""
    site.sync.configure({"cam-1": "events"}, event_before_s=2, event_after_s=2)
    first, second, third = site.record(0), site.record(10), site.record(20)
    site.see(first, (9, None))
    site.settle()
    assert site.queue() == [clip(6, 4)]
    site.see(second, (9, 11))
    site.see(third)
    site.settle()
    assert sorted(site.queue()) == [clip(6, 4), clip(10, 4)]


def test_the_margin_before_an_event_is_cut_of_the_segment_before(site: EventfulSite) -> None:
    """A segment that was left out gives a clip when an event that begins in the next one reaches back into it."""
    site.sync.configure({"cam-1": "events"}, event_before_s=3, event_after_s=0)
    before, during = site.record(0), site.record(10)
    site.see(before)
    site.settle()
    assert site.queue() == []
    site.see(during, (11, 12))
    site.settle()
    assert sorted(site.queue()) == [clip(8, 2), clip(10, 2)]


def test_an_event_that_fills_its_segment_uploads_the_segment(site: EventfulSite) -> None:
    """Where a clip would be nearly all, the segment goes as it is, under its own key."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    site.see(row, (1, None))
    site.settle()
    assert site.queue() == [mp4(row)]


def test_a_clip_is_cut_of_a_segment_that_is_still_written(site: EventfulSite) -> None:
    """An event whose margin ends in the open segment has its clip as soon as its pictures are there, once for all."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.archive.open(at(0))
    whole = site.archive.file_of(row, 10)
    path = site.archive.put(row, whole[: len(whole) // 2])
    site.bookmark(1, 2)
    site.bookmark(7, 8)
    site.clock.advance(9 * NS_PER_S)
    site.settle()
    assert site.queue() == [clip(0, 2)]
    site.sync.drain()
    path.write_bytes(whole)
    facts, parts, _ = facts_from_file([whole])
    site.archive.writer.close_segment(row.segment, facts, parts)
    closed = site.archive.writer.segment(row.segment)
    assert closed is not None
    site.see(closed)
    site.settle()
    assert site.queue() == [clip(6, 2)], "the first is known"
    site.sync.drain()
    everything = frames(whole)
    for name, first, last in ((clip(0, 2), 0, 20), (clip(6, 2), 60, 80)):
        assert frames(clips(site)[name]) == {
            pts: picture for pts, picture in everything.items() if first <= pts * 10 // 90_000 < last
        }


def test_a_clip_goes_on_by_the_byte_after_kills(site: EventfulSite, tmp_path: Path) -> None:
    """Killed after deciding, the clip is in the queue; killed before, it is decided again: one object in the end."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    site.see(row, (3, 5))

    class Killed(BaseException):
        """The process ends here."""

    def die(operation: str, key: str) -> None:
        raise Killed

    site.settle()
    site.store.after = die
    with pytest.raises(Killed):
        site.sync.drain()
    site.store.after = lambda operation, key: None
    site.sync.close()
    site.sync = type(site.sync)(tmp_path, site.store, site.clock)
    site.settle()
    site.sync.drain()
    assert [site.store.versions_of(key) for key in site.store.versions] == [1]


def test_footage_deleted_before_its_clip_is_told(site: EventfulSite) -> None:
    """A clip whose segment is deleted for want of room is refused with that reason; it holds up nobody."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    site.see(row, (3, 5))
    site.settle()
    mark_all_garbage(
        site.archive.writer,
        [Mark(row.segment, row.camera, "main", row.start_ns, row.end_ns or 0, row.size_bytes, "room", True, True)],
        at(20),
    )
    delete_all_garbage(site.archive.writer, site.archive.writer.garbage())
    site.sync.drain()
    (refused,) = site.sync.log.named("object_refused")
    assert "deleted by retention before it was uploaded" in str(refused.fields["error"])
    assert refused.fields["kind"] == "clip"


def test_a_damaged_segment_goes_whole_and_is_told(site: EventfulSite) -> None:
    """Where no clip can be cut, the segment goes into the queue; its own upload says what is wrong with it."""
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    row = site.record(0)
    path = site.archive.root / row.path
    data = bytearray(path.read_bytes())
    assert row.facts is not None
    at_byte = row.facts.gops[1].offset_bytes
    data[at_byte : at_byte + 64] = random.Random(1).randbytes(64)
    path.write_bytes(data)
    site.see(row, (3, 5))
    site.settle()
    assert site.queue() == [mp4(row)]
    assert site.sync.log.named("clip_not_made")
    site.sync.drain()
    assert "damaged on disk" in str(site.sync.log.named("object_refused")[0].fields["error"])


def test_a_policy_changed_to_events_decides_the_backlog_anew(site: EventfulSite) -> None:
    """Days of backlog become the clips of their events; what is uploaded stays; back again, all of it goes."""
    site.sync.configure({"cam-1": "all"}, **NO_MARGINS)
    rows = [site.record(10 * number) for number in range(6)]
    for number, row in enumerate(rows):
        site.see(row, *([(10 * number + 3, 10 * number + 4)] if number == 4 else []))
    site.settle()
    assert site.sync.uploader.try_one()
    site.sync.configure({"cam-1": "events"}, **NO_MARGINS)
    site.settle()
    assert site.queue() == [], "the one event is uploaded already, as a segment"
    site.sync.configure({"cam-1": "all"}, **NO_MARGINS)
    site.settle()
    assert site.queue() == [mp4(row) for row in rows if row is not rows[4]]


def test_metadata_of_the_largest_clip_fit_s3(site: EventfulSite) -> None:
    """With the longest ids and as many GOPs as ever, keys and values stay within S3's 2 048 bytes."""
    row = site.record(0)
    assert row.facts is not None
    gops = tuple(Gop(10_000_000 + 100_000_000 * number, 100_000_000, 90_000_000) for number in range(600))
    facts = replace(row.facts, gops=gops, run="r" * 36)
    place = Place("c" * 32, "main", f"{'c' * 32}_{stamp(0)}", "main", "x")
    why = Why("bookmark", "i" * 64, EVENT_PRIORITY, 0)
    wanted = wanted_clip("t" * 128, place, facts, (), ((0, 9),), why)
    assert sum(len(name) + len(value) for name, value in wanted.metadata.items()) <= 2_048


def test_a_new_event_is_under_way_at_once_while_backlog_holds_the_link(site: EventfulSite) -> None:
    """With workers as in the component, all the rest stuck on a slow link, an event and its picture begin at once."""
    site.sync.configure({"cam-1": "all"}, **NO_MARGINS)
    for number in range(12):
        site.see(site.record(10 * number))
    site.settle()
    flowing, begun = threading.Event(), queue.SimpleQueue[str]()

    def slow(operation: str, key: str) -> Fault:
        if operation == "put_object":
            begun.put(key.rpartition("/")[2])
            flowing.wait(30)
        return Fault.NONE

    site.store.faults = slow
    threads = [threading.Thread(target=site.sync.uploader.work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        assert len({begun.get(timeout=10) for _ in range(2)}) == 2
        event = site.record(500)
        path = site.archive.root / event.path
        path.with_suffix(".jpg").write_bytes(b"012345678")
        site.see(event, (501, None), picture=True)
        site.settle()
        site.sync.uploader.queued(())
        assert {begun.get(timeout=10) for _ in range(2)} == {mp4(event), f"{event.segment}.jpg"}
        assert begun.empty(), "the rest waits for its two places"
    finally:
        site.sync.stop.set()
        flowing.set()
        for thread in threads:
            thread.join(10)
