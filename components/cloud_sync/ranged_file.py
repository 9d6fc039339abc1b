"""Files as upload sources: whole ones, and clips, which are some ranges of a file one after the other.

A clip has no file of its own: it would double what lies on the disk while a site is offline, and nobody would delete
it with its segment. Its ranges never change, because a segment file only grows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.cloud_sync.source_file import SourceFile, open_source, opened
from components.shared.catalogue.sync import UploadRow
from components.shared.errors import Rejected

Ranges = Sequence[tuple[int, int]]


class RangedFile(SourceFile):
    """Ranges `(offset_bytes, size_bytes)` of an open file, read as if they were a file of their own."""

    def __init__(self, descriptor: int, path: Path, ranges: Ranges, stop: threading.Event) -> None:
        self.size_bytes = sum(size_bytes for _, size_bytes in ranges)
        self._ranges = ranges
        super().__init__(descriptor, path, self.size_bytes, stop)

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """As of SourceFile; what it gives never reaches over the end of a range."""
        begun_bytes = 0
        for begin_bytes, range_bytes in self._ranges:
            into_bytes = offset_bytes - begun_bytes
            if into_bytes < range_bytes:
                return super().read_at(begin_bytes + into_bytes, min(size_bytes, range_bytes - into_bytes))
            begun_bytes += range_bytes
        raise Rejected(f"a clip of {begun_bytes} bytes is read at byte {offset_bytes}")


@contextmanager
def open_ranges(path: Path, ranges: Ranges, stop: threading.Event) -> Iterator[RangedFile]:
    """These ranges of the file at `path`, which must hold them all."""
    end_bytes = max(offset_bytes + size_bytes for offset_bytes, size_bytes in ranges)
    with opened(path) as (descriptor, found_bytes):
        if found_bytes < end_bytes:
            raise Rejected(f"file {path} has {found_bytes} bytes, a clip reaches to {end_bytes}: it is damaged on disk")
        yield RangedFile(descriptor, path, ranges, stop)


@contextmanager
def open_upload(row: UploadRow, path: Path, stop: threading.Event) -> Iterator[SourceFile]:
    """What a row of sync.db says is to be uploaded of the file at `path`."""
    opened = open_ranges(path, row.ranges, stop) if row.ranges else open_source(path, row.size_bytes, stop)
    with opened as source:
        yield source
