"""A lost catalogue comes back from the files, says what it does not know, and finds it out later."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shared.catalogue import rebuild_files
from components.shared.catalogue.capture import CaptureReader, CaptureWriter, GapRow, SegmentRow, Volume, open_row
from components.shared.catalogue.check import check
from components.shared.catalogue.rebuild import Rebuilt, known_volumes, rebuild
from components.shared.catalogue.reconcile import find_strays
from components.shared.catalogue.roll_ups import DAY_NS, day_of
from components.shared.catalogue.sync import SyncWriter
from components.shared.catalogue.verify import Verified, verify
from components.shared.catalogue.volumes import MARKER, Marker, identify_volumes, read_marker, write_marker
from components.shared.errors import Rejected, Transient
from components.shared.wire.object_keys import ObjectName, StreamName, relative_path
from components.shared.wire.segment_file import encode_trailer, scan
from components.shared.wire.units import Span, WallNs
from tests.fakes.archive import Archive, at
from tests.fakes.segment_files import footage, segment_file


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path / "data")
    identify_volumes(archive.writer)
    yield archive
    archive.close()


def main_of(archive: Archive) -> list[Volume]:
    return [Volume("main", archive.root)]


def rebuilt(archive: Archive, volumes: list[Volume] | None = None, processes: int = 0) -> Rebuilt:
    """The catalogue is lost and made again; the archive's writer writes the new one."""
    archive.close()
    told = rebuild(archive.data, volumes or main_of(archive), processes=processes)
    archive.writer = CaptureWriter.open(archive.data)
    return told


def verified(archive: Archive, wait: Callable[[int], bool] = lambda _ns: False) -> list[Verified]:
    told: list[Verified] = []
    verify(archive.writer, wait, told.append)
    return told


def kinds(told: list[Verified]) -> list[str]:
    return [one.what for one in told]


def facts_alone(row: SegmentRow) -> SegmentRow:
    """What a rebuilt row must say as before."""
    assert row.facts is not None
    facts = replace(row.facts, sha256="")
    return replace(row, facts=facts, part_sha256s=(), sequence=0, unverified=False, adopted=False)


def test_rows_come_back_but_for_what_no_trailer_says(archive: Archive) -> None:
    """All facts, runs and times are as before; hashes are the trailer's and marked, gaps have the cause unknown."""
    recorded = [archive.record(at(second), camera=camera) for second in (0, 5, 60) for camera in ("cam-1", "cam-2")]
    recorded.append(archive.record(at(0), stream="sub"))
    archive.writer.add_gap(GapRow("cam-1", "main", at(10), at(60), "disk"))
    told = rebuilt(archive)
    assert (told.segments, told.streams, told.gaps, told.repairs) == (7, 3, 2, ())
    assert told.size_bytes == sum(row.size_bytes for row in recorded)
    rows = archive.writer.segments()
    assert sorted(map(facts_alone, rows), key=str) == sorted(map(facts_alone, recorded), key=str)
    assert all(row.unverified and not row.altered and not row.adopted for row in rows)
    assert [(gap.camera, gap.start_ns, gap.end_ns, gap.cause) for gap in archive.writer.gaps()] == [
        (camera, at(10), at(60), "unknown") for camera in ("cam-1", "cam-2")
    ]
    run = archive.writer.run("run-cam-1-main")
    assert run is not None
    assert (run.started_ns, run.ended_ns, run.frames_recorded, run.end_cause) == (at(0), at(65), 150, "rebuilt")
    day = WallNs(day_of(at(0)))
    (covered,) = archive.writer.overview(["cam-1"], Span(day, WallNs(day + DAY_NS)), DAY_NS, at(99))
    assert (covered.recorded_ns, covered.gaps_ns, covered.segments) == (15 * 10**9, {"unknown": 50 * 10**9}, 3)


def test_a_rebuilt_catalogue_is_whole(archive: Archive) -> None:
    """Nothing disagrees afterwards, nothing is left to repair, the schema guards it again, and Capture writes on."""
    for second in (0, 5):
        archive.record(at(second))
    rebuilt(archive)
    assert [finding.what for finding in check(archive.data, with_hash=True, pause=lambda: None)] == ["set_aside"]
    assert find_strays(archive.writer, everything=True) == ([], [])
    assert not archive.writer.full_scan_due() and not archive.writer.roll_ups_due()
    fresh = CaptureWriter.open(archive.data.parent / "fresh")
    names = "SELECT type, name, sql FROM sqlite_schema WHERE name <> 'sqlite_stat1' ORDER BY name LIMIT 1000"
    assert archive.writer.database.read(names) == fresh.database.read(names)
    fresh.close()
    assert archive.record(at(10)).sequence == 3


