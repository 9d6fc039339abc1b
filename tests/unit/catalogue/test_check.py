"""`check` finds every way in which catalogues and files can disagree, and nothing where they agree."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, ThumbnailRow
from components.shared.catalogue.capture import SegmentRow, StreamRow, Volume
from components.shared.catalogue.check import Finding, check
from components.shared.catalogue.health import HealthWriter
from components.shared.catalogue.sync import SyncWriter, UploadKind, UploadRow
from components.shared.wire.segment_file import scan
from tests.fakes.archive import START_NS, Archive, at
from tests.fakes.segment_files import footage

PICTURE = b"a picture"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    archive.writer.set_stream(StreamRow("cam-1", "main", "recording", "", START_NS, 0, START_NS))
    yield archive
    archive.close()


def found(archive: Archive, with_hash: bool = False) -> list[Finding]:
    return check(archive.data, with_hash=with_hash, pause=lambda: None)


def kinds(archive: Archive, with_hash: bool = False) -> list[str]:
    return [finding.what for finding in found(archive, with_hash)]


def past_the_guards(archive: Archive, *statements: str) -> None:
    """Changes capture.db as no release of ours would: what check is for."""
    with sqlite3.connect(archive.data / "catalogue" / "capture.db") as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def upload_of(row: SegmentRow, key: str = "key-1", kind: UploadKind = "segment", sha256: str = "") -> UploadRow:
    assert row.facts is not None
    digest = sha256 or row.facts.sha256
    name = (key, kind, row.camera, row.segment, row.volume, row.path)
    return UploadRow(*name, row.size_bytes, digest, row.part_sha256s, {}, 0, START_NS)


def thumbnail_of(archive: Archive, row: SegmentRow, analysis: AnalysisWriter) -> Path:
    path = row.path.removesuffix(".mp4") + ".jpg"
    (archive.root / path).write_bytes(PICTURE)
    picture = ThumbnailRow(row.segment, row.camera, row.start_ns, row.volume, path, len(PICTURE), "ab" * 32)
    analysis.record(AnalysisRow(row.segment, row.camera, row.sequence or 0, 3, "done"), [], picture)
    return archive.root / path


def test_an_archive_that_agrees_has_no_findings(archive: Archive) -> None:
    """Segments, gaps, an open segment, thumbnails and uploads as the components leave them: nothing to tell."""
    first, _ = archive.record(at(0)), archive.record(at(5))
    archive.writer.begin_gap("cam-1", "main", at(10), "unreachable")
    archive.writer.end_gap("cam-1", "main", at(20))
    archive.put(archive.open(at(20)), footage()[:9000])
    analysis, sync = AnalysisWriter.open(archive.data), SyncWriter.open(archive.data)
    HealthWriter.open(archive.data).close()
    thumbnail_of(archive, first, analysis)
    sync.enqueue("capture", [upload_of(first)], 1)
    assert found(archive, with_hash=True) == []
    analysis.close()
    sync.close()


def test_without_a_catalogue_there_is_one_finding(tmp_path: Path) -> None:
    """A data root where Capture never ran says so."""
    assert [finding.what for finding in check(tmp_path)] == ["not_there"]


def test_an_open_row_is_no_finding(archive: Archive) -> None:
    """A segment that is being written, with a file or before it, is as it should be."""
    archive.open(at(0))
    assert found(archive) == []


def test_a_row_without_a_file(archive: Archive) -> None:
    """A closed segment whose file is gone is found."""
    archive.record(at(5), camera="cam-2")
    row = archive.record(at(0))
    (archive.root / row.path).unlink()
    assert found(archive) == [Finding("row_without_file", row.path, f"{archive.root / row.path} is not there")]


def test_a_file_without_a_row(archive: Archive) -> None:
    """A segment, a picture and anything else that no row knows is found; hidden files are somebody's temporaries."""
    row = archive.record(at(0))
    folder = (archive.root / row.path).parent
    for name in ("cam-1_20250615T150700.000Z.mp4", "notes.txt", ".temporary"):
        (folder / name).write_bytes(b"x")
    (archive.root / "elsewhere.mp4").write_bytes(b"x")
    assert sorted(kinds(archive)) == ["file_without_row"] * 3


