"""Files as request bodies."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from components.cloud_sync.object_store import Stopped
from components.cloud_sync.source_file import READ_BYTES_MAX, FileGone, open_source
from components.shared.errors import Rejected

DATA = bytes(range(256)) * 2_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "segment.mp4"
    path.write_bytes(DATA)
    return path


def test_section_gives_its_bytes_in_blocks(path: Path) -> None:
    """A section is read from its offset to its end, in blocks of bounded size, and again after a seek."""
    with open_source(path, len(DATA), threading.Event()) as source:
        body = source.section(100, 300_000)
        for _ in range(2):
            blocks = list(iter(lambda: body.read(16_384), b""))
            assert b"".join(blocks) == DATA[100:300_100]
            assert max(map(len, blocks)) <= 16_384
            assert body.tell() == 300_000
            assert body.seek(0) == 0
        assert len(body.read()) <= READ_BYTES_MAX


def test_sections_are_independent(path: Path) -> None:
    """Two sections of one file may be read in turns."""
    with open_source(path, len(DATA), threading.Event()) as source:
        first, second = source.section(0, 200_000), source.section(200_000, 200_000)
        blocks = [body.read(100_000) for body in (first, second, first, second)]
        assert blocks[0] + blocks[2] == DATA[:200_000]
        assert blocks[1] + blocks[3] == DATA[200_000:400_000]


def test_measure_hashes_the_whole_and_each_part(path: Path) -> None:
    """The hashes that are read again are those of the whole file and of parts of the given size."""
    with open_source(path, len(DATA), threading.Event()) as source:
        measured = source.measure(100_000)
    assert measured.sha256 == hashlib.sha256(DATA).hexdigest()
    parts = [DATA[at : at + 100_000] for at in range(0, len(DATA), 100_000)]
    assert measured.part_sha256s == tuple(hashlib.sha256(part).hexdigest() for part in parts)


def test_missing_file_is_told_as_gone(tmp_path: Path) -> None:
    """A file that is not there is FileGone, which is Rejected unless somebody knows better."""
    with pytest.raises(FileGone), open_source(tmp_path / "nothing", 1, threading.Event()):
        pass


@pytest.mark.parametrize("size_bytes", [len(DATA) - 1, len(DATA) + 1])
def test_file_of_another_size_is_rejected(path: Path, size_bytes: int) -> None:
    """A file that is not as long as its row says is damaged."""
    with pytest.raises(Rejected, match="damaged"), open_source(path, size_bytes, threading.Event()):
        pass


def test_file_that_shrinks_while_it_is_read_is_rejected(path: Path) -> None:
    """A file cut off under the reader ends the request instead of leaving the server waiting for bytes."""
    with open_source(path, len(DATA), threading.Event()) as source:
        body = source.section(0, len(DATA))
        body.read(1)
        with path.open("r+b") as file:
            file.truncate(1_000)
        assert len(body.read(2_000)) == 999
        with pytest.raises(Rejected, match="ends at byte 1000"):
            body.read(1)


def test_reading_ends_when_the_component_stops(path: Path) -> None:
    """A body that is being sent stops at the next block once the component is stopping."""
    stop = threading.Event()
    with open_source(path, len(DATA), stop) as source:
        body = source.section(0, len(DATA))
        body.read(1)
        stop.set()
        with pytest.raises(Stopped):
            body.read(1)
