"""Start-up repair: rows and files agree afterwards, and no footage is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureReader, GapRow, SegmentRow, Volume, open_row
from components.shared.catalogue.reconcile import (
    Repair,
    adopt_strays,
    delete_garbage,
    find_strays,
    reconcile,
    repair_rows,
    settle_stream,
)
from components.shared.catalogue.segment_probe import Probed, probe
from components.shared.errors import Transient
from components.shared.wire.segment_file import facts_from_file, scan
from components.shared.wire.units import WallNs
from tests.fakes.archive import Archive, at
from tests.fakes.segment_files import footage, segment_file


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def told(repairs: list[Repair]) -> list[tuple[str, str]]:
    return [(repair.what, repair.where) for repair in repairs]


def files(archive: Archive) -> set[str]:
    return {str(path.relative_to(archive.root)) for path in archive.root.rglob("*") if path.is_file()}


def stray(archive: Archive, start_ns: WallNs, data: bytes | None = None, camera: str = "cam-1") -> SegmentRow:
    """A file without a row."""
    row = open_row(camera, "main", start_ns, "run-lost", archive.volume)
    archive.put(row, segment_file(camera, start_ns, "run-lost") if data is None else data)
    return row


def agrees(archive: Archive, row: SegmentRow) -> SegmentRow:
    """The closed row of a file, which says what the file's bytes say."""
    found = archive.writer.segment(row.segment)
    assert found is not None and found.state == "closed" and found.facts is not None
    data = (archive.root / row.path).read_bytes()
    facts, parts, trailer = facts_from_file([data])
    assert (found.facts.sha256, found.facts.size_bytes, found.part_sha256s) == (facts.sha256, len(data), parts)
    assert (found.facts.gops, found.frames) == (facts.gops, facts.frames)
    assert (trailer.camera, trailer.start_ns, trailer.run) == (found.camera, found.start_ns, found.run)
    return found


def test_nothing_broken_is_nothing_done(archive: Archive) -> None:
    """On an archive that agrees, start-up changes nothing and reads no file."""

    def unread(path: Path) -> Probed | None:
        raise AssertionError(f"{path} was read")

    reconcile(archive.writer)
    rows = [archive.record(at(second)) for second in (0, 5, 4000)]
    assert reconcile(archive.writer, probe=unread) == []
    assert archive.writer.segments() == rows


def test_a_row_whose_file_was_never_made_is_discarded(archive: Archive) -> None:
    """An open row without a file goes: the time is left to whoever fills gaps."""
    row = archive.open(at(0))
    assert told(reconcile(archive.writer)) == [("discarded", row.path)]
    assert archive.writer.segments() == [] and archive.writer.gaps() == []


@pytest.mark.parametrize("size", [0, 20, 752, 5000])
def test_a_file_without_a_complete_fragment_goes_with_its_row(archive: Archive, size: int) -> None:
    """A file that is empty, holds a part of the header, the header, or a part of one fragment holds no footage."""
    row = archive.open(at(0))
    archive.put(row, footage()[:size])
    assert told(reconcile(archive.writer)) == [("discarded", row.path)]
    assert archive.writer.segments() == [] and files(archive) == set()


def test_a_segment_that_was_cut_off_keeps_its_complete_fragments(archive: Archive) -> None:
    """An open segment is closed with the fragments that are whole; the torn one is cut off, the trailer is made."""
    row = archive.open(at(0))
    archive.put(row, footage()[: scan([footage()]).fragments[3].end_bytes + 1000])
    assert told(reconcile(archive.writer)) == [("adopted", row.path)]

    found = agrees(archive, row)
    assert found.adopted and found.frames == 40 and found.sequence == 1
    assert (found.start_ns, found.end_ns) == (at(0), at(4))


def test_garbage_after_whole_fragments_is_cut_off(archive: Archive) -> None:
    """Bytes that make no sense behind whole fragments (what a power cut leaves) do not cost the fragments."""
    row = archive.open(at(0))
    archive.put(row, footage()[: scan([footage()]).fragments[1].end_bytes] + b"\0" * 8192)
    reconcile(archive.writer)
    assert agrees(archive, row).frames == 20


def test_a_complete_file_only_lacks_its_row(archive: Archive) -> None:
    """A file that was synced before its row was closed keeps every byte and the end its trailer tells."""
    row = archive.open(at(0))
    path = archive.put(row, archive.file_of(row))
    before = path.read_bytes()
    reconcile(archive.writer)
    assert agrees(archive, row).end_ns == at(5) and path.read_bytes() == before


