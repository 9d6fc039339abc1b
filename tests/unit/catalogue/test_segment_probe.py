"""Looking into segment files on a disk, and making whole what a crash cut off."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.shared.catalogue.segment_probe import Owner, glance, make_whole, probe
from components.shared.errors import Rejected, Transient
from components.shared.wire.segment_file import facts_from_file, scan
from tests.fakes.archive import START_NS, at
from tests.fakes.segment_files import footage, segment_file

OWNER = Owner("cam-1", "main", "run-1", START_NS, at(5))
WHOLE = segment_file("cam-1", START_NS, sound=True)


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that: as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cam-1_20250615T150640.000Z.mp4"


def test_a_glance_sees_what_a_scan_sees(path: Path) -> None:
    """Heads alone give the same answer as every byte: for whole files, cut ones, and ones that make no sense."""
    cuts = [0, 7, 500, 752, 1300, 5000, len(WHOLE) // 2, len(WHOLE) - 200, len(WHOLE) - 1, len(WHOLE)]
    cases = [WHOLE[:cut] for cut in cuts]
    cases += [WHOLE[:60_000] + b"\0" * 9000, WHOLE + b"more than a head", b"garbage" * 2000, footage()]
    for data in cases:
        path.write_bytes(data)
        assert glance(path) == scan([data])


def test_a_file_that_is_not_there(path: Path) -> None:
    """What is missing is None; a path that cannot be followed is worth another try."""
    assert probe(path) is None and glance(path) is None
    path.write_bytes(b"no folder")
    for look in (probe, glance):
        with pytest.raises(Transient, match="Not a directory"):
            look(path / "below.mp4")


def test_a_whole_file_proves_itself(path: Path) -> None:
    """A file whose trailer fits its bytes gives its facts; one that does not fit gives its fragments only."""
    path.write_bytes(WHOLE)
    found = probe(path)
    assert found is not None and found.whole is not None and found.has_footage
    assert (found.whole.facts, found.whole.part_sha256s, found.whole.trailer) == facts_from_file([WHOLE])
    changed = bytearray(WHOLE)
    changed[found.scan.fragments[0].end_bytes - 50] ^= 1
    path.write_bytes(bytes(changed))
    found = probe(path)
    assert found is not None and found.whole is None and len(found.scan.fragments) == len(scan([WHOLE]).fragments)


def test_what_is_made_whole_proves_itself(path: Path) -> None:
    """A cut-off file ends with its complete fragments and a trailer that fits; doing it again changes nothing."""
    path.write_bytes(WHOLE[:80_000])
    found = probe(path)
    assert found is not None
    made = make_whole(path, found.scan, OWNER)
    facts, parts, trailer = facts_from_file([path.read_bytes()])
    assert made == (facts, parts) and trailer.offset_bytes == found.scan.complete_bytes
    again = probe(path)
    assert again is not None and again.whole is not None and (again.whole.facts, again.whole.part_sha256s) == made
    before = path.read_bytes()
    assert make_whole(path, again.scan, OWNER) == made and path.read_bytes() == before


def test_a_full_disk_keeps_the_footage_without_a_trailer(path: Path) -> None:
    """Where the trailer finds no room the file is still cut and synced, and its facts are of what is there."""
    path.write_bytes(WHOLE[:80_000])
    found = scan([WHOLE[:80_000]])
    for room in (found.complete_bytes, found.complete_bytes + 10):
        with room_for(room):
            facts, parts = make_whole(path, found, OWNER)
        data = path.read_bytes()
        assert data == WHOLE[: found.complete_bytes]
        assert facts.size_bytes == len(data) and parts == (facts.sha256,) and facts.frames > 0


def test_a_file_without_a_header_cannot_be_made_whole(path: Path) -> None:
    """Bytes that begin with no header are nobody's footage."""
    path.write_bytes(b"garbage")
    with pytest.raises(Rejected):
        make_whole(path, scan([b"garbage"]), OWNER)
    assert path.read_bytes() == b"garbage"