def test_garbage_is_no_file_without_a_row(archive: Archive) -> None:
    """A file that waits for its deletion is told once, as garbage."""
    row = archive.record(at(0))
    archive.writer.mark_garbage(row.segment, "retention")
    assert found(archive) == [Finding("garbage_left", row.path, "to be deleted: retention")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data[:-1], ["size_differs", "does_not_parse"]),
        (lambda data: data + b"x", ["size_differs", "does_not_parse"]),
        (lambda data: b"", ["size_differs", "does_not_parse"]),
        (lambda data: b"x" * len(data), ["does_not_parse"]),
        (lambda data: data[: scan([data]).complete_bytes], ["size_differs"]),
    ],
)
def test_a_file_that_is_not_what_it_was(
    archive: Archive, change: Callable[[bytes], bytes], expected: list[str]
) -> None:
    """A file that was cut, grew, was emptied or overwritten is found by its size or by its boxes."""
    path = archive.root / archive.record(at(0)).path
    path.write_bytes(change(path.read_bytes()))
    assert kinds(archive) == expected


def test_a_file_of_other_footage(archive: Archive) -> None:
    """A whole segment under another segment's name is found by what it says of itself."""
    row = archive.record(at(0))
    other = archive.record(at(0), camera="cam-2")
    path = archive.root / row.path
    path.write_bytes((archive.root / other.path).read_bytes())
    (finding,) = found(archive)
    assert finding.what == "facts_differ" and "trailer" in finding.detail


def test_a_changed_byte_is_found_by_its_hash_only(archive: Archive) -> None:
    """A byte that turned within footage is found when hashes are asked for."""
    row = archive.record(at(0))
    path = archive.root / row.path
    data = bytearray(path.read_bytes())
    data[scan([bytes(data)]).fragments[1].end_bytes - 100] ^= 1
    path.write_bytes(bytes(data))
    assert kinds(archive) == []
    assert kinds(archive, with_hash=True) == ["hash_differs"]


def test_part_hashes_that_differ(archive: Archive) -> None:
    """Part hashes that S3 would refuse are found when hashes are asked for."""
    archive.record(at(0))
    past_the_guards(archive, "UPDATE segment SET part_sha256s = zeroblob(32)")
    (finding,) = found(archive, with_hash=True)
    assert finding.what == "hash_differs" and "parts" in finding.detail


def test_time_that_is_told_twice(archive: Archive) -> None:
    """Segments that overlap, gaps that overlap, and gaps over footage are found."""
    archive.record(at(0))
    archive.record(at(5))
    past_the_guards(archive, f"UPDATE segment SET end_ns = {at(6)} WHERE start_ns = {at(0)}")
    assert kinds(archive) == ["overlap"]
    gap = "INSERT INTO gap (camera, stream, start_ns, end_ns, cause, detail) VALUES ('cam-1', 'main', "
    past_the_guards(
        archive,
        f"UPDATE segment SET end_ns = {at(5)} WHERE start_ns = {at(0)}",
        f"{gap} {at(9)}, {at(12)}, 'disk', '')",
        f"{gap} {at(11)}, {at(13)}, 'disk', '')",
    )
    assert kinds(archive) == ["gap_overlap", "gap_overlap"]


def test_a_long_part_is_seen_over_a_short_one(archive: Archive) -> None:
    """A gap over several segments is found at each of them, not only at the first."""
    for second in (0, 5, 10):
        archive.record(at(second))
    gap = "INSERT INTO gap (camera, stream, start_ns, end_ns, cause, detail) VALUES ('cam-1', 'main', "
    past_the_guards(archive, f"{gap} {at(1)}, NULL, 'disk', '')")
    assert kinds(archive) == ["gap_overlap"] * 3


@pytest.mark.parametrize(("hole", "expected"), [(1.0, []), (1.001, ["uncovered"])])
def test_time_that_is_told_nowhere(archive: Archive, hole: float, expected: list[str]) -> None:
    """More than a second between two parts of a record, or since the stream was enabled, is found."""
    archive.record(at(hole))
    archive.record(at(hole + 5))
    assert kinds(archive) == expected
    archive.record(at(hole + 10 + hole))
    assert kinds(archive) == expected * 2


def test_rows_that_refer_to_nothing(archive: Archive) -> None:
    """A row whose run does not exist is found, whoever wrote it."""
    archive.record(at(0))
    past_the_guards(archive, "UPDATE segment SET run = 'nobody'")
    assert [finding.detail for finding in found(archive) if finding.what == "damaged"] == [
        "segment: row 1 refers to no run"
    ]