def test_verifying_makes_rows_what_they_were(archive: Archive) -> None:
    """Hashed later, each row has its file's own hashes and a new number; the second time there is nothing to do."""
    recorded = [archive.record(at(second)) for second in (0, 5)]
    rebuilt(archive)
    assert [row.facts != old.facts for row, old in zip(archive.writer.segments(), recorded, strict=True)] == [True] * 2
    assert kinds(verified(archive)) == ["verified", "verified"]
    rows = archive.writer.segments()
    assert [(row.facts, row.part_sha256s) for row in rows] == [(old.facts, old.part_sha256s) for old in recorded]
    assert [(row.sequence, row.unverified, row.altered) for row in rows] == [(3, False, False), (4, False, False)]
    assert verified(archive) == []
    assert check(archive.data, with_hash=True, pause=lambda: None)[0].what == "set_aside"


def test_a_sweep_meets_a_segment_when_it_is_verified(archive: Archive) -> None:
    """Whoever sweeps with a cursor gets no row whose hashes are unknown, and each of them later, also after a loss."""
    archive.record(at(0))
    archive.record(at(5))
    sync = SyncWriter.open(archive.data)
    sync.enqueue("capture", [], 2)
    sync.close()
    rebuilt(archive)
    assert archive.writer.closed_after(2, 10) == []
    verified(archive)
    assert [(row.sequence, row.start_ns) for row in archive.writer.closed_after(2, 10)] == [(5, at(0)), (6, at(5))]


def test_a_file_that_was_altered_stays_and_is_told(archive: Archive) -> None:
    """Its row gets the hashes that its bytes have, is marked, and is swept like the others."""
    row, good = archive.record(at(0)), archive.record(at(5))
    path = archive.root / row.path
    data = bytearray(path.read_bytes())
    data[row.facts.init_bytes + 2_000] ^= 1  # type: ignore[union-attr]
    path.write_bytes(data)
    rebuilt(archive)
    told = verified(archive)
    assert [(one.what, one.where) for one in told] == [("altered", row.path), ("verified", good.path)]
    found = archive.writer.segment(row.segment)
    assert found is not None and found.altered and not found.unverified
    assert len(archive.writer.closed_after(0, 10)) == 2
    assert sorted({finding.what for finding in check(archive.data, with_hash=True, pause=lambda: None)}) == [
        "altered",
        "set_aside",
    ]


def test_check_finds_an_altered_file_before_it_is_verified(archive: Archive) -> None:
    """With hashes asked for, an unverified file is held against its trailer."""
    row = archive.record(at(0))
    rebuilt(archive)
    data = bytearray((archive.root / row.path).read_bytes())
    data[-600] ^= 1
    (archive.root / row.path).write_bytes(data)
    assert "hash_differs" in [finding.what for finding in check(archive.data, with_hash=True, pause=lambda: None)]


def test_verifying_keeps_to_its_share_and_stops_at_once(archive: Archive) -> None:
    """Between two pieces it waits as long as their bytes are worth; told to stop, it changes nothing more."""
    rows = [archive.record(at(second)) for second in (0, 5)]
    rebuilt(archive)
    waited: list[int] = []

    def wait(duration_ns: int) -> bool:
        waited.append(duration_ns)
        return False

    told: list[Verified] = []
    verify(archive.writer, lambda _ns: True, told.append, bytes_per_s=1_000_000)
    assert told == [] and all(row.unverified for row in archive.writer.segments())
    verify(archive.writer, wait, told.append, bytes_per_s=1_000_000)
    assert kinds(told) == ["verified", "verified"]
    assert sum(waited) == sum(row.size_bytes for row in rows) * 1_000


def test_what_cannot_be_read_stays_unverified(archive: Archive, tmp_path: Path) -> None:
    """A file that is gone, and a volume that is away, are told and met again by the next start."""
    other = tmp_path / "other"
    gone, away = archive.record(at(0)), archive.record(at(5), camera="cam-2")
    (other / away.path).parent.mkdir(parents=True)
    (archive.root / away.path).rename(other / away.path)
    rebuilt(archive, [*main_of(archive), Volume("other", other)])
    (archive.root / gone.path).unlink()
    (other / MARKER).rename(tmp_path / "marker")
    told = verified(archive)
    assert [(one.what, one.where) for one in told] == [("failed", gone.path), ("failed", "other")]
    (tmp_path / "marker").rename(other / MARKER)
    assert kinds(verified(archive)) == ["failed", "verified"]


