"""What the janitor deletes, when, in which order, and how it is told."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.core.retention import FILES_RESERVE, PassLimits
from components.shared.catalogue.capture import SegmentRow, Volume
from components.shared.catalogue.retention import early_deletions
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.bookmark_request import FOLDER
from components.shared.wire.messages import SegmentDeleted, SegmentLost
from tests.fakes.archive import at
from tests.fakes.retention_box import DAY_S, RESERVE_BYTES, SEGMENT_BYTES, RetentionBox

NEARLY_FULL = RESERVE_BYTES * 3 // 2 - 1


@pytest.fixture
def box(tmp_path: Path) -> Iterator[RetentionBox]:
    box = RetentionBox(tmp_path)
    yield box
    box.close()


def test_what_is_past_its_days_goes_quietly(box: RetentionBox) -> None:
    """Uploaded footage goes when its days are over: rows, files and what lies beside, a gap that says why, a hint."""
    box.configure(days=2)
    old, new = box.record(2), box.record(1, begin_s=DAY_S)
    box.upload(*old, *new)
    beside = [box.archive.root / old[0].path.replace(".mp4", suffix) for suffix in (".jpg", ".json")]
    for path in beside:
        path.write_bytes(b"x")
    box.pass_s(2 * DAY_S + 6)
    box.look()
    assert box.kept() == [old[1].segment, new[0].segment]
    assert not any(path.exists() for path in beside)
    box.pass_s(600)
    box.look()
    assert box.kept() == [new[0].segment]
    (gap,) = [gap for gap in box.writer.gaps() if gap.cause == "policy"]
    assert (gap.start_ns, gap.end_ns, gap.detail) == (old[0].start_ns, old[1].end_ns, "older than 2 days")
    first = box.told(SegmentDeleted)[0]
    assert isinstance(first, SegmentDeleted)
    assert (first.camera, first.segments, first.reason) == ("cam-1", 1, "older than 2 days")
    assert box.told(SegmentLost) == [] and early_deletions(box.writer) == []
    assert [record.level for record in box.log.named("footage_deleted")] == ["INFO", "INFO"]


def test_without_a_trusted_clock_nothing_is_too_old(box: RetentionBox) -> None:
    """A box that does not know what day it is deletes nothing for its age, and does as soon as it knows."""
    box.configure(days=1)
    rows = box.record(2)
    box.upload(*rows)
    box.pass_s(5 * DAY_S)
    box.is_clock_trusted = False
    box.look(times=5, every_s=600)
    assert len(box.kept()) == 2
    box.is_clock_trusted = True
    box.pass_s(600)
    box.look()
    assert box.kept() == []


def test_without_a_good_configuration_nothing_is_too_old(box: RetentionBox) -> None:
    """Without settings nobody knows how long footage is to be kept; a camera whose own are bad is such a case."""
    box.disk_bytes = 5_000_000
    box.upload(*box.record(2), *box.record(1, "cam-2"))
    box.pass_s(5_000 * DAY_S)
    box.look()
    assert len(box.kept()) == 3
    box.leave_bytes(NEARLY_FULL)
    box.look()
    assert len(box.kept()) == 2, "room is made all the same, and no more than is needed"
    box.other_bytes = 0
    box.configure({"cam-1": {}}, days=1)
    (box.data / "config" / "camera-cam-1.json").write_text("{}")
    box.pass_s(600)
    box.look()
    assert [segment.partition("_")[0] for segment in box.kept()] == ["cam-1"]


def test_classes_have_ages_of_their_own(box: RetentionBox) -> None:
    """Events with their margins are kept for `event_days`; a camera's own days count before the site's."""
    box.configure({"cam-2": {"retention": {"days": 5}}}, days=2, event_days=4, event_before_s=10, event_after_s=10)
    rows, others = box.record(8), box.record(1, "cam-2")
    box.upload(*rows, *others)
    box.event(rows[4], 21, 23)  # with margins 11 to 33: segments 2 to 6
    box.pass_s(3 * DAY_S)
    box.look()
    assert box.kept() == [others[0].segment, *(row.segment for row in rows[2:7])]
    box.pass_s(1.1 * DAY_S)
    box.look()
    assert box.kept() == [others[0].segment]
    reasons = [record.fields["reason"] for record in box.log.named("footage_deleted")]
    assert reasons == ["older than 2 days", "event older than 4 days"]


def test_what_waits_for_its_upload_is_kept_beyond_its_days(box: RetentionBox) -> None:
    """Queued and unknown footage stays, told once; what CloudSync refused goes; so does all where none is wanted."""
    box.configure(days=1)
    rows = box.record(4)
    box.queue(rows[0])
    box.refuse(rows[1])
    box.upload(rows[2])
    box.pass_s(2 * DAY_S)
    box.look(times=3, every_s=600)
    assert box.kept() == [rows[0].segment, rows[3].segment]
    (told,) = box.log.named("upload_overdue")
    assert told.level == "WARNING" and told.fields["segments"] == 2
    box.configure(days=1, keep_until_uploaded=False)
    box.pass_s(600)
    box.look()
    assert box.kept() == []
    assert box.told(SegmentLost) == []


def test_a_site_without_cloud_sync(box: RetentionBox) -> None:
    """Without a sync.db nothing is uploaded: footage is kept until room is needed, unless the site says otherwise."""
    box.configure(days=1)
    box.record(3)
    box.pass_s(3 * DAY_S)
    box.look()
    assert len(box.kept()) == 3 and box.log.named("upload_overdue")
    box.configure(days=1, keep_until_uploaded=False)
    box.pass_s(600)
    box.look()
    assert box.kept() == []


def test_footage_that_its_cameras_policy_leaves_out_is_not_waited_for(box: RetentionBox) -> None:
    """It has its age and goes as if it had a copy; what waits under another policy, or not decided yet, is kept."""
    box.configure(
        {"cam-1": {"schema": 3, "upload": "none"}, "cam-2": {}, "cam-3": {"schema": 3, "upload": "events"}}, days=1
    )
    unseen, waits, left, undecided, clipped = (
        box.record(1, camera)[0] for camera in ("cam-1", "cam-2", "cam-3", "cam-3", "cam-3")
    )
    pulled = box.record(1, "cam-1")[0]
    box.queue(pulled)
    box.hold("left_out", left, clipped)
    box.hold("undecided", undecided)
    box.queue_clip(clipped)
    box.pass_s(2 * DAY_S)
    box.look()
    assert sorted(box.kept()) == sorted(row.segment for row in (waits, undecided, clipped, pulled))
    assert unseen.segment not in box.kept()
    # A policy that is changed back keeps what CloudSync has not come to yet.
    late = box.record(1, "cam-3")[0]
    box.hold("left_out", late)
    box.configure({"cam-1": {}, "cam-2": {}, "cam-3": {}}, days=1)
    box.pass_s(2 * DAY_S)
    box.look()
    assert late.segment in box.kept()
    assert box.told(SegmentLost) == []


def test_room_is_made_of_what_a_policy_leaves_out_before_what_waits(box: RetentionBox) -> None:
    """Footage of a camera that uploads nothing is not the last resort: it goes before older footage that waits."""
    box.configure({"cam-1": {}, "cam-2": {"schema": 3, "upload": "none"}})
    waits = box.record(6, "cam-1", begin_s=0)
    box.record(6, "cam-2", begin_s=1_000)
    box.leave_bytes(RESERVE_BYTES)
    box.look()
    assert box.kept()[:6] == [row.segment for row in waits]
    assert len(box.kept()) < 12
    assert box.told(SegmentLost) == []


def test_idle_footage_is_kept_for_minutes(box: RetentionBox) -> None:
    """In the mode `motion`, footage goes minutes later once it and what is around it was looked at without an event."""
    box.motion_cameras = {"cam-1"}
    box.configure({"cam-1": {"mode": "motion"}}, idle_minutes=1, event_before_s=5, event_after_s=5)
    rows = box.record(8)
    box.analyse(*rows[:3])
    box.event(rows[3], 17, 18)  # with margins 12 to 23: segments 2 to 4
    box.analyse(rows[4], rows[5])
    box.analyse(rows[6], state="failed")
    box.pass_s(50)
    box.look()
    assert len(box.kept()) == 8, "none is a minute old"
    box.pass_s(100)
    box.look()
    # Segment 5 touches what was not looked at to its end; what waits for its upload goes all the same.
    assert box.kept() == [row.segment for row in rows[2:]]
    box.analyse(rows[6], rows[7])
    box.pass_s(60)
    box.look()
    assert box.kept() == [row.segment for row in rows[2:5]]
    assert {record.fields["reason"] for record in box.log.named("footage_deleted")} == {"no event in it for 1 minutes"}
    assert box.told(SegmentLost) == []


def test_footage_that_nobody_looks_at_is_not_idle(box: RetentionBox) -> None:
    """Without VideoProcessor, and while its catalogue cannot be read, footage in the mode `motion` is kept for days."""
    box.motion_cameras = {"cam-1"}
    box.configure({"cam-1": {"mode": "motion"}}, idle_minutes=1, days=1, event_days=3)
    rows = box.record(3)
    box.pass_s(3600)
    box.look()
    assert len(box.kept()) == 3
    box.analyse(*rows[:2])
    (box.data / "catalogue" / "analysis.db").write_bytes(b"damage" * 1000)
    box.upload(*rows)
    box.pass_s(2 * DAY_S)
    box.look()
    assert len(box.kept()) == 3, "any footage may have an event"
    (box.data / "catalogue" / "analysis.db").unlink()
    box.pass_s(600)
    box.look()
    assert box.kept() == []


def ask_for_bookmark(box: RetentionBox, first: SegmentRow, last: SegmentRow) -> str:
    """As `./nvr bookmark add` asks."""
    body = {"action": "add", "camera": first.camera, "start_ns": first.start_ns, "end_ns": last.end_ns}
    return RequestFolder(box.data, FOLDER).submit(body)


def test_order_when_room_is_needed(box: RetentionBox) -> None:
    """Uploaded plain footage first, then uploaded events, then what is not uploaded, bookmarks last; oldest first."""
    box.disk_bytes = 5_000_000  # a margin of less than a segment
    box.configure(days=100, free_percent_min=1, event_before_s=0, event_after_s=0)
    rows = box.record(9)
    box.upload(rows[2], rows[3], rows[4], rows[6])
    box.event(rows[3], 16, 17)
    box.event(rows[1], 6, 7)
    ask_for_bookmark(box, rows[6], rows[7])
    gone: list[str] = []
    before = [row.segment for row in rows]
    for _ in rows:
        box.leave_bytes(NEARLY_FULL)
        box.look()
        gone += [segment for segment in before if segment not in box.kept()]
        before = box.kept()
        box.pass_s(2)
    order = [2, 4, 3, 0, 5, 8, 1, 6, 7]
    assert gone == [rows[number].segment for number in order]
    assert sum(row.segments for row in early_deletions(box.writer)) == 9
    assert sum(row.segments for row in early_deletions(box.writer, only_lost=True)) == 5
    assert len(box.log.named("footage_lost")) == 5
    assert {record.level for record in box.log.named("footage_lost")} == {"WARNING"}
    assert "deleted before their upload (room: the volume was nearly full)" in str(
        box.status.report("Capture", "0").last_error
    )


@pytest.mark.slow
def test_a_disk_that_is_full_for_ten_minutes(box: RetentionBox) -> None:
    """Recording goes on at the next look, and nothing that is not uploaded goes while something uploaded is there."""
    box.disk_bytes = 20_000_000
    box.configure(days=100, free_percent_min=10)
    box.upload(*box.record(80)[::2])
    box.leave_bytes(0)
    for second in range(0, 600, 2):
        box.look()
        has_room = box.measure(box.archive.root).free_bytes > NEARLY_FULL
        assert has_room, f"recording stands still after {second} s"
        if second % 20 == 0:
            new = box.record(1)
            if second % 40 == 0:
                box.upload(*new)
        box.pass_s(2)
    assert len(early_deletions(box.writer)) > 0
    assert early_deletions(box.writer, only_lost=True) == [] and box.told(SegmentLost) == []
    box.other_bytes = 0
    kept = len(box.kept())
    box.look(times=5, every_s=60)
    assert len(box.kept()) == kept


def test_lost_footage_is_told_before_it_goes(box: RetentionBox) -> None:
    """`segment/lost` and its row are there while the file still is; segments that follow each other are one row."""
    seen: list[tuple[int, int, int]] = []

    def step(name: str) -> None:
        if name == "before unlink":
            files = len(list(box.archive.root.rglob("*.mp4")))
            seen.append((files, len(box.told(SegmentLost)), len(early_deletions(box.writer, only_lost=True))))

    box.close()
    box.open(step)
    box.disk_bytes = 20_000_000
    box.configure(free_percent_min=1)
    rows = box.record(4)
    box.leave_bytes(NEARLY_FULL + 1 - 2 * rows[0].size_bytes)
    box.look()
    gone = len(rows) - len(box.kept())
    assert gone == 2, "no more than is needed"
    assert seen[0] == (4, 1, 1)
    (row,) = early_deletions(box.writer)
    assert (row.start_ns, row.end_ns, row.segments) == (rows[0].start_ns, rows[gone - 1].end_ns, gone)
    assert row.size_bytes == sum(found.size_bytes for found in rows[:gone]) and row.deleted_ns == box.clock.wall_ns()
    (message,) = box.told(SegmentLost)
    assert isinstance(message, SegmentLost) and message.segments == gone


@pytest.mark.parametrize(("cameras", "site", "left"), [({"cam-2": 150}, None, (3, 2)), ({}, 330, (1, 3))])
def test_bounds_on_bytes(box: RetentionBox, cameras: dict[str, int], site: int | None, left: tuple[int, int]) -> None:
    """A camera's bound takes from that camera only; the site's takes from all, what is not uploaded last."""
    first, second = box.record_rows(3, 70_000_000), box.record_rows(3, 70_000_000, "cam-2")
    box.upload(*first)
    documents: dict[str, dict[str, object]] = {"cam-1": {}, "cam-2": {}}
    documents |= {camera: {"retention": {"bytes_max": bound * 1_000_000}} for camera, bound in cameras.items()}
    box.configure(documents, days=100, bytes_max=site and site * 1_000_000)
    box.look(times=5, every_s=60)
    kept = {row.segment for row in box.writer.segments()}
    assert kept == {row.segment for row in (*first[-left[0] :], *second[-left[1] :])}
    assert {row.is_lost for row in early_deletions(box.writer)} == {bool(cameras)}


def test_a_pass_has_a_cap(tmp_path: Path) -> None:
    """A wrong setting empties nothing in a moment: a pass a minute, each of a few segments, with the rest left."""
    box = RetentionBox(tmp_path, PassLimits(segments_max=3))
    box.upload(*box.record(10))
    box.configure(days=1)
    box.pass_s(30 * DAY_S)
    counts = []
    for _ in range(62):
        box.look()
        counts.append(len(box.kept()))
        box.pass_s(2)
    assert counts[0] == 7 and counts[28] == 7 and counts[31] == 4
    box.look(times=5, every_s=60)
    assert box.kept() == []
    box.close()


def test_a_volume_that_is_nearly_full_does_not_wait(tmp_path: Path) -> None:
    """Where recording is about to stop, capped passes follow each other at every look until there is room."""
    box = RetentionBox(tmp_path, PassLimits(segments_max=2))
    box.disk_bytes = 5_000_000
    rows = box.record(10)
    box.upload(*rows)
    box.configure(free_percent_min=1)
    box.leave_bytes(NEARLY_FULL - 6 * rows[0].size_bytes)
    counts = []
    for _ in range(6):
        box.look()
        counts.append(len(box.kept()))
        box.pass_s(2)
    assert counts[:3] == [8, 6, 4] and counts[-1] == counts[-2] > 0
    box.close()


def test_files_are_room_too(box: RetentionBox) -> None:
    """A volume that can hold hardly any more files is nearly full, however many bytes are free."""
    box.configure(days=100)
    box.upload(*box.record(3))
    box.free_files = FILES_RESERVE
    box.look()
    assert len(box.kept()) == 3
    box.free_files = FILES_RESERVE - 1
    box.pass_s(2)
    box.look()
    assert box.kept() == []
    assert [row.reason for row in early_deletions(box.writer)] == ["room: the volume could hold hardly any more files"]


def test_no_footage_goes_in_vain(box: RetentionBox) -> None:
    """Where recording has stopped and all footage would not be room enough, none goes: an error for people, once."""
    box.configure(days=100)
    rows = box.record(8)
    box.upload(rows[0])
    footage_bytes = sum(row.size_bytes for row in rows)
    assert NEARLY_FULL - footage_bytes < RESERVE_BYTES
    box.leave_bytes(NEARLY_FULL - footage_bytes)
    box.look(times=5, every_s=60)
    assert len(box.kept()) == 8
    (told,) = box.log.named("room_not_found")
    assert told.level == "ERROR" and told.fields["where"] == "volume main"
    box.leave_bytes(NEARLY_FULL + 1 - footage_bytes)
    box.look(times=5, every_s=60)
    assert box.kept() == []


def test_a_disk_of_which_others_leave_little(box: RetentionBox) -> None:
    """With less than what resumes recording, but more than what stops it, footage goes so that it need not stop."""
    box.disk_bytes = 5_000_000
    box.configure(days=100)
    box.leave_bytes(RESERVE_BYTES + 4 * SEGMENT_BYTES)
    for _ in range(12):
        box.record(1)
        box.look()
        assert box.measure(box.archive.root).free_bytes > RESERVE_BYTES
        box.pass_s(5)
    assert 1 <= len(box.kept()) <= 4


def test_where_others_fill_the_disk_half_of_what_they_leave_is_kept(box: RetentionBox) -> None:
    """Other files that take what should be free do not cost all footage: half of what they leave is kept free."""
    box.disk_bytes = 10_000_000
    box.configure(days=100, free_percent_min=50)
    rows = box.record(40)
    box.upload(*rows)
    box.leave_bytes(1_000_000)
    box.look(times=5, every_s=60)
    free_bytes = box.measure(box.archive.root).free_bytes
    footage_bytes = sum(row.size_bytes for row in box.writer.segments())
    assert 10 < len(box.kept()) < 40
    assert abs(free_bytes - footage_bytes) < 5 * SEGMENT_BYTES


def test_a_volume_that_is_away_is_left_alone(box: RetentionBox) -> None:
    """The rows of a disk that is not mounted stay; those of the others go."""
    box.configure(days=1)
    rows = box.record(2)
    box.upload(*rows)
    box.pass_s(3 * DAY_S)
    root = box.archive.root
    root.rename(root.with_name("away"))
    root.mkdir()
    box.look()
    assert len(box.writer.segments()) == 2 and box.writer.garbage() == []
    root.rmdir()
    root.with_name("away").rename(root)
    box.pass_s(600)
    box.look()
    assert box.kept() == []


def test_settings_follow_the_configuration(box: RetentionBox) -> None:
    """Fewer days take effect within a minute, without a restart."""
    box.configure(days=30)
    box.upload(*box.record(2))
    box.pass_s(5 * DAY_S)
    box.look()
    box.configure(days=2)
    box.look(times=32, every_s=2)
    assert box.kept() == []


def test_folders_of_hours_that_are_over_go_too(box: RetentionBox) -> None:
    """Empty folders would use up a disk's files in years; that of the newest segment stays."""
    box.configure(days=1)
    old, new = box.record(1), box.record(1, begin_s=10 * DAY_S)
    box.upload(*old, *new)
    box.clock.advance(new[0].start_ns - at(0) + 10_000_000_000)
    box.look()
    folders = {str(path.relative_to(box.archive.root)) for path in box.archive.root.rglob("*") if path.is_dir()}
    assert folders == {"cam-1", "cam-1/2025", "cam-1/2025/06", "cam-1/2025/06/25", "cam-1/2025/06/25/15"}


