"""A segment's file while it is written: bytes come in order, are hashed and understood on their way, and are kept.

It is what libav writes into. What the file says of itself at the end (frames, GOPs, hashes) is read from the very bytes
that were written, not from what was meant to be written.

Durable steps, in this order: the file is created; its name and its bytes are synced while it grows, by the group sync's
thread; the trailer is written and the file synced at the end. So the thread that records waits for the disk once per
segment, at its end. Errors of the disk are DiskFailed, naming the segment; after the first one the file takes nothing
more, because nothing may follow a hole.

Every durable step calls `step` before and after, so that a test can break off on each side of it.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.capture.core.reconnect import Cause
from components.capture.core.sample_entry import with_apple_name
from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.files import Step, make_folders, no_step
from components.shared.wire.segment_file import Fragment, FragmentScanner, Header, SegmentHasher

FILE_MODE = 0o640


@dataclass(frozen=True, slots=True)
class DiskDoor:
    """How bytes get to the disk: an argument, so that a test or benchmark can have a slow one, or one that fails.

    `sync` takes a descriptor of a file or a folder, `look` the root of a volume; all raise OSError.
    """

    write: Callable[[int, memoryview], int] = os.write
    sync: Callable[[int], None] = os.fsync
    look: Callable[[Path], os.statvfs_result] = os.statvfs
    step: Step = no_step


DISK = DiskDoor()
"""The door of the product."""


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

    def __init__(self, path: Path, where: str, door: DiskDoor = DISK) -> None:
        """Creates the file and its folders; never over another file. `where` names camera and segment in messages."""
        self.path = path
        self._door = door
        self.fragments: list[Fragment] = []
        self._where = where
        self._scanner = FragmentScanner()
        self._hasher = SegmentHasher()
        self._closing = threading.Lock()
        self._written_bytes = 0
        self._synced_bytes = 0
        self._has_lasting_name = False
        self._fault: DiskFailed | FileRefused | None = None
        self._descriptor = -1
        make_folders(path.parent, door.step)
        with disk_work(where, "create file"):
            door.step("before create")
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            door.step("after create")

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
        self.check()
        if self._scanner.header is None:
            data = with_apple_name(data)
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

    def check(self) -> None:
        """Raise what the file failed with, if it did: in another thread perhaps, which could not raise it here."""
        if self._fault is not None:
            raise self._fault

    def sync(self) -> None:
        """Make what is written so far survive a power cut; nothing when there is nothing new."""
        with self._closing:
            if self._descriptor < 0 or self._written_bytes == self._synced_bytes:
                return
            try:
                self._sync()
            except DiskFailed as error:
                # The kernel tells this once and drops the pages: the next write must know.
                self._fault = error
                raise

    def seal(self, trailer: bytes) -> None:
        """Write the trailer and make all of it durable. The file is closed then."""
        self.check()
        if not self.is_complete:
            raise Fatal(f"{self._where}: sealed in the middle of a fragment")
        self._write_all(trailer)
        with self._closing:
            self.check()  # a failure that a sync under way was told is told nobody else
            self._sync()
        self.close()

    def close(self) -> None:
        """Close the file as it is; may be called twice."""
        with self._closing:
            if self._descriptor >= 0:
                descriptor, self._descriptor = self._descriptor, -1
                with disk_work(self._where, "close file"):
                    os.close(descriptor)

    def _sync(self) -> None:
        written_bytes = self._written_bytes
        if not self._has_lasting_name:
            self._sync_name()
        with disk_work(self._where, "sync file"):
            self._door.step("before sync")
            self._door.sync(self._descriptor)
            self._door.step("after sync")
        self._synced_bytes = written_bytes

    def _sync_name(self) -> None:
        with disk_work(self._where, "sync folder"):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._door.step("before sync folder")
                self._door.sync(folder)
                self._door.step("after sync folder")
            finally:
                os.close(folder)
        self._has_lasting_name = True

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_work(self._where, "write file"):
            self._door.step("before write")
            while view:
                view = view[self._door.write(self._descriptor, view) :]
            self._door.step("after write")
        self._written_bytes += len(data)
        self._hasher.feed(data)
