"""A segment's file while it is written: bytes come in order, are hashed and understood on their way, and are kept.

It is what libav writes into. A write ends after whole fragments or in the middle of one; what counts is where the last
complete one ends. Hashes cover what is complete, so that a file which could not be finished is cut back to there and
sealed without being read again.

Durable steps, in this order: the file and its folder at the start; `sync` while it grows, called by the group sync's
thread; the trailer, the file and its folder at the end. Errors of the disk are DiskFailed, naming the segment.
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
        self._tail = bytearray()  # written, and not part of a complete fragment yet
        self._closing = threading.Lock()
        self._unsynced_bytes = 0
        self._fault: DiskFailed | FileRefused | None = None
        make_folders(path.parent)
        with disk_work(where, "create file"):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        sync_folder(path.parent)

    @property
    def header(self) -> Header | None:
        """The file's header, once it is written."""
        return self._scanner.header

    @property
    def complete_bytes(self) -> int:
        """Where the last complete fragment ends."""
        return self._scanner.complete_bytes

    @property
    def sha256(self) -> str:
        """Of what is complete, in lower-case hex."""
        return self._hasher.sha256

    @property
    def part_sha256s(self) -> tuple[str, ...]:
        """Of each part of what is complete."""
        return self._hasher.part_sha256s

    @property
    def closed(self) -> bool:
        """Whether it takes no more bytes. PyAV asks it too, and then writes no end to what is broken."""
        return self._fault is not None or self._descriptor < 0

    def writable(self) -> bool:
        """What PyAV asks of a file."""
        return True

    def write(self, data: bytes) -> int:
        """Take the next bytes, all of them. DiskFailed or FileRefused, and then always: nothing follows a hole."""
        if self._fault is not None:
            raise self._fault
        try:
            self._write_all(data)
            self._unsynced_bytes += len(data)
            self._tail += data
            self._understand(data)
        except (DiskFailed, FileRefused) as error:
            self._fault = error
            raise
        return len(data)

    def _understand(self, data: bytes) -> None:
        before = self.complete_bytes
        try:
            self.fragments += self._scanner.feed(data)
        except Rejected as error:
            raise FileRefused(f"{self._where}: what was received makes no segment: {error}") from error
        complete = self.complete_bytes - before
        if complete:
            self._hasher.feed(bytes(self._tail[:complete]))
            del self._tail[:complete]

    def sync(self) -> None:
        """Make what is written so far survive a power cut; nothing when there is nothing new."""
        with self._closing:
            if self._descriptor < 0 or not self._unsynced_bytes:
                return
            self._unsynced_bytes = 0
            try:
                with disk_work(self._where, "sync file"):
                    os.fdatasync(self._descriptor)
            except DiskFailed as error:
                # The kernel tells this once and drops the pages: the next write must know.
                self._fault = error
                raise

    def cut_back(self) -> None:
        """Drop what was written after the last complete fragment, and take nothing more; may be repeated."""
        if self._fault is None:
            self._fault = FileRefused(f"{self._where}: its recording was broken off")
        with disk_work(self._where, "cut back file"):
            os.ftruncate(self._descriptor, self.complete_bytes)
            os.lseek(self._descriptor, self.complete_bytes, os.SEEK_SET)
        self._tail.clear()

    def seal(self, trailer: bytes) -> None:
        """Write the trailer after the last complete fragment and make all of it durable. The file is closed then."""
        if self._tail:
            raise Fatal(f"{self._where}: sealed with {len(self._tail)} bytes of a fragment that is not complete")
        self._write_all(trailer)
        with disk_work(self._where, "sync file"):
            os.fsync(self._descriptor)
        self._hasher.feed(trailer)
        self._close()
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Close and remove the file, in which there is no footage; may be repeated."""
        self._close()
        with disk_work(self._where, "remove file"):
            self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def leave(self) -> None:
        """Close the file as it is: start-up will look after it."""
        self._close()

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_work(self._where, "write file"):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def _close(self) -> None:
        with self._closing:
            if self._descriptor >= 0:
                descriptor, self._descriptor = self._descriptor, -1
                with disk_work(self._where, "close file"):
                    os.close(descriptor)