def test_it_refuses_while_capture_writes(archive: Archive) -> None:
    """The catalogue of a running Capture is not touched."""
    row = archive.record(at(0))
    with pytest.raises(Transient, match="already has a writer"):
        rebuild(archive.data, main_of(archive))
    assert archive.writer.segment(row.segment) == row
    assert list((archive.data / "catalogue").glob("*damaged*")) == []


def test_what_was_there_is_set_aside_each_time(archive: Archive) -> None:
    """The old file keeps all that it had, the ledger too; repeating sets the rebuilt one aside."""
    archive.record(at(0))
    archive.writer.add_gap(GapRow("cam-1", "main", at(10), at(60), "disk"))
    first, second = rebuilt(archive), rebuilt(archive)
    assert first.set_aside != second.set_aside and first.segments == second.segments == 1
    with sqlite3.connect(str(first.set_aside)) as connection:
        assert connection.execute("SELECT cause FROM gap").fetchall() == [("disk",)]
    connection.close()


def test_a_damaged_or_missing_file_is_no_hindrance(archive: Archive) -> None:
    """It is made again whatever is left of the old one, also from nothing but files."""
    archive.record(at(0))
    archive.close()
    path = archive.data / "catalogue" / "capture.db"
    path.write_bytes(b"garbage" * 1000)
    assert known_volumes(archive.data) == []
    assert rebuilt(archive).segments == 1
    archive.close()
    shutil.rmtree(archive.data / "catalogue")
    (archive.root / MARKER).unlink()
    told = rebuilt(archive)
    assert (told.segments, told.set_aside) == (1, None)