def test_a_file_that_cannot_be_deleted_waits(box: RetentionBox) -> None:
    """What the disk does not delete stays garbage, is told once and tried again; nothing more is marked meanwhile."""
    broken = True

    def step(name: str) -> None:
        if name == "before unlink" and broken:
            raise OSError(errno.EIO, "Input/output error")

    box.close()
    box.open(step)
    box.configure(days=1)
    rows = box.record(20)
    box.upload(*rows)
    box.pass_s(3 * DAY_S)
    box.look(times=10, every_s=30)
    assert len(box.writer.garbage()) == 16, "one batch"
    assert len(list(box.archive.root.rglob("*.mp4"))) == 20
    (told,) = box.log.named("retention_held_up")
    assert "Input/output error" in str(told.fields["error"])
    broken = False
    box.look(times=2, every_s=600)
    assert box.kept() == [] and box.writer.garbage() == []
    assert box.log.named("retention_goes_on")


def test_bookmarks_by_request(box: RetentionBox) -> None:
    """A bookmark that is asked for is there at the next look and answered; a bad request is refused with its reason."""
    box.configure(days=1)
    rows = box.record(3)
    box.upload(*rows)
    folder = RequestFolder(box.data, FOLDER)
    good = ask_for_bookmark(box, rows[1], rows[1])
    bad = folder.submit({"action": "add", "camera": "Cam 1", "start_ns": 5, "end_ns": 4})
    (folder.path / "garbage.txt").write_text("x")
    box.pass_s(2 * DAY_S)
    box.look()
    assert box.kept() == [rows[1].segment]
    done, refused = folder.fetch_answer(good), folder.fetch_answer(bad)
    assert done is not None and done.state == "done"
    assert refused is not None and refused.state == "refused" and "camera" in str(refused.error)
    assert list(folder.path.iterdir()) == []
    gone = folder.submit({"action": "remove", "bookmark": good})
    box.pass_s(600)
    box.look()
    assert box.kept() == []
    answer = folder.fetch_answer(gone)
    assert answer is not None and answer.state == "done"


def test_a_second_volume(box: RetentionBox) -> None:
    """Room is made on the volume that needs it, whatever the others hold."""
    second = box.archive.root.with_name("second")
    second.mkdir()
    box.upload(*box.record(1))
    box.writer.register_volume(Volume("second", second))
    box.archive.volume, box.archive.root = "second", second
    rows = box.record(20)
    box.upload(*rows)
    box.configure(days=100)
    box.full_roots = {second}
    box.look()
    assert [row.volume for row in box.writer.segments()] == ["main"]
