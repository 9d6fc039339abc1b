"""Where the files of uploads are, and why one is not there: what capture.db says of it.

A file that is gone was either deleted for good, and then its upload is pointless (Rejected), or its volume is not
mounted now, and then everything on it seems to be gone and must be waited for (Transient). The catalogue decides.
"""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.sync import UploadRow
from components.shared.errors import NvrError, Rejected, Transient


class Footage:
    """Finds files by the rows of capture.db, which is opened when it is first needed."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._reader: CaptureReader | None = None

    def path_of(self, row: UploadRow) -> Path:
        """Where the file of an upload is, or was. Transient when its volume is not registered (yet)."""
        return self._root_of(row) / row.path

    def why_gone(self, row: UploadRow) -> NvrError:
        """What it means that the file of an upload is not there."""
        named = f"camera {row.camera}, {row.kind} {row.segment}"
        segment = self._catalogue().segment(row.segment)
        if segment is None:
            return Rejected(f"{named}: deleted by retention before it was uploaded")
        root = self._root_of(row)
        if not _holds_anything(root):
            return Transient(f"{named}: volume {row.volume!r} is not at {root}: mount it")
        return Rejected(
            f"{named}: its file {row.path} is lost: the catalogue has it and volume {row.volume!r} does not; "
            f"see `./nvr catalogue check`"
        )

    def close(self) -> None:
        """Closes capture.db."""
        if self._reader is not None:
            self._reader.close()

    def _root_of(self, row: UploadRow) -> Path:
        for volume in self._catalogue().volumes():
            if volume.volume == row.volume:
                return self._data / volume.root
        raise Transient(f"camera {row.camera}, {row.kind} {row.segment}: volume {row.volume!r} is not registered")

    def _catalogue(self) -> CaptureReader:
        if self._reader is None:
            self._reader = CaptureReader.open(self._data)
        return self._reader


def _holds_anything(root: Path) -> bool:
    try:
        return any(root.iterdir())
    except OSError:
        return False
