"""A volume is used only while its disk is there and is the one that it should be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, SegmentRow, Volume, open_row
from components.shared.catalogue.check import check
from components.shared.catalogue.reconcile import delete_garbage, find_strays, reconcile, settle_stream
from components.shared.catalogue.volumes import (
    MARKER,
    Marker,
    VolumeNote,
    absence,
    absence_of,
    accept_volume,
    data_root_id,
    disk_watch,
    identify_volumes,
    read_marker,
    write_marker,
)
from components.shared.errors import Fatal, Rejected, Transient
from tests.fakes.archive import Archive, at
from tests.fakes.segment_files import segment_file


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data")


def volume_of(archive: Archive, name: str = "main") -> Volume:
    return next(volume for volume in archive.writer.volumes() if volume.volume == name)


def identified(archive: Archive) -> Volume:
    """The volume with its identity."""
    identify_volumes(archive.writer)
    volume = volume_of(archive)
    assert volume.identity is not None
    return volume


def kinds(notes: list[VolumeNote]) -> list[tuple[str, str]]:
    return [(note.what, note.volume) for note in notes]


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def unmount(archive: Archive) -> Path:
    """Takes the disk away: at its place is the empty folder that it was mounted on. Gives where its files are."""
    away = archive.data.parent / "away"
    archive.root.rename(away)
    archive.root.mkdir()
    return away


def test_a_new_volume_gets_a_marker_and_a_row_that_agree(archive: Archive) -> None:
    """Marker and row have one random id, and the marker names volume and data root; a second start changes nothing."""
    assert absence(volume_of(archive)) is None
    assert kinds(identify_volumes(archive.writer)) == [("identified", "main")]
    volume = volume_of(archive)
    assert read_marker(archive.root) == Marker(str(volume.identity), "main", data_root_id(archive.data))
    assert len(str(volume.identity)) == 32
    assert absence(volume) is None
    assert identify_volumes(archive.writer) == []
    assert volume_of(archive) == volume


def test_ids_differ(tmp_path: Path) -> None:
    """No two volumes and no two data roots have one id."""
    ids = set()
    for name in ("one", "two"):
        archive = Archive(tmp_path / name)
        ids |= {identified(archive).identity, data_root_id(archive.data)}
        archive.close()
    assert len(ids) == 4


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def folder_for_marker(root: Path) -> None:
    (root / MARKER).unlink()
    (root / MARKER).mkdir()


def file_for_root(root: Path) -> None:
    shutil.rmtree(root)
    root.write_bytes(b"a file")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (shutil.rmtree, "there is no folder"),
        (empty, "is empty, its disk is not mounted"),
        (lambda root: (root / MARKER).unlink(), "has no marker"),
        (lambda root: write_marker(root, Marker("another-id", "other", "x")), "'other' with the id another-id"),
        (lambda root: (root / MARKER).write_bytes(b""), "cannot be understood"),
        (lambda root: (root / MARKER).write_bytes(b'{"identity": 3, "volume": "", "data_root": ""}'), "not text"),
        (lambda root: (root / MARKER).write_bytes(b"[" * 9_000), "cannot be understood"),
        (folder_for_marker, "directory"),
        (file_for_root, "there is no folder"),
    ],
)
def test_a_wrong_or_missing_disk_is_noticed_while_running(
    archive: Archive, spoil: Callable[[Path], object], told: str
) -> None:
    """Whatever becomes of the place, asking the disk says at once that the volume is not there, and why."""
    volume = identified(archive)
    (archive.root / "cam-1").mkdir()
    spoil(archive.root)
    assert told in str(absence(volume))
    assert "volume main is not there" in str(absence(volume))


def test_a_disk_that_comes_back_is_noticed(archive: Archive) -> None:
    """The same question says that the volume is there again."""
    volume = identified(archive)
    away = unmount(archive)
    assert absence(volume) is not None
    archive.root.rmdir()
    away.rename(archive.root)
    assert absence(volume) is None


def test_a_watch_follows_the_disk(archive: Archive) -> None:
    """Asked again and again, it says when the disk goes, when another comes, and when it is back."""
    identified(archive)
    absent = disk_watch(archive.writer, "main")
    assert absent() is None
    away = unmount(archive)
    assert "not mounted" in str(absent())
    (archive.root / "other").mkdir()
    assert "another disk" in str(absent())
    shutil.rmtree(archive.root)
    away.rename(archive.root)
    assert absent() is None


def test_a_watch_waits_for_the_right_disk(archive: Archive) -> None:
    """A volume that had no identity when Capture started gets it as soon as its disk is there, and not before."""
    archive.record(at(0))
    away = unmount(archive)
    assert kinds(identify_volumes(archive.writer)) == [("not_there", "main")]
    absent = disk_watch(archive.writer, "main")
    write_marker(archive.root, Marker("a", "main", "elsewhere"))
    assert "another site" in str(absent())
    (archive.root / MARKER).unlink()
    assert "its rows are not" in str(absent())
    archive.root.rmdir()
    away.rename(archive.root)
    assert absent() is None
    assert volume_of(archive).identity is not None


def test_a_watch_says_when_the_catalogue_cannot_be_asked(archive: Archive, tmp_path: Path) -> None:
    """Whatever is wrong is a sentence, not a crash of whoever watches; later it is asked again."""
    absent = disk_watch(archive.writer, "main")
    path = archive.data / "catalogue" / "data-root"
    path.mkdir()
    assert "cannot be identified" in str(absent())
    path.rmdir()
    assert absent() is None


def old_release(archive: Archive, *rows: SegmentRow) -> None:
    """As the release before left it: rows and files, no marker."""
    assert rows
    assert volume_of(archive).identity is None
    assert not (archive.root / MARKER).exists()


def test_a_volume_of_the_release_before_is_known_by_its_files(archive: Archive) -> None:
    """It gets its identity when a file of its newest rows is there, also when most are not."""
    rows = [archive.record(at(number * 5)) for number in range(4)]
    old_release(archive, *rows)
    for row in (rows[0], rows[2], rows[3]):
        (archive.root / row.path).unlink()
    assert kinds(identify_volumes(archive.writer)) == [("identified", "main")]


@pytest.mark.parametrize("content", [None, "holiday.jpg", "cam-1/2020/01/01/00/other.mp4"])
def test_a_volume_of_the_release_before_with_another_disk_is_not_marked(archive: Archive, content: str | None) -> None:
    """An empty mount point, or a disk with other files, gets no marker."""
    old_release(archive, archive.record(at(0)))
    unmount(archive)
    if content is not None:
        (archive.root / content).parent.mkdir(parents=True, exist_ok=True)
        (archive.root / content).write_bytes(b"x")
    before = files(archive.root)
    assert kinds(identify_volumes(archive.writer)) == [("not_there", "main")]
    assert volume_of(archive).identity is None and files(archive.root) == before


def test_a_file_of_another_length_proves_nothing(archive: Archive) -> None:
    """A file only of the same name does not make a disk the right one."""
    row = archive.record(at(0))
    (archive.root / row.path).write_bytes(b"x")
    assert kinds(identify_volumes(archive.writer)) == [("not_there", "main")]


def test_a_lost_marker_is_given_again_where_the_files_are(archive: Archive) -> None:
    """A marker that somebody deleted comes back with the same id; on an empty disk it does not."""
    archive.record(at(0))
    volume = identified(archive)
    (archive.root / MARKER).unlink()
    assert kinds(identify_volumes(archive.writer)) == [("identified", "main")]
    assert volume_of(archive) == volume and absence(volume) is None
    unmount(archive)
    (archive.root / "lost+found").mkdir()
    assert kinds(identify_volumes(archive.writer)) == [("not_there", "main")]
    assert not (archive.root / MARKER).exists()


@pytest.mark.parametrize(
    ("marker", "told"),
    [(Marker("a", "main", "elsewhere"), "another site"), (Marker("a", "second", "ours"), "'second' of this site")],
)
def test_a_disk_of_somebody_else_is_not_taken(archive: Archive, marker: Marker, told: str) -> None:
    """A new volume whose disk has the marker of another site, or of another volume of this one, is not used."""
    data_root_id(archive.data, lambda: "ours")
    write_marker(archive.root, marker)
    (note,) = identify_volumes(archive.writer)
    assert note.what == "not_there" and told in note.detail
    assert read_marker(archive.root) == marker and volume_of(archive).identity is None


def test_a_new_catalogue_knows_its_volumes_again(archive: Archive) -> None:
    """Where only capture.db is lost, the marker's id is taken into the new one."""
    volume = identified(archive)
    archive.close()
    for path in (archive.data / "catalogue").glob("capture.*"):
        path.unlink()
    again = Archive(archive.data)
    assert kinds(identify_volumes(again.writer)) == [("identified", "main")]
    assert volume_of(again) == volume
    again.close()