def test_a_trailer_of_another_segment_is_replaced(archive: Archive) -> None:
    """A file under an open row is that row's, whatever an old trailer in it says."""
    row = archive.open(at(0))
    archive.put(row, segment_file("cam-2", at(77)))
    reconcile(archive.writer)
    assert agrees(archive, row).frames == 50


def test_a_trailer_that_does_not_fit_its_bytes_is_replaced(archive: Archive) -> None:
    """Whole fragments are kept although their trailer was made for other bytes; the new one is for these."""
    row = archive.open(at(0))
    data = bytearray(archive.file_of(row))
    data[scan([bytes(data)]).fragments[2].end_bytes - 100] ^= 0xFF
    archive.put(row, bytes(data))
    reconcile(archive.writer)
    assert agrees(archive, row).frames == 50


def test_an_open_file_that_cannot_be_read_is_moved_aside(archive: Archive) -> None:
    """A file of garbage under an open row is never deleted: it goes to quarantine, and its row goes."""
    row = archive.open(at(0))
    archive.put(row, b"garbage " * 1000)
    repairs = reconcile(archive.writer)
    assert told(repairs) == [("quarantined", row.path)] and "offset 0" in repairs[0].detail
    assert files(archive) == {f"quarantine/{row.segment}.mp4"} and archive.writer.segments() == []


def test_half_done_deletes_are_finished(archive: Archive) -> None:
    """Garbage whose file is still there, and garbage whose file is gone, both end without row, file and picture."""
    first, second = archive.record(at(0)), archive.record(at(5))
    for row in (first, second):
        archive.writer.mark_garbage(row.segment, "retention")
    (archive.root / first.path).unlink()
    for suffix in (".jpg", ".json"):
        (archive.root / second.path).with_suffix(suffix).write_bytes(b"made from the segment")
    assert told(reconcile(archive.writer)) == [("deleted", first.path), ("deleted", second.path)]
    assert archive.writer.garbage() == [] and files(archive) == set()


def test_garbage_on_a_folder_that_is_gone_is_dropped(archive: Archive) -> None:
    """A garbage row whose folder was removed by hand does not stay for ever."""
    row = archive.record(at(0))
    archive.record(at(5), camera="cam-2")
    archive.writer.mark_garbage(row.segment, "retention")
    path = archive.root / row.path
    path.unlink()
    path.parent.rmdir()
    delete_garbage(archive.writer, archive.writer.garbage()[0])
    assert archive.writer.garbage() == []


def test_runs_that_were_cut_off_end_where_their_footage_ends(archive: Archive) -> None:
    """A run without an end ends with its last segment, and counts at least the frames that are recorded."""
    archive.record(at(0))
    row = archive.open(at(5))
    archive.put(row, footage(seconds=3))
    reconcile(archive.writer)
    (run,) = archive.writer.runs()
    assert (run.ended_ns, run.frames_recorded, run.end_cause) == (at(8), 80, "component_down")
    assert archive.writer.unended_runs() == []


def test_footage_that_is_found_wins_over_a_gap(archive: Archive) -> None:
    """A gap that was written over time that a file holds gives way to the footage."""
    row = stray(archive, at(10))
    archive.writer.add_gap(GapRow("cam-1", "main", at(0), at(30), "component_down"))
    reconcile(archive.writer)
    agrees(archive, row)
    assert [(gap.start_ns, gap.end_ns) for gap in archive.writer.gaps()] == [(at(0), at(10)), (at(15), at(30))]


def test_a_file_without_a_row_is_adopted_by_its_trailer(archive: Archive) -> None:
    """A stray with a trailer gets the row it had, its run and its exact start and end."""
    exact = WallNs(at(0) + 123_456_789)
    row = stray(archive, exact)
    assert told(reconcile(archive.writer)) == [("adopted", row.path)]
    found = agrees(archive, row)
    assert (found.start_ns, found.run, found.adopted) == (exact, "run-lost", True)
    run = archive.writer.run("run-lost")
    assert run is not None and (run.frames_recorded, run.end_cause) == (50, "adopted")


