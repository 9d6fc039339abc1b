"""A crash on each side of every durable step of an import: nothing is lost, nothing twice, whatever was cut off."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from components.capture.import_folder import ATTEMPTS_MAX, PUT_OFF_NS
from components.shared.wire.units import NS_PER_S, format_iso
from tests.fakes.foreign_files import PER_S, count_decoded, payloads, write_mp4
from tests.fakes.import_box import ImportBox

pytestmark = pytest.mark.slow

NAME = "2026-11-21/001/dav/10/10.00.00-10.00.04[M][0@0][0].mp4"
STEPS_MAX = 200


class Crash(BaseException):
    """The process ends here."""


class CrashAt:
    """Ends the process at the n-th step, and at every one that is tried afterwards."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        self._left -= 1
        if self._left < 0:
            raise Crash(name)


def crashed(box: ImportBox, crash: CrashAt) -> bool:
    """Whether the import was cut off."""
    box.step_hook = crash
    try:
        box.settle()
    except Crash:
        return True
    finally:
        box.step_hook = lambda _name: None
        box.crash()
    return False


def test_a_crash_at_every_step(tmp_path: Path) -> None:
    """The next process finishes the import: each picture is in the record once, rows and files agree."""
    wanted = payloads(write_mp4(tmp_path / "wanted.mp4"))
    names: list[str] = []
    for number in range(STEPS_MAX):
        box = ImportBox(tmp_path / str(number))
        write_mp4(box.place(NAME))
        crash = CrashAt(number)
        if not crashed(box, crash):
            names = crash.names
            break
        box.start()
        box.settle()
        assert [found for file in box.files() for found in payloads(file)] == wanted, crash.names
        assert box.spans == [(0.0, 2.0), (2.0, 4.0)], crash.names
        assert [(row.state, row.reason) for row in box.rows] == [("imported", "")], crash.names
        box.assert_whole()
        assert not box.catalogue.unended_runs()
        box.crash()
    assert names.count("after record") == 2
    assert {"before intend", "after intend", "after create", "before seal", "after seal"} <= set(names)


@pytest.mark.parametrize("at", ["after create", "after seal"])
def test_a_source_that_is_gone_after_the_crash(tmp_path: Path, at: str) -> None:
    """What there was of it is kept: it cannot be imported again."""
    box = ImportBox(tmp_path, segment_s=60)
    path = write_mp4(box.place(NAME))
    names: list[str] = []

    def crash(name: str) -> None:
        names.append(name)
        if at in names:
            raise Crash(name)

    box.step_hook = crash
    with pytest.raises(Crash):
        box.settle()
    box.crash()
    path.unlink()
    box.step_hook = lambda _name: None
    box.start()
    box.settle()
    expected = 4 * PER_S if at == "after seal" else 0
    assert sum(count_decoded(file) for file in box.files()) == expected
    assert (box.spans == [(0.0, 4.0)]) is (at == "after seal")
    assert box.coverage().is_whole


def test_the_name_changes_between_two_processes(tmp_path: Path) -> None:
    """A file that was renamed while nobody looked goes on under its new name."""
    box = ImportBox(tmp_path)
    path = write_mp4(box.place(NAME))
    crash = CrashAt(8)
    assert crashed(box, crash)
    assert "after record" in crash.names
    other = box.place("NVR_ch1_main_20261121100000_20261121100004.mp4")
    path.rename(other)
    box.start()
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0)]
    assert {row.key.path: row.state for row in box.rows} == {str(path): "imported", str(other): "imported"}
    box.assert_whole()


def test_what_was_decided_before_the_crash_stands(tmp_path: Path) -> None:
    """A file of the second pass of an hour goes on in it, though its own first segment takes that time now."""
    box = ImportBox(tmp_path, now="2026-10-26T12:00:00", zone=ZoneInfo("Europe/Berlin"))
    write_mp4(box.place("2026-10-25/001/dav/02/02.10.00-02.10.06[R][0@0][0].mp4"), seconds=6, mtime_ns=1)
    box.settle()
    write_mp4(box.place("2026-10-25/001/dav/02/02.10.00-02.10.06[R][0@0][1].mp4"), seconds=6, mtime_ns=2)
    crash = CrashAt(14)
    assert crashed(box, crash)
    assert crash.names.count("after record") == 2
    box.start()
    box.settle()
    starts = [format_iso(row.start_ns)[11:19] for row in box.segments]
    assert starts == ["00:10:00", "00:10:02", "00:10:04", "01:10:00", "01:10:02", "01:10:04"]
    box.assert_whole()


def test_a_file_that_ends_the_process_again_and_again(tmp_path: Path) -> None:
    """It is left alone after some attempts, told, and the others are imported."""
    box = ImportBox(tmp_path)
    write_mp4(box.place(NAME), mtime_ns=1)
    write_mp4(box.place("NVR_ch1_main_20261121110000_20261121110004.mp4"), mtime_ns=2)
    for _ in range(ATTEMPTS_MAX):
        assert crashed(box, CrashAt(1))
        box.start()
    box.settle()
    assert [row.state for row in box.rows] == ["refused", "imported"]
    assert "ended the process" in box.rows[0].reason
    box.assert_whole()


def test_the_catalogue_is_lost(tmp_path: Path) -> None:
    """What was imported is adopted by its trailers, and coming upon its source again imports nothing twice."""
    box = ImportBox(tmp_path)
    write_mp4(box.place(NAME))
    box.settle()
    box.crash()
    for path in (tmp_path / "catalogue").iterdir():
        path.unlink()
    box.start()
    box.clock.advance(NS_PER_S)
    box.settle()
    assert box.spans == [(0.0, 2.0), (2.0, 4.0)]
    assert [(row.state, row.reason) for row in box.rows] == [("refused", "all of it was recorded already")]
    box.assert_whole()


def test_a_file_without_a_row_where_a_segment_belongs(tmp_path: Path) -> None:
    """It is never written over: the import of that file waits, the others go on."""
    box = ImportBox(tmp_path)
    write_mp4(box.place(NAME))
    write_mp4(box.place("NVR_ch1_main_20261121110000_20261121110004.mp4"))
    there = tmp_path / "media/main/drive/2026/11/21/10/drive_20261121T100000.000Z.mp4"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"somebody's")
    for _ in range(2):
        box.settle_without_work()
        box.importer.look(box.stop)
        box.clock.advance(PUT_OFF_NS)
    assert there.read_bytes() == b"somebody's"
    assert len(box.log.named("file_waits")) == 1
    assert box.spans == [(3600.0, 3602.0), (3602.0, 3604.0)]
    there.unlink()
    box.settle()
    assert len(box.segments) == 4
    box.assert_whole()