def test_broken_off_anywhere_it_can_be_repeated(tmp_path: Path) -> None:
    """On each side of every durable step there is an old catalogue, or none, or the new one; repeating ends well."""

    def make(name: str) -> Archive:
        archive = Archive(tmp_path / name)
        archive.record(at(0))
        identify_volumes(archive.writer)
        archive.close()
        return archive

    steps: list[str] = []
    first = make("all")
    rebuild(first.data, main_of(first), step=steps.append)
    assert "after put in place" in steps
    for number in range(len(steps)):
        archive = make(f"cut-{number}")
        left = [number]

        def step(_name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rebuild(archive.data, main_of(archive), step=step)
        assert rebuild(archive.data, main_of(archive)).segments == 1
        with sqlite3.connect(archive.data / "catalogue" / "capture.db") as connection:
            assert connection.execute("SELECT count(*) FROM segment").fetchone() == (1,)
        connection.close()


def stray(archive: Archive, start_ns: WallNs, data: bytes, camera: str = "cam-1") -> SegmentRow:
    row = open_row(camera, "main", start_ns, "run-lost", "main")
    archive.put(row, data)
    return row


def test_files_that_prove_nothing_are_looked_at_thoroughly(archive: Archive) -> None:
    """Without a trailer a file is made whole; what holds no footage, or is named otherwise, is moved aside."""
    archive.record(at(0))
    cut = stray(archive, at(5), footage(5))
    empty = stray(archive, at(20), b"")
    wrong = stray(archive, at(30), segment_file("cam-1", at(31), "run-1"))
    folder = (archive.root / cut.path).parent
    (folder / "copy of it.mp4").write_bytes(b"x")
    (folder / "picture.jpg").write_bytes(b"x")
    told = rebuilt(archive)
    assert told.segments == 1
    assert sorted((repair.what, repair.where) for repair in told.repairs) == sorted(
        [
            ("adopted", cut.path),
            *(
                ("quarantined", path)
                for path in (empty.path, wrong.path, str((folder / "copy of it.mp4").relative_to(archive.root)))
            ),
        ]
    )
    rows = archive.writer.segments()
    assert [(row.start_ns, row.end_ns, row.unverified) for row in rows] == [
        (at(0), at(5), True),
        (at(5), at(10), False),
    ]
    assert archive.writer.gaps() == []


def test_a_file_found_later_takes_its_time_from_the_unknown(archive: Archive) -> None:
    """Where there is footage after all, the gap gives way."""
    for second in (0, 60):
        archive.record(at(second))
    stray(archive, at(20), footage(5))
    rebuilt(archive)
    assert [(gap.start_ns, gap.end_ns) for gap in archive.writer.gaps()] == [(at(5), at(20)), (at(25), at(60))]


def trailer_of(data: bytes, end_ns: WallNs) -> bytes:
    found = scan([data])
    assert found.trailer is not None
    return data[: found.trailer.offset_bytes] + encode_trailer(replace(found.trailer, end_ns=end_ns))


def test_of_two_files_that_overlap_the_earlier_gives_way(archive: Archive) -> None:
    """No time is told twice, and no file is lost for it."""
    first, second = archive.record(at(0)), archive.record(at(5))
    path = archive.root / first.path
    path.write_bytes(trailer_of(path.read_bytes(), at(7)))
    told = rebuilt(archive)
    assert (told.segments, told.gaps, told.repairs) == (2, 0, ())
    assert [(row.segment, row.end_ns) for row in archive.writer.segments()] == [
        (first.segment, at(5)),
        (second.segment, at(10)),
    ]


def test_streams_go_on_from_volume_to_volume(archive: Archive, tmp_path: Path) -> None:
    """Several disks make one record; a second copy of a file is moved aside on its own disk."""
    rows = [archive.record(at(second)) for second in (0, 5, 10, 15)]
    other = tmp_path / "other"
    for row in rows[1], rows[3]:
        (other / row.path).parent.mkdir(parents=True, exist_ok=True)
        (archive.root / row.path).rename(other / row.path)
    shutil.copy(archive.root / rows[2].path, other / rows[2].path)
    told = rebuilt(archive, [*main_of(archive), Volume("other", other)])
    assert [(repair.what, repair.where) for repair in told.repairs] == [("quarantined", rows[2].path)]
    assert (other / "quarantine" / Path(rows[2].path).name).exists()
    assert (told.segments, told.gaps, told.volumes) == (4, 0, ("main", "other"))
    assert [row.volume for row in archive.writer.segments()] == ["main", "other", "main", "other"]
    assert all(volume.identity for volume in archive.writer.volumes())
    assert archive.writer.volumes() == known_volumes(archive.data)


def test_a_volume_that_is_not_there_is_named(archive: Archive, tmp_path: Path) -> None:
    """Nothing is rebuilt without a disk that should be there; the old catalogue stays."""
    row = archive.record(at(0))
    archive.writer.register_volume(Volume("other", tmp_path / "other"))
    volumes = archive.writer.volumes()
    archive.close()
    with pytest.raises(Rejected, match="volume other is not there"):
        rebuild(archive.data, volumes)
    archive.root.rename(tmp_path / "away")
    archive.root.mkdir()
    with pytest.raises(Rejected, match="not mounted"):
        rebuild(archive.data, volumes[:1])
    reader = CaptureReader.open(archive.data)
    assert reader.segment(row.segment) == row
    reader.close()


@pytest.mark.parametrize(("marker", "told"), [(("other", "ours"), "'other'"), (("main", "lost"), "--take-over")])
def test_a_volume_of_others_is_taken_over_only_when_told(archive: Archive, marker: tuple[str, str], told: str) -> None:
    """A disk with another name, or of another data root, is this one's only when somebody says so; its id stays."""
    archive.record(at(0))
    archive.close()
    here = read_marker(archive.root)
    assert here is not None
    name, root = marker
    write_marker(archive.root, Marker("id-1", name, here.data_root if root == "ours" else root))
    with pytest.raises(Rejected, match=told):
        rebuild(archive.data, main_of(archive))
    assert rebuild(archive.data, main_of(archive), take_over=True).segments == 1
    assert read_marker(archive.root) == Marker("id-1", "main", here.data_root)
    assert [volume.identity for volume in known_volumes(archive.data)] == ["id-1"]


@pytest.mark.slow
def test_processes_say_the_same(archive: Archive) -> None:
    """Read by several processes, the rows are the same in the same order."""
    for hour in range(30):
        archive.record(at(hour * 3600), camera=f"cam-{hour % 3}")
    rebuilt(archive)
    alone = archive.writer.segments()
    rebuilt(archive, processes=2)
    assert archive.writer.segments() == alone and len(alone) == 30


@given(st.integers(0, 4 * 10**18), st.sampled_from(["main", "sub"]))
def test_paths_are_those_of_the_names(start_ns: int, stream: StreamName) -> None:
    """The quick way to a path is the slow one's."""
    name = ObjectName("cam-1", stream, WallNs(start_ns), "mp4")
    assert rebuild_files._Paths("cam-1", stream).of(start_ns) == relative_path(name)