def test_a_file_without_row_and_trailer_is_adopted_by_its_name(archive: Archive) -> None:
    """A stray without a trailer is dated by its name and its own decode times, and gets a trailer."""
    row = stray(archive, at(0), footage())
    reconcile(archive.writer)
    found = agrees(archive, row)
    assert (found.start_ns, found.end_ns, found.run) == (at(0), at(5), f"adopted-{row.segment}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no footage"),
        (footage()[:752], "no footage"),
        (b"garbage", "no footage"),
        (segment_file("cam-2", at(0)), "its trailer says that it is cam-2"),
    ],
)
def test_a_stray_that_cannot_be_adopted_is_moved_aside(archive: Archive, data: bytes, reason: str) -> None:
    """What holds no footage, or says that it is another segment, goes to quarantine and is told."""
    row = stray(archive, at(0), data)
    repairs = reconcile(archive.writer)
    assert told(repairs) == [("quarantined", row.path)] and reason in repairs[0].detail
    assert (archive.root / "quarantine" / f"{row.segment}.mp4").read_bytes() == data


def test_a_segment_file_with_a_wrong_name_is_moved_aside(archive: Archive) -> None:
    """A file that lies among segments and is named otherwise belongs nowhere; pictures beside segments are let be."""
    row = stray(archive, at(0))
    folder = (archive.root / row.path).parent
    (folder / "copy of it.mp4").write_bytes(b"x")
    (folder / f"{row.segment}.jpg").write_bytes(b"picture")
    assert sorted(told(reconcile(archive.writer))) == [
        ("adopted", row.path),
        ("quarantined", str((folder / "copy of it.mp4").relative_to(archive.root))),
    ]
    assert (folder / f"{row.segment}.jpg").exists()


HEADER = footage()[: scan([footage()]).header.init_bytes]  # type: ignore[union-attr]  # it has one
BEGUN = footage()[: len(HEADER) + 40]
"""A header, and the first bytes of a fragment."""


@pytest.mark.parametrize("kept", [b"", HEADER[:28], HEADER[:400], HEADER, BEGUN])
def test_zeros_are_what_a_power_cut_leaves(archive: Archive, kept: bytes) -> None:
    """A file that is good up to where only zeros follow was cut off there: nothing in it is for people to look at."""
    row = archive.open(at(0))
    archive.put(row, kept + bytes(3_000))
    assert told(reconcile(archive.writer)) == [("discarded", row.path)]
    assert files(archive) == set() and archive.writer.segments() == []


@pytest.mark.parametrize("rest", [b"\0\0\0\4junk" * 100 + bytes(3_000), bytes(3_000) + b"garbage"])
def test_what_is_not_zeros_alone_is_for_people(archive: Archive, rest: bytes) -> None:
    """Bytes after the header that are no fragment, zeros before or after them or not, go to quarantine."""
    row = archive.open(at(0))
    archive.put(row, HEADER + rest)
    assert told(reconcile(archive.writer)) == [("quarantined", row.path)]


def test_footage_before_zeros_is_kept(archive: Archive) -> None:
    """Complete fragments are kept, whatever zeros follow them."""
    end = scan([footage()]).fragments[1].end_bytes
    row = archive.open(at(0))
    archive.put(row, footage()[:end] + bytes(3_000))
    assert told(reconcile(archive.writer)) == [("adopted", row.path)]
    (closed,) = archive.writer.segments()
    assert closed.frames == 20


def test_files_of_one_name_do_not_replace_each_other_in_quarantine(archive: Archive) -> None:
    """What is moved aside never overwrites what was moved aside before."""
    for data in (b"one", b"two"):
        stray(archive, at(0), data)
        reconcile(archive.writer)
        archive.writer.set_full_scan_due(True)
    assert {path.read_bytes() for path in (archive.root / "quarantine").iterdir()} == {b"one", b"two"}


def test_a_stray_that_begins_inside_a_segment_is_moved_aside(archive: Archive) -> None:
    """One time of a stream belongs to one segment: a stray cannot take it."""
    archive.record(at(0))
    row = stray(archive, at(3))
    repairs = reconcile(archive.writer)
    assert told(repairs) == [("quarantined", row.path)] and "inside another" in repairs[0].detail


def test_a_stray_without_a_trailer_follows_the_segment_before_it(archive: Archive) -> None:
    """Its name is of whole milliseconds: one that touches the segment before is not inside of it."""
    before = archive.record(at(0.0004))
    row = stray(archive, at(5.0004), footage(5))
    assert told(reconcile(archive.writer)) == [("adopted", row.path)]
    found = archive.writer.segment(row.segment)
    assert found is not None and (found.start_ns, before.end_ns) == (at(5.0004), at(5.0004))


