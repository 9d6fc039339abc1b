"""Room that is kept for the catalogue on a disk that others fill to the brim.

Deleting begins with a row, and a row needs room: without any, nothing could ever be deleted. So a file of some
megabytes lies beside the catalogues. It is thrown away when the disk has less than that left, and made again when there
is room once more.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from components.shared.catalogue.database import FOLDER
from components.shared.runtime.files import disk_errors
from components.shared.runtime.log import Log

BALLAST_BYTES = 8 * 1024 * 1024
"""Twice what the write-ahead log grows to before it is emptied: batches that free gigabytes fit into it."""


class Ballast:
    """The file; one thread calls `look`."""

    def __init__(self, data: Path, log: Log) -> None:
        self.folder = data / FOLDER
        self._path = self.folder / "ballast"
        self._log = log

    def look(self, free_bytes: int, enough_bytes: int) -> None:
        """Throw it away, or make it again where there is `enough_bytes`. Transient when the disk fails."""
        with disk_errors(self._path, "look at"):
            is_there = self._path.exists()
        if is_there and free_bytes < BALLAST_BYTES:
            with disk_errors(self._path, "remove"):
                self._path.unlink(missing_ok=True)
            self._log.warning("ballast_thrown", size_bytes=BALLAST_BYTES, free_bytes=free_bytes)
        elif not is_there and free_bytes >= enough_bytes + BALLAST_BYTES:
            self._make()

    def _make(self) -> None:
        with disk_errors(self._path, "make"):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
            except OSError:
                with suppress(OSError):
                    self._path.unlink()
                raise
            finally:
                os.close(descriptor)
