"""Footage that comes as files: what is in a camera's record afterwards, and what is told."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from components.capture.folder_scan import DEPTH_MAX
from components.capture.import_folder import DELIVERY_NS_MAX, ENTRIES_PER_LOOK, PUT_OFF_NS, SETTLED_NS
from components.shared.catalogue.capture import open_row
from components.shared.catalogue.imports import repair_imports
from components.shared.catalogue.volumes import MARKER, identify_volumes
from components.shared.errors import Transient
from components.shared.wire.messages import SegmentClosed
from components.shared.wire.units import NS_PER_S, WallNs, format_iso
from tests.fakes.foreign_files import PER_S, count_decoded, payloads, write_dhav, write_mp4
from tests.fakes.import_box import ImportBox, at

pytestmark = pytest.mark.slow

DAY = "2026-11-21/001/dav/10"
FIRST = f"{DAY}/10.00.00-10.00.04[M][0@0][0].mp4"
NEXT = f"{DAY}/10.00.04-10.00.08[M][0@0][0].mp4"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def box(tmp_path: Path) -> ImportBox:
    """A camera with an empty folder, at noon."""
    return ImportBox(tmp_path)


def test_a_file_becomes_segments_of_the_record(box: ImportBox) -> None:
    """Every picture of it, unchanged, at the time of its name, cut at keyframes near the target, told as any."""
    path = write_mp4(box.place(FIRST), audio=True)
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0)]
    assert [found for file in box.files() for found in payloads(file)] == payloads(path)
    assert sum(count_decoded(file) for file in box.files()) == 4 * PER_S
    assert [row.adopted for row in box.segments] == [False, False]
    runs = box.catalogue.runs("drive")
    assert [(run.frames_received, run.frames_recorded, run.end_cause) for run in runs] == [(60, 60, "imported")]
    box.hints.send_waiting()
    hints = [message.body for message in box.bus.broker.published if isinstance(message.body, SegmentClosed)]
    assert [hint.segment for hint in hints] == [row.segment for row in box.segments]
    assert [(row.state, row.reason) for row in box.rows] == [("imported", "")]
    assert box.rows[0].last_segment == box.segments[-1].segment
    box.assert_whole()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_dahua_containers(box: ImportBox, codec: str) -> None:
    """A `.dav` gives the same, its G.711 sound as AAC; so does one whose name says MP4."""
    write_dhav(box.place(f"{DAY}/10.00.00-10.00.04[R][0@0][0].dav"), codec=codec, audio=True)  # type: ignore[arg-type]
    write_dhav(box.place("NVR_ch1_main_20261121101000_20261121101004.mp4"), codec=codec)  # type: ignore[arg-type]
    box.settle()
    assert [row.state for row in box.rows] == ["imported", "imported"], box.log.text()
    assert sum(count_decoded(file) for file in box.files()) == 8 * PER_S
    assert box.spans[0][0] == 0.0
    assert box.spans[-1][1] == pytest.approx(604.0, abs=0.01)
    box.assert_whole()


def test_time_that_no_file_brings_is_a_gap(box: ImportBox) -> None:
    """Between files, before and after them: `not_delivered`, and never anything else."""
    write_mp4(box.place(FIRST))
    write_mp4(box.place(f"{DAY}/10.01.00-10.01.04[M][0@0][0].mp4"))
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0), (60.0, 62.0), (62.0, 64.0)]
    assert {gap.cause for gap in box.gaps} == {"not_delivered"}
    assert [gap.end_ns for gap in box.gaps][-1] is None
    assert format_iso(box.stream.enabled_since_ns) == "2026-11-21T10:00:00.000Z"
    box.assert_whole()


def test_an_older_file_after_a_newer_one(box: ImportBox) -> None:
    """Files may come in any order: each goes where it belongs."""
    write_mp4(box.place(NEXT))
    box.settle()
    write_mp4(box.place(FIRST))
    box.settle()
    write_mp4(box.place("2026-11-20/001/dav/10/10.00.00-10.00.04[M][0@0][0].mp4"))
    box.settle()
    assert box.spans[-4:] == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 8.0)]
    assert format_iso(box.stream.enabled_since_ns) == "2026-11-20T10:00:00.000Z"
    box.assert_whole()


def test_files_that_follow_each_other_touch(box: ImportBox) -> None:
    """Names tell whole seconds: a file that lasts a little longer or shorter than they say leaves no gap."""
    write_mp4(box.place(f"{DAY}/10.00.00-10.00.05[R][0@0][0].mp4"), seconds=4)  # it begins within its second
    write_mp4(box.place(f"{DAY}/10.00.05-10.00.08[R][0@0][0].mp4"), seconds=4)
    write_mp4(box.place(f"{DAY}/10.00.08-10.00.12[R][0@0][0].mp4"), seconds=4)
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0), (5.0, 7.0), (7.0, 9.0), (9.0, 11.0), (11.0, 13.0)]
    assert [row.state for row in box.rows] == ["imported"] * 3
    box.assert_whole()


def test_the_same_content_is_imported_once(box: ImportBox) -> None:
    """Renamed, sent again, seen by the next process: known by name, or by content."""
    write_mp4(box.place(FIRST))
    box.settle()
    segments = box.segments
    box.place("copy").mkdir()
    other = box.place("copy/NVR_ch1_main_20261121110000_20261121110004.mp4")
    other.write_bytes(box.place(FIRST).read_bytes())
    box.place(FIRST).rename(box.place(NEXT))
    box.settle()
    box.crash()
    box.start()
    box.settle()
    assert box.segments == segments
    assert [row.state for row in box.rows] == ["imported"] * 3
    assert sum(record.event == "file_imported" for record in box.log.records) == 1
    assert sum(record.event == "file_known" for record in box.log.records) == 2


def test_a_known_file_is_not_read_again(box: ImportBox) -> None:
    """The next process knows it by name, size and time, without opening it."""
    path = write_mp4(box.place(FIRST))
    box.settle()
    box.crash()
    path.chmod(0)
    data = path.stat().st_size
    os.truncate(path, 0)
    os.truncate(path, data)  # zeros, but the same size
    os.utime(path, ns=(box.rows_mtime(), box.rows_mtime()))
    box.start()
    box.settle()
    assert [row.state for row in box.rows] == ["imported"]


def test_time_that_is_recorded_already_is_not_imported_again(box: ImportBox) -> None:
    """Of content that overlaps only what is new is taken, from the next keyframe on; what is all old is refused."""
    write_mp4(box.place(f"{DAY}/10.00.10-10.00.14[M][0@0][0].mp4"))
    box.settle()
    write_mp4(box.place("NVR_ch1_main_20261121100004_20261121100019.mp4"), seconds=15, skip=1, gop=PER_S)
    box.settle()
    # It begins in the middle of a group of pictures: its keyframes come a fifteenth before each full second.
    assert [round(start, 2) for start, _ in box.spans] == [4.93, 6.93, 8.93, 10.0, 12.0, 14.93, 16.93, 18.93]
    assert [round(end, 2) for _, end in box.spans] == [6.93, 8.93, 10.0, 12.0, 14.0, 16.93, 18.93, 19.0]
    assert "pictures were recorded already" in box.rows[-1].reason
    write_mp4(box.place("NVR_ch1_main_20261121100010_20261121100013.mp4"), seconds=3)
    before = box.spans
    box.settle()
    assert [(row.state, row.reason) for row in box.rows if row.state == "refused"] == [
        ("refused", "all of it was recorded already")
    ]
    assert box.spans == before
    box.assert_whole()


def test_a_tail_over_the_next_file_gives_way(box: ImportBox) -> None:
    """Footage that was there first keeps its time to the nanosecond."""
    write_mp4(box.place("NVR_ch1_main_20261121100005_20261121100009.mp4"))
    box.settle()
    write_mp4(box.place("NVR_ch1_main_20261121100000_20261121100007.mp4"), seconds=6, step=7_000)
    box.settle()
    ends = [round(end, 3) for _, end in box.spans]
    assert ends == [2.333, 4.667, 5.0, 7.0, 9.0]  # the picture that begins at 4.978 would last until 5.056
    box.assert_whole()


def test_a_file_is_taken_when_it_is_complete(box: ImportBox) -> None:
    """Not under its temporary name, not while it grows; once nobody has changed it for a while."""
    made = write_mp4(box.data / "made.mp4").read_bytes()
    path = box.place(FIRST)
    path.parent.mkdir(parents=True)
    path.with_name(path.name + "_").write_bytes(made)
    path.with_suffix(".idx").write_bytes(b"index")
    box.settle()
    assert box.importer.waiting == 0
    path.write_bytes(made[:1000])
    for size in (2000, 3000, len(made)):
        box.importer.look(box.stop)
        box.clock.advance(SETTLED_NS - NS_PER_S)
        path.write_bytes(made[:size])
        os.utime(path, ns=(size, size))
    box.importer.look(box.stop)
    assert not box.rows
    box.settle()
    assert [row.state for row in box.rows] == ["imported"]


def test_a_file_that_changes_later_is_told(box: ImportBox) -> None:
    """What broke off and comes again whole is imported for what was missing."""
    whole = write_dhav(box.data / "made.dav", seconds=8).read_bytes()
    path = box.place(f"{DAY}/10.00.00-10.00.08[R][0@0][0].dav")
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[: len(whole) // 2])
    box.settle()
    begun = box.spans
    assert begun[-1][1] < 8.0
    path.write_bytes(whole)
    box.settle()
    assert "file_changed" in box.log.events()
    assert box.spans[: len(begun)] == begun
    assert box.spans[-1][1] == pytest.approx(8.0, abs=0.01)
    box.assert_whole()


def test_the_site_s_time_zone(tmp_path: Path) -> None:
    """Names tell local time."""
    box = ImportBox(tmp_path, zone=BERLIN)
    write_mp4(box.place(FIRST))
    box.settle()
    assert box.spans[0] == (-3600.0, -3598.0)


def test_both_passes_of_an_hour_that_comes_twice(tmp_path: Path) -> None:
    """By length where the name's end tells, by delivery where that fits, by order else; what stays open is told."""
    box = ImportBox(tmp_path, now="2026-10-26T12:00:00", zone=BERLIN)
    day = "2026-10-25/001/dav/02"
    over_the_change = write_mp4(box.place(f"{day}/02.59.58-02.00.02[R][0@0][0].mp4"), mtime_ns=1)
    second = write_mp4(box.place(f"{day}/02.59.58-03.00.02[R][0@0][0].mp4"), skip=1 * PER_S, mtime_ns=2)
    in_order = write_mp4(box.place(f"{day}/02.10.00-02.10.04[R][0@0][0].mp4"), skip=2 * PER_S, mtime_ns=3)
    again = write_mp4(box.place(f"{day}/02.10.00-02.10.04[R][0@0][1].mp4"), skip=3 * PER_S, mtime_ns=4)
    delivered_ns = at("2026-10-25T01:21:00")
    by_delivery = write_mp4(box.place(f"{day}/02.20.00-02.20.04[R][0@0][0].mp4"), skip=4 * PER_S, mtime_ns=delivered_ns)
    box.settle()
    starts = {row.key.path: format_iso(row.start_ns or 0)[11:19] for row in box.rows}
    assert starts == {
        str(over_the_change): "00:59:58",
        str(second): "01:59:58",
        str(in_order): "00:10:00",
        str(again): "01:10:00",
        str(by_delivery): "01:20:00",
    }
    doubtful = [row.key.path for row in box.rows if "comes twice" in row.reason]
    assert doubtful == [str(in_order)]
    box.assert_whole()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("holiday.mp4", b"x", "of no form that we know"),
        ("2026-13-21/001/dav/10/10.00.00-10.00.04[M][0@0][0].mp4", b"x", "names no real time"),
        ("2000-01-01/001/dav/10/10.00.00-10.00.04[M][0@0][0].mp4", b"x", "was never set"),
        (FIRST, b"", "it is empty"),
        (FIRST, b"not a video at all", "neither MP4 nor DHAV"),
        (FIRST, b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "it cannot be read"),
        (FIRST, b"DHAV" + bytes(100), "it cannot be read"),
        ("10\n00.mp4", b"x", "no readable text"),
        ("\udcff.mp4", b"x", "no readable text"),
        ("/".join(["d" * 100] * 11) + ".mp4", b"x", "more than 1024 bytes"),
        ("/".join(["d"] * (DEPTH_MAX + 2)), b"x", "folders deep"),
    ],
)
def test_what_cannot_be_imported_is_told_once(box: ImportBox, name: str, content: bytes, reason: str) -> None:
    """With its reason, whatever it is called; the files beside it are imported."""
    path = box.place(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    write_mp4(box.place(NEXT))
    box.settle()
    box.crash()
    box.start()
    box.settle()
    refused = box.log.named("file_refused")
    assert len(refused) == 1, box.log.text()
    assert reason in str(refused[0].fields["reason"])
    assert "\n" not in str(refused[0].fields["file"])
    assert [row.state for row in box.rows].count("imported") == 1
    box.assert_whole()


def test_a_file_without_a_keyframe(box: ImportBox) -> None:
    """It cannot be shown, so it is refused."""
    write_mp4(box.place(FIRST), seconds=1, skip=1, gop=100)
    box.settle()
    assert [(row.state, "keyframe" in row.reason) for row in box.rows] == [("refused", True)]
    box.assert_whole()


def test_a_damaged_file_gives_what_can_be_read(box: ImportBox) -> None:
    """Cut off in the middle: the first half is in the record, and it is told why not the rest."""
    path = write_dhav(box.place(f"{DAY}/10.00.00-10.00.08[R][0@0][0].dav"), seconds=8)
    os.truncate(path, path.stat().st_size * 2 // 3)
    box.settle()
    assert [row.state for row in box.rows] == ["imported"]
    assert 3.0 < box.spans[-1][1] < 8.0
    box.assert_whole()


def test_links_are_not_followed(box: ImportBox, tmp_path: Path) -> None:
    """Neither to files nor to folders, wherever they lead."""
    outside = tmp_path / "outside"
    write_mp4(outside / FIRST)
    box.place("link").symlink_to(outside)
    box.place("NVR_ch1_main_20261121100000_20261121100004.mp4").symlink_to(outside / FIRST)
    box.settle()
    assert not box.segments
    assert [("link" in row.reason, row.state) for row in box.rows] == [(True, "refused")] * 2


def test_a_time_to_come_waits(box: ImportBox) -> None:
    """A file from the future is no footage yet: told once, and imported when its time has come."""
    write_mp4(box.place("2026-11-21/001/dav/12/12.30.00-12.30.04[M][0@0][0].mp4"))
    for _ in range(3):
        box.settle_without_work()
        box.clock.advance(PUT_OFF_NS)
    assert not box.segments
    assert len(box.log.named("file_waits")) == 1
    box.clock.advance(1_900 * NS_PER_S)
    box.settle()
    assert len(box.segments) == 2
    box.assert_whole()


def test_the_state_follows_what_comes(box: ImportBox) -> None:
    """It is recording while files come, and connecting when none has come for longer than a file can last."""
    assert (box.stream.state, box.stream.cause) == ("connecting", "not_delivered")
    write_mp4(box.place(FIRST))
    box.settle()
    assert (box.stream.state, box.stream.cause) == ("recording", "")
    box.clock.advance(DELIVERY_NS_MAX)
    box.importer.look(box.stop)
    assert (box.stream.state, box.stream.cause) == ("connecting", "not_delivered")


def test_a_folder_that_is_not_there(box: ImportBox) -> None:
    """It is a condition of the box: told, and looked at again."""
    box.folder.rmdir()
    with pytest.raises(Transient, match="drop"):
        box.importer.look(box.stop)


def test_a_full_disk(box: ImportBox) -> None:
    """Nothing is imported while there is no room, and nothing forgotten."""
    write_mp4(box.place(FIRST))
    box.has_room = False
    box.importer.look(box.stop)
    box.clock.advance(SETTLED_NS)
    with pytest.raises(Transient, match="disk is full"):
        box.importer.look(box.stop)
    box.has_room = True
    box.settle()
    assert len(box.segments) == 2


def test_a_volume_that_is_not_there(box: ImportBox) -> None:
    """Nothing is imported to whatever lies in its place, and what was noted on it stays noted."""
    write_mp4(box.place(FIRST))
    identify_volumes(box.catalogue)
    marker = box.data / "media" / "main" / MARKER
    kept = marker.read_bytes()
    box.importer.look(box.stop)
    box.clock.advance(SETTLED_NS)
    marker.unlink()
    with pytest.raises(Transient, match="is not there"):
        box.importer.look(box.stop)
    assert not box.segments
    marker.write_bytes(kept)
    box.settle()
    key = box.rows[0].key
    box.imports.intend(key, open_row("drive", "main", WallNs(at("2026-11-21T11:00:00")), "run", "main"))
    marker.unlink()
    (repair,) = repair_imports(box.catalogue)
    assert (repair.what, "not there" in repair.detail) == ("failed", True)
    assert len(box.imports.noted()) == 1
    marker.write_bytes(kept)
    assert repair_imports(box.catalogue) == []
    assert box.imports.noted() == []


def test_a_stop_in_the_middle(box: ImportBox) -> None:
    """What is written stays, the rest follows with the next process, and nothing is twice."""
    write_mp4(box.place(FIRST))
    box.importer.look(box.stop)
    box.clock.advance(SETTLED_NS)
    box.step_hook = lambda name: box.stop.set() if name == "after record" else None
    box.run_until_stopped()
    assert box.spans == [(0.0, 2.0)]
    box.assert_whole()
    box.crash()
    box.stop.clear()
    box.step_hook = lambda _name: None
    box.start()
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0)]
    assert [(row.state, row.attempts, row.reason) for row in box.rows] == [("imported", 0, "")]
    box.assert_whole()


def test_many_files_are_looked_at_in_pieces(box: ImportBox) -> None:
    """One look is bounded, whatever the folder holds; nothing is passed over."""
    for number in range(ENTRIES_PER_LOOK + 10):
        box.place(f"{number:06d}.idx").touch()
    write_mp4(box.place("NVR_ch1_main_20261121100000_20261121100004.mp4"))
    box.importer.look(box.stop)
    assert box.importer.waiting == 0
    box.importer.look(box.stop)
    assert box.importer.waiting == 1