def test_damage_to_a_catalogue(archive: Archive) -> None:
    """A catalogue with pages of zeros is told as damaged, and what can still be looked at is."""
    row = archive.record(at(0))
    sync = SyncWriter.open(archive.data)
    sync.enqueue("capture", [upload_of(row, f"key-{number}") for number in range(300)], 1)
    sync.close()
    path = archive.data / "catalogue" / "sync.db"
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(4096 * (pages // 2))
        file.write(bytes(4096 * (pages // 4)))
    (archive.root / row.path).unlink()
    assert {"damaged", "row_without_file"} <= set(kinds(archive))


def test_what_is_in_quarantine(archive: Archive) -> None:
    """A file that start-up moved aside is told until somebody takes it away."""
    (archive.root / "quarantine").mkdir()
    (archive.root / "quarantine" / "cam-1_x.mp4").write_bytes(b"x")
    assert found(archive) == [
        Finding("in_quarantine", "quarantine/cam-1_x.mp4", "look at it, then move it away"),
    ]


def test_a_volume_that_is_not_there(archive: Archive, tmp_path: Path) -> None:
    """A volume that is not mounted is one finding, not one per file."""
    for second in (0, 5):
        archive.record(at(second))
    archive.root.rename(tmp_path / "away")
    archive.root.mkdir()
    assert kinds(archive) == ["not_there"]


def test_a_volume_that_cannot_be_read_hides_nothing_else(archive: Archive, tmp_path: Path) -> None:
    """A root that is no folder is told, and the other volumes are looked at all the same."""
    row = archive.record(at(0))
    (archive.root / row.path).unlink()
    archive.writer.register_volume(Volume("other", tmp_path / "other"))
    (tmp_path / "other").write_bytes(b"no folder")
    assert sorted(kinds(archive)) == ["not_there", "row_without_file"]


def test_thumbnails_against_their_files(archive: Archive) -> None:
    """A picture that is gone or of another length, and one of a segment that is gone, are found."""
    first, second, third = (archive.record(at(second)) for second in (0, 5, 10))
    analysis = AnalysisWriter.open(archive.data)
    thumbnail_of(archive, first, analysis).unlink()
    thumbnail_of(archive, second, analysis).write_bytes(b"longer than a picture")
    (archive.root / third.path.replace(".mp4", ".jpg")).write_bytes(PICTURE)
    assert sorted(kinds(archive)) == ["size_differs", "thumbnail_without_file"]

    analysis.record(AnalysisRow(third.segment, third.camera, 3, 3, "done"))
    assert sorted(kinds(archive)) == ["file_without_row", "size_differs", "thumbnail_without_file"]
    analysis.close()


def test_uploads_against_their_segments(archive: Archive) -> None:
    """An upload that waits for what is gone, is of other bytes, or goes to two keys is found; done ones may be gone."""
    rows = [archive.record(at(second)) for second in range(0, 25, 5)]
    gone, done, differs, twice, good = rows
    sync = SyncWriter.open(archive.data)
    sync.enqueue(
        "capture",
        [
            upload_of(gone, "gone"),
            upload_of(done, "done"),
            upload_of(differs, "differs", sha256="ab" * 32),
            upload_of(twice, "twice-1"),
            upload_of(twice, "twice-2"),
            upload_of(good, "good"),
        ],
        5,
    )
    sync.mark_uploaded("done", "etag", at(100))
    for row in (gone, done):
        archive.writer.mark_garbage(row.segment, "retention")
        archive.writer.drop_garbage(row.segment)
        (archive.root / row.path).unlink()
    assert [(finding.what, finding.where) for finding in found(archive)] == [
        ("upload_without_segment", "gone"),
        ("upload_differs", "differs"),
        ("upload_twice", "twice-1"),
        ("upload_twice", "twice-2"),
    ]
    sync.close()


def test_a_picture_that_waits_for_upload_and_is_gone(archive: Archive) -> None:
    """A thumbnail that is queued must be there."""
    row = archive.record(at(0))
    sync = SyncWriter.open(archive.data)
    picture = upload_of(row, "picture", kind="thumbnail")
    sync.enqueue("analysis", [picture], 1)
    assert kinds(archive) == []
    (archive.root / row.path).unlink()
    assert sorted(kinds(archive)) == ["row_without_file", "upload_without_file"]
    sync.close()


def test_what_changes_under_the_check_is_no_finding(archive: Archive) -> None:
    """What is wrong at the first look and right at the second was being changed, and is not told."""
    row = archive.record(at(0))
    archive.writer.mark_garbage(row.segment, "retention")

    def meanwhile() -> None:
        (archive.root / row.path).unlink()
        archive.writer.drop_garbage(row.segment)

    assert check(archive.data, pause=meanwhile) == []


def test_a_catalogue_of_an_owner_that_is_too_old_is_told(archive: Archive) -> None:
    """A file that its owner has not migrated yet cannot be looked at."""
    sqlite3.connect(archive.data / "catalogue" / "sync.db").close()
    (archive.data / "catalogue" / "sync.db").touch()
    (finding,) = found(archive)
    assert finding.what == "not_there" and "sync.db has schema 0" in finding.detail
