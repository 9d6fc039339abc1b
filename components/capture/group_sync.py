"""Makes what is recorded on a volume survive a power cut: all open segments, together, every second.

One thread per crew, so that a spinning disk is asked once a second for all of its cameras and no camera's thread waits
for it. A power cut loses what came since the last tick, and what the disk itself had not written yet. The keeper's
thread watches the volume's free space.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from components.capture.core.room import FollowsRoom
from components.capture.recorded_file import DISK, DiskDoor, DiskFailed, RecordedFile, disk_work
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S

TICK_NS = NS_PER_S
"""A power cut loses as much, and a fragment. 32 syncs of 20 ms, as a tired disk takes, fit into it."""

INODES_MIN = 16
"""Room for the folders of a new hour and day, and for what others need beside; with bytes free, too."""

DISK_FULL = "the disk is full"


class GroupSync:
    """The files of one volume that are being written, and whether it has room for more.

    `door` is how the volume's files are written; `absent` says why the volume's disk is not there, if it is not.
    """

    def __init__(
        self,
        root: Path,
        room: FollowsRoom,
        clock: Clock,
        log: Log,
        door: DiskDoor = DISK,
        absent: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.door = door
        self._absent = absent
        self._root = root
        self._room = room
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._files: dict[RecordedFile, None] = {}
        self._why = DISK_FULL

    @property
    def has_room(self) -> bool:
        """Whether there was room to record when it was last looked."""
        return self._room.has_room

    @property
    def why(self) -> str:
        """Why there is no room, when there is none."""
        return self._why

    def add(self, file: RecordedFile) -> None:
        """Sync this file from now on."""
        with self._lock:
            self._files[file] = None

    def remove(self, file: RecordedFile) -> None:
        """Sync this file no more."""
        with self._lock:
            self._files.pop(file, None)

    def run(self, stop: threading.Event) -> None:
        """Sync and look every second until `stop` is set."""
        while not self._clock.wait(stop, TICK_NS):
            self.tick()

    def tick(self) -> None:
        """Look at the free space, and sync all files that have grown."""
        self.look()
        with self._lock:
            files = list(self._files)
        for file in files:
            try:
                file.sync()
            except DiskFailed as error:  # the file's own writer is told by its next write
                self._log.error("sync_failed", path=str(file.path), error=error)
            self.look()  # a sync may take seconds, and a disk fills meanwhile

    def look(self) -> None:
        """Look at the free space now."""
        free_bytes, reason = 0, self._absent() or ""
        if not reason:
            free_bytes, reason = self._measured()
        self._why = reason or DISK_FULL
        if self._room.seen(free_bytes):
            tell = self._log.info if self._room.has_room else self._log.error
            event = "disk_has_room" if self._room.has_room else "disk_full"
            tell(
                event, volume=str(self._root), free_bytes=free_bytes, reserve_bytes=self._room.reserve_bytes, why=reason
            )

    def _measured(self) -> tuple[int, str]:
        """The free bytes, or none and why."""
        try:
            with disk_work(str(self._root), "look at free space"):
                found = self.door.look(self._root)
        except DiskFailed as error:
            return 0, str(error)
        enough = INODES_MIN if self._room.has_room else INODES_MIN * 3 // 2
        if found.f_files and found.f_favail < enough:  # a file system without a fixed number says 0 of both
            return 0, f"the disk has room for {found.f_favail} more files only (inodes)"
        return found.f_bavail * found.f_frsize, ""
