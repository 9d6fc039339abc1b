"""Bookmarks: spans of a camera's footage that people want to keep, in capture.db. Footage in one is deleted last.

Capture writes them, everybody reads them. A bookmark may span what is not recorded, or not any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.shared.catalogue.capture import CaptureReader, CaptureWriter
from components.shared.catalogue.capture_rows import short
from components.shared.catalogue.database import READ_ROWS_MAX, Row, pages
from components.shared.errors import Rejected
from components.shared.wire.object_keys import check_id
from components.shared.wire.units import WallNs

BOOKMARKS_MAX = READ_ROWS_MAX
"""More than people look after; each is held against all footage when room is looked for."""

_COLUMNS = "bookmark, camera, start_ns, end_ns, note, created_ns"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """`[start_ns, end_ns)` of a camera, and why somebody wants it."""

    bookmark: str
    camera: str
    start_ns: WallNs
    end_ns: WallNs
    note: str
    created_ns: WallNs


def bookmarks(reader: CaptureReader, camera: str | None = None) -> Sequence[Bookmark]:
    """All bookmarks, or those of a camera, by start."""

    def fetch(last: Row | None, count: int) -> list[Row]:
        after = (last[2], last[0]) if last is not None else (-(2**63), "")
        sql = f"SELECT {_COLUMNS} FROM bookmark WHERE (start_ns, bookmark) > (?, ?) ORDER BY start_ns, bookmark LIMIT ?"  # noqa: S608 - constants of this module
        return reader.database.read(sql, *after, count)

    return [found for row in pages(fetch, None) if camera in (None, (found := Bookmark(*row)).camera)]


def add_bookmark(writer: CaptureWriter, row: Bookmark) -> None:
    """Writes a bookmark; adding it again does nothing. Rejected when it is none, or one too many."""
    check_id(row.camera, "camera id")
    if row.end_ns <= row.start_ns:
        raise Rejected(f"camera {row.camera}: a bookmark ends after it begins")
    with writer.database.transaction(f"camera {row.camera}, add bookmark {row.bookmark}") as do:
        if do("SELECT 1 FROM bookmark WHERE bookmark = ?", row.bookmark):
            return
        if do("SELECT count(*) FROM bookmark")[0][0] >= BOOKMARKS_MAX:
            raise Rejected(f"there are {BOOKMARKS_MAX} bookmarks already: remove some")
        values = (row.bookmark, row.camera, row.start_ns, row.end_ns, short(row.note), row.created_ns)
        do(f"INSERT INTO bookmark ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", *values)  # noqa: S608 - a constant


def remove_bookmark(writer: CaptureWriter, bookmark: str) -> bool:
    """Removes a bookmark; its footage is kept like any other from now on. Whether it was there."""
    with writer.database.transaction(f"remove bookmark {bookmark}") as do:
        return bool(do("DELETE FROM bookmark WHERE bookmark = ? RETURNING bookmark", bookmark))
