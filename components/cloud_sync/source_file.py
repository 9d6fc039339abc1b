"""The door to the files that are uploaded: sections of them as request bodies, and their hashes read again.

Memory is bounded: a body is read from the file block by block while it is sent. A file that is shorter than its row
says, or gone, is Rejected; a disk that cannot be read now is Transient. Knows nothing of the store.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.cloud_sync.object_store import Stopped
from components.shared.errors import Rejected, Transient

READ_BYTES_MAX = 128 * 1024
"""In memory per request, whatever the HTTP client asks for (16 KiB; larger blocks were measured to save no CPU)."""

HASH_BLOCK_BYTES = 1024 * 1024


class FileGone(Rejected):
    """There is no file at that path."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A file's SHA-256 (hex), whole and of each part."""

    sha256: str
    part_sha256s: tuple[str, ...]


class SourceFile:
    """An open file of known size. Sections of it may be read at the same time by several requests."""

    def __init__(self, descriptor: int, path: Path, size_bytes: int, stop: threading.Event) -> None:
        self._descriptor = descriptor
        self._path = path
        self._size_bytes = size_bytes
        self._stop = stop

    def section(self, offset_bytes: int, size_bytes: int) -> Section:
        """The bytes `[offset, offset + size)` as a request body."""
        return Section(self, offset_bytes, size_bytes)

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` bytes from there, at least one. Raises Stopped when the component is stopping."""
        if self._stop.is_set():
            raise Stopped(f"file {self._path}: stopped at byte {offset_bytes}")
        try:
            data = os.pread(self._descriptor, size_bytes, offset_bytes)
        except OSError as error:
            raise Transient(f"file {self._path}: reading byte {offset_bytes} failed: {error.strerror}") from error
        if not data:
            raise Rejected(f"file {self._path} ends at byte {offset_bytes}, its row says {self._size_bytes}")
        return data

    def measure(self, part_bytes: int) -> Measured:
        """The hashes of what the file holds now, in one pass."""
        whole = hashlib.sha256()
        parts = []
        for start in range(0, self._size_bytes, part_bytes):
            part = hashlib.sha256()
            position, end = start, min(start + part_bytes, self._size_bytes)
            while position < end:
                data = self.read_at(position, min(HASH_BLOCK_BYTES, end - position))
                whole.update(data)
                part.update(data)
                position += len(data)
            parts.append(part.hexdigest())
        return Measured(whole.hexdigest(), tuple(parts))


class Section:
    """Part of a `SourceFile`, read from the front, as an HTTP client reads a file."""

    def __init__(self, source: SourceFile, offset_bytes: int, size_bytes: int) -> None:
        self._source = source
        self._offset_bytes = offset_bytes
        self._size_bytes = size_bytes
        self._position = 0

    @property
    def size_bytes(self) -> int:
        """How many bytes the section has."""
        return self._size_bytes

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` and READ_BYTES_MAX of them; none at the end."""
        left = self._size_bytes - self._position
        wanted = min(left, READ_BYTES_MAX if size < 0 else min(size, READ_BYTES_MAX))
        if wanted == 0:
            return b""
        data = self._source.read_at(self._offset_bytes + self._position, wanted)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves to a byte of the section."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        self._position = min(max(base + offset, 0), self._size_bytes)
        return self._position

    def tell(self) -> int:
        """The byte of the section that is read next."""
        return self._position


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, int]]:
    """A file's descriptor and how many bytes it has. FileGone where there is none, Transient when the disk fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise FileGone(f"file {path} is not there") from error
    except OSError as error:
        raise Transient(f"file {path} cannot be opened: {error.strerror}") from error
    try:
        yield descriptor, os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


@contextmanager
def open_source(path: Path, size_bytes: int, stop: threading.Event) -> Iterator[SourceFile]:
    """The file at `path`, which must have `size_bytes` bytes."""
    with opened(path) as (descriptor, found_bytes):
        if found_bytes != size_bytes:
            raise Rejected(f"file {path} has {found_bytes} bytes, its row says {size_bytes}: it is damaged on disk")
        yield SourceFile(descriptor, path, size_bytes, stop)