def test_a_stray_ends_where_the_next_segment_begins(archive: Archive) -> None:
    """A stray whose footage runs into the next segment's time is adopted up to there."""
    archive.record(at(3))
    row = stray(archive, at(0))
    reconcile(archive.writer)
    found = archive.writer.segment(row.segment)
    assert found is not None and found.facts is not None
    assert found.end_ns == at(3) == found.facts.end_ns


def test_a_copy_on_another_volume_is_moved_aside(archive: Archive, tmp_path: Path) -> None:
    """A segment is on one volume: a second file of it, on another, is no second segment."""
    row = archive.record(at(0))
    other = tmp_path / "other"
    archive.writer.register_volume(Volume("other", other))
    copy = other / row.path
    copy.parent.mkdir(parents=True)
    copy.write_bytes((archive.root / row.path).read_bytes())
    repairs = reconcile(archive.writer)
    assert told(repairs) == [("quarantined", row.path)] and "volume main" in repairs[0].detail
    assert (archive.root / row.path).exists()


def test_sub_streams_and_cameras_are_told_apart(archive: Archive) -> None:
    """Strays of a sub stream become its segments, at the same times as those of the main stream."""
    name = open_row("cam-1", "sub", at(0), "run-sub", archive.volume)
    archive.put(name, segment_file("cam-1", at(0), "run-sub", "sub"))
    stray(archive, at(0))
    reconcile(archive.writer)
    assert [(row.stream, row.start_ns) for row in archive.writer.segments()] == [("main", at(0)), ("sub", at(0))]


def test_a_lost_catalogue_is_made_again_from_the_files(archive: Archive, tmp_path: Path) -> None:
    """With a new catalogue every file of every hour is found: only gaps, runs' causes and sequences are lost."""
    recorded = [archive.record(at(hour * 3600), camera=camera) for hour in (0, 1, 30) for camera in ("cam-1", "cam-2")]
    archive.close()
    for path in (tmp_path / "catalogue").iterdir():
        path.unlink()
    again = Archive(tmp_path)
    assert again.writer.full_scan_due()
    assert {what for what, _ in told(reconcile(again.writer))} == {"adopted"}
    assert not again.writer.full_scan_due()
    same = [(row.segment, row.facts, row.part_sha256s) for row in again.writer.segments()]
    assert sorted(same, key=str) == sorted(((row.segment, row.facts, row.part_sha256s) for row in recorded), key=str)


def test_only_folders_from_the_newest_row_on_are_listed(archive: Archive) -> None:
    """A stray of the newest row's hour or later is found; an older one is left to a full look."""
    reconcile(archive.writer)
    archive.record(at(3600 * 10))
    late = stray(archive, at(3600 * 10 + 5))
    later = stray(archive, at(3600 * 40))
    early = stray(archive, at(0))
    strays, _ = find_strays(archive.writer)
    assert [found.path for found in strays] == [late.path, later.path]
    everything, _ = find_strays(archive.writer, everything=True)
    assert [found.path for found in everything] == [early.path, late.path, later.path]


def test_a_scan_that_was_broken_off_is_done_again_in_full(archive: Archive) -> None:
    """Strays that were not come to are found by the next start, although newer rows exist by then."""
    reconcile(archive.writer)
    archive.record(at(0))
    rows = [stray(archive, at(3600 * hour)) for hour in (1, 2, 3)]
    strays, _ = find_strays(archive.writer)
    asked = iter([True, False])
    done = adopt_strays(archive.writer, strays, proceed=lambda: next(asked))
    assert told(done) == [("adopted", rows[0].path)]
    archive.record(at(3600 * 50))

    assert told(reconcile(archive.writer)) == [("adopted", row.path) for row in rows[1:]]
    assert not archive.writer.full_scan_due()


def test_adopting_goes_on_beside_recording(archive: Archive) -> None:
    """A stray that got a row, became garbage, or vanished since it was listed is let be."""
    kept, deleted, gone = stray(archive, at(0)), stray(archive, at(10)), stray(archive, at(20))
    strays, _ = find_strays(archive.writer)
    for row in (kept, deleted):
        adopt_strays(archive.writer, [found for found in strays if found.path == row.path], all_listed=False)
    archive.writer.mark_garbage(deleted.segment, "retention")
    (archive.root / gone.path).unlink()
    assert adopt_strays(archive.writer, strays) == []
    assert [row.segment for row in archive.writer.segments()] == [kept.segment]


