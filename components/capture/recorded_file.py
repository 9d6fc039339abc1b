"""A segment's file while it is written: bytes come in order, are hashed and understood on their way, and are kept.

It is what libav writes into. What the file says of itself at the end (frames, GOPs, hashes) is read from the very bytes
that were written, not from what was meant to be written.

Durable steps, in this order: the file and its folder at the start; `sync` while it grows, called by the group sync's
thread; the trailer, the file and its folder at the end. Errors of the disk are DiskFailed, naming the segment; after
the first one the file takes nothing more, because nothing may follow a hole.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.capture.core.reconnect import Cause
from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.files import make_folders, sync_folder
from components.shared.wire.segment_file import Fragment, FragmentScanner, Header, SegmentHasher

FILE_MODE = 0o640


class DiskFailed(Transient):
    """The disk does not take what is recorded: it is full, slow or broken."""

    cause: Cause = "disk"


class FileRefused(Transient):
    """What the muxer made of a camera's packets is no segment; the camera is tried again."""

    cause: Cause = "undecodable"


@contextmanager
def disk_work(where: str, step: str) -> Iterator[None]:
    """Translate what the operating system says about the disk while doing `step`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EBADF, errno.EFAULT, errno.EINVAL):
            raise Fatal(f"{where}, {step}: {error.strerror}") from error
        raise DiskFailed(f"{where}, {step}: {error.strerror or error}") from error


class RecordedFile:
    """One segment's file from its first byte to its seal. One thread writes; `sync` may be called by another."""

    def __init__(self, path: Path, where: str) -> None:
        """Creates the file and its folders, durably. `where` names camera and segment in messages."""
        self.path = path
        self.fragments: list[Fragment] = []
        self._where = where
        self._scanner = FragmentScanner()
        self._hasher = SegmentHasher()
        self._closing = threading.Lock()
        self._written_bytes = 0
        self._synced_bytes = 0
        self._fault: DiskFailed | FileRefused | None = None
        self._descriptor = -1
        make_folders(path.parent)
        with disk_work(where, "create file"):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

    @property
    def header(self) -> Header | None:
        """The file's header, once it is written."""
        return self._scanner.header

    @property
    def is_complete(self) -> bool:
        """Whether what is written ends with a complete fragment."""
        return self._fault is None and self._scanner.complete_bytes == self._written_bytes

    @property
    def size_bytes(self) -> int:
        """What is written so far."""
        return self._written_bytes

    @property
    def sha256(self) -> str:
        """Of what is written so far, in lower-case hex."""
        return self._hasher.sha256

    @property
    def part_sha256s(self) -> tuple[str, ...]:
        """Of each part of what is written so far."""
        return self._hasher.part_sha256s

    @property
    def closed(self) -> bool:
        """Whether it takes no more bytes. PyAV asks it too, and then writes no end to what is broken."""
        return self._fault is not None or self._descriptor < 0

    def writable(self) -> bool:
        """What PyAV asks of a file."""
        return True

    def write(self, data: bytes) -> int:
        """Take the next bytes, all of them. DiskFailed or FileRefused, and then always."""
        if self._fault is not None:
            raise self._fault
        try:
            self._write_all(data)
            self.fragments += self._scanner.feed(data)
        except DiskFailed as error:
            self._fault = error
            raise
        except Rejected as error:
            self._fault = FileRefused(f"{self._where}: what was received makes no segment: {error}")
            raise self._fault from error
        return len(data)

    def sync(self) -> None:
        """Make what is written so far survive a power cut; nothing when there is nothing new."""
        with self._closing:
            written = self._written_bytes
            if self._descriptor < 0 or written == self._synced_bytes:
                return
            try:
                with disk_work(self._where, "sync file"):
                    os.fdatasync(self._descriptor)
            except DiskFailed as error:
                # The kernel tells this once and drops the pages: the next write must know.
                self._fault = error
                raise
            self._synced_bytes = written

    def seal(self, trailer: bytes) -> None:
        """Write the trailer and make all of it durable. The file is closed then."""
        if not self.is_complete:
            raise Fatal(f"{self._where}: sealed in the middle of a fragment")
        self._write_all(trailer)
        with disk_work(self._where, "sync file"):
            os.fsync(self._descriptor)
        self.close()
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file as it is; may be called twice."""
        with self._closing:
            if self._descriptor >= 0:
                descriptor, self._descriptor = self._descriptor, -1
                with disk_work(self._where, "close file"):
                    os.close(descriptor)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_work(self._where, "write file"):
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._written_bytes += len(data)
        self._hasher.feed(data)