def test_a_start_that_breaks_off_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    """On each side of every durable step of marking a volume, the next start ends with a marker and row that agree."""
    steps: list[str] = []
    first = Archive(tmp_path / "all")
    identify_volumes(first.writer, step=steps.append)
    first.close()
    assert len(steps) > 15
    for number in range(len(steps)):
        archive = Archive(tmp_path / f"cut-{number}")
        left = [number]

        def step(_name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            identify_volumes(archive.writer, step=step)
        identify_volumes(archive.writer)
        volume = volume_of(archive)
        marker = read_marker(archive.root)
        assert marker is not None and marker.identity == volume.identity
        assert absence(volume) is None
        archive.close()


def test_a_disk_that_cannot_be_written_is_told_and_used_as_before(archive: Archive) -> None:
    """Without a marker a volume is what it was with the release before; the other volumes get theirs."""
    archive.writer.register_volume(Volume("other", archive.data / "no" / "folder"))
    assert kinds(identify_volumes(archive.writer)) == [("identified", "main"), ("not_there", "other")]
    assert volume_of(archive, "other").identity is None


def test_nothing_is_done_on_behalf_of_a_volume_that_is_not_there(archive: Archive) -> None:
    """With another disk at its place: no file of it is adopted, settled or deleted, no row is lost, and it is told."""
    kept, gone = archive.record(at(0)), archive.record(at(5))
    left_open = archive.open(at(10))
    archive.put(left_open, archive.file_of(left_open))
    archive.writer.mark_garbage(gone.segment, "retention")
    reconciled = identified(archive)
    away = unmount(archive)
    shutil.copytree(away, archive.root, dirs_exist_ok=True)  # the other disk even has files of the same names
    write_marker(archive.root, Marker("another-id", "main", "elsewhere"))
    strange = open_row("cam-1", "main", at(60), "run-x", "main")
    archive.put(strange, segment_file("cam-1", at(60), "run-x"))
    before = files(archive.root)
    repairs = reconcile(archive.writer)
    assert {repair.what for repair in repairs} == {"failed"} and len(repairs) == 3
    assert find_strays(archive.writer, everything=True)[0] == []
    with pytest.raises(Transient, match="another volume"):
        delete_garbage(archive.writer, archive.writer.garbage()[0])
    assert files(archive.root) == before
    assert [row.segment for row in archive.writer.segments()] == [kept.segment, left_open.segment]
    assert [finding.what for finding in check(archive.data, pause=lambda: None)].count("not_there") == 1
    shutil.rmtree(archive.root)
    away.rename(archive.root)
    assert absence(reconciled) is None
    assert sorted(repair.what for repair in reconcile(archive.writer)) == ["adopted", "deleted"]


def test_a_recorder_goes_on_without_the_disk_that_was_taken_away(archive: Archive) -> None:
    """Its open row is dropped while the disk is away, whatever lies at its place; the file is adopted from it later."""
    row = archive.open(at(0))
    archive.put(row, archive.file_of(row))
    identified(archive)
    away = unmount(archive)
    archive.put(row, b"another disk's file")
    assert [repair.what for repair in settle_stream(archive.writer, "cam-1", "main")] == ["discarded"]
    assert (archive.root / row.path).read_bytes() == b"another disk's file"
    shutil.rmtree(archive.root)
    away.rename(archive.root)
    assert [repair.what for repair in reconcile(archive.writer)] == ["adopted"]


def test_one_volume_of_several_is_away(archive: Archive) -> None:
    """What is wrong with one disk keeps nothing of another from being repaired."""
    second = Archive.__new__(Archive)
    second.data, second.volume, second.writer = archive.data, "second", archive.writer
    second.root = archive.data / "media" / "second"
    second.root.mkdir(parents=True)
    archive.writer.register_volume(Volume("second", second.root))
    archive.record(at(0))
    moved = second.record(at(5), camera="cam-2")
    identify_volumes(archive.writer)
    unmount(archive)
    stray = open_row("cam-2", "main", at(10), "run-lost", "second")
    second.put(stray, segment_file("cam-2", at(10), "run-lost"))
    repairs = [(repair.what, repair.where) for repair in reconcile(archive.writer)]
    assert repairs == [("failed", str(archive.root)), ("adopted", stray.path)]
    assert absence_of(archive.writer, volume_of(archive, "second")) is None
    assert {row.segment for row in archive.writer.segments("cam-2")} == {moved.segment, stray.segment}


def test_a_disk_that_was_replaced_is_accepted(archive: Archive) -> None:
    """People say that the new disk is the volume now: it gets the marker, and is there from that moment on."""
    archive.record(at(0))
    volume = identified(archive)
    unmount(archive)
    (archive.root / "lost+found").mkdir()
    assert absence(volume) is not None
    assert accept_volume(archive.writer, "main") == volume
    assert absence(volume) is None


def test_what_cannot_be_accepted_is_refused(archive: Archive) -> None:
    """Unknown names, volumes that were never marked, roots that are not there, and disks of others."""
    with pytest.raises(Rejected, match="not known"):
        accept_volume(archive.writer, "other")
    with pytest.raises(Rejected, match="no identity"):
        accept_volume(archive.writer, "main")
    identified(archive)
    write_marker(archive.root, Marker("b", "second", "x"))
    with pytest.raises(Rejected, match="'second'"):
        accept_volume(archive.writer, "main")
    shutil.rmtree(archive.root)
    with pytest.raises(Rejected, match="mount its disk"):
        accept_volume(archive.writer, "main")


def test_an_identity_is_of_a_registered_volume(tmp_path: Path) -> None:
    """Nobody else can have one."""
    writer = CaptureWriter.open(tmp_path)
    with pytest.raises(Fatal, match="not registered"):
        writer.set_identity("other", "id")
    writer.close()