def test_a_stray_is_adopted_while_its_stream_is_recorded(archive: Archive) -> None:
    """An open segment of the same stream, and an open gap after the stray, are no obstacle."""
    early = stray(archive, at(0))
    strays, _ = find_strays(archive.writer)
    recording = archive.open(at(100))
    assert told(adopt_strays(archive.writer, strays)) == [("adopted", early.path)]
    assert [row.segment for row in archive.writer.segments()] == [early.segment, recording.segment]


def test_a_recorder_settles_its_own_stream(archive: Archive) -> None:
    """After an attempt that broke off, a stream's open segment is settled and the others' are let be."""
    mine, other = archive.open(at(0)), archive.open(at(0), camera="cam-2")
    archive.put(mine, footage())
    assert told(settle_stream(archive.writer, "cam-1", "main")) == [("adopted", mine.path)]
    assert settle_stream(archive.writer, "cam-1", "main") == []
    assert [row.segment for row in archive.writer.open_segments()] == [other.segment]


def test_a_volume_that_is_not_mounted_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    """An empty root where footage should be is no reason to discard rows: they wait until it is there again."""
    archive.record(at(0))
    row = archive.open(at(5))
    archive.put(row, footage())
    garbage = archive.record(at(0), camera="cam-2")
    archive.writer.mark_garbage(garbage.segment, "retention")
    away = tmp_path / "away"
    archive.root.rename(away)
    archive.root.mkdir()
    repairs = reconcile(archive.writer)
    assert {what for what, _ in told(repairs)} == {"failed"} and len(repairs) == 3
    assert archive.writer.open_segments() == [row] and len(archive.writer.garbage()) == 1
    assert archive.writer.unended_runs() != []

    archive.root.rmdir()
    away.rename(archive.root)
    assert sorted(told(reconcile(archive.writer))) == sorted([("deleted", garbage.path), ("adopted", row.path)])


def test_one_bad_file_does_not_keep_the_others(archive: Archive) -> None:
    """A file that the disk does not give is told as failed; the rest is done, and it is tried again next time."""
    bad, good = archive.open(at(0)), archive.open(at(0), camera="cam-2")
    lost = stray(archive, at(100), camera="cam-3")
    for row in (bad, good):
        archive.put(row, footage())

    def failing(path: Path) -> Probed | None:
        if path.name.startswith(("cam-1_", "cam-3_")):
            raise Transient(f"cannot read {path}: Input/output error")
        return probe(path)

    assert told(reconcile(archive.writer, probe=failing)) == [
        ("failed", bad.path),
        ("adopted", good.path),
        ("failed", lost.path),
    ]
    assert archive.writer.full_scan_due()
    assert told(reconcile(archive.writer)) == [("adopted", bad.path), ("adopted", lost.path)]


def test_where_a_file_is_follows_its_volume(archive: Archive, tmp_path: Path) -> None:
    """A data root that is moved takes its volumes along: their roots are kept relative to it."""
    row = archive.record(at(0))
    archive.close()
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    try:
        reader = CaptureReader.open(moved)
        assert reader.file_path(row).is_file()
        reader.close()
    finally:
        moved.rename(tmp_path)


def test_repair_needs_no_scan(archive: Archive) -> None:
    """Rows are repaired without listing a folder: a stray is still a stray afterwards."""
    stray(archive, at(0))
    assert repair_rows(archive.writer) == []
    strays, failures = find_strays(archive.writer)
    assert len(strays) == 1 and failures == []


def test_a_folder_named_as_a_file_is_none(archive: Archive) -> None:
    """Only files are footage: a folder among them is let be."""
    row = stray(archive, at(0))
    (archive.root / row.path).with_name("cam-1_20250615T150700.000Z.mp4").mkdir()
    assert told(reconcile(archive.writer)) == [("adopted", row.path)]


def test_links_are_not_followed(archive: Archive, tmp_path: Path) -> None:
    """A symbolic link among the folders of streams leads nowhere."""
    outside = tmp_path / "outside" / "2025" / "06" / "15" / "15"
    outside.mkdir(parents=True)
    (outside / "cam-9_20250615T150640.000Z.mp4").write_bytes(b"x")
    (archive.root / "cam-9").symlink_to(tmp_path / "outside")
    assert reconcile(archive.writer) == []
