"""Footage that somebody in the cloud has asked for, in sync.db: which spans, and the uploads that they are made of.

What is attached to a request is held by no policy, whatever becomes of the request. A request is known by its id for
ever, or until PULLS_KEPT others have come to their end after it: asking again starts nothing anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.catalogue.sync import ERROR_CHARS_MAX, SyncReader, SyncWriter, UploadRow, insert_upload
from components.shared.wire.units import WallNs

PULLS_KEPT = 200

_COLUMNS = "pull, camera, start_ns, end_ns, asked_ns, state, note"


@dataclass(frozen=True, slots=True)
class PullRow:
    """A request for `[start_ns, end_ns)` of a camera. `note` says what of it is not to be had."""

    pull: str
    camera: str
    start_ns: WallNs
    end_ns: WallNs
    asked_ns: WallNs
    state: Literal["working", "done"] = "working"
    note: str = ""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """The uploads of a request and their bytes: all, those in the bucket, and those that never will be."""

    objects: int
    size_bytes: int
    uploaded: int
    uploaded_bytes: int
    refused: int

    @property
    def is_over(self) -> bool:
        """Whether nothing of it waits."""
        return self.uploaded + self.refused == self.objects


def add_pull(writer: SyncWriter, row: PullRow) -> None:
    """Writes a request down; one that is known stays as it is."""
    with writer.database.transaction(f"add pull {row.pull}") as do:
        values = (row.pull, row.camera, row.start_ns, row.end_ns, row.asked_ns, row.state, row.note)
        do(f"INSERT INTO pull ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pull) DO NOTHING", *values)  # noqa: S608 - a constant


def pull_of(reader: SyncReader, pull: str) -> PullRow | None:
    """The request of that id, or None."""
    found = reader.database.read(f"SELECT {_COLUMNS} FROM pull WHERE pull = ?", pull)  # noqa: S608 - a constant
    return PullRow(*found[0]) if found else None


def working_pulls(reader: SyncReader) -> list[PullRow]:
    """The requests that are not over, the first asked first."""
    sql = f"SELECT {_COLUMNS} FROM pull WHERE state = 'working' ORDER BY asked_ns, pull LIMIT ?"  # noqa: S608 - a constant
    return [PullRow(*row) for row in reader.database.read(sql, READ_ROWS_MAX)]


def attach(
    writer: SyncWriter, pull: str, keys: Sequence[str], clips: Sequence[UploadRow], priority: int, now_ns: WallNs
) -> None:
    """Has these uploads, and clips, go for a request, whatever their camera's policy says. May be repeated."""
    with writer.database.transaction(f"attach to pull {pull}") as do:
        for clip in clips:
            insert_upload(do, clip)
        for key in (*keys, *(clip.key for clip in clips)):
            if do("SELECT 1 FROM pull_object WHERE pull = ? AND key = ?", pull, key):
                continue
            do("INSERT INTO pull_object (pull, key) VALUES (?, ?)", pull, key)
            do(
                "UPDATE upload SET enqueued_ns = iif(hold = '', enqueued_ns, ?), hold = '', "
                "priority = min(priority, ?) WHERE key = ? AND state = 'queued'",
                *(now_ns, priority, key),
            )


def progress_of(reader: SyncReader, pull: str) -> PullProgress:
    """How far a request is, with what is attached to it by now."""
    sql = (
        "SELECT count(*), coalesce(sum(size_bytes), 0), coalesce(sum(state = 'uploaded'), 0), "
        "coalesce(sum(iif(state = 'uploaded', size_bytes, 0)), 0), coalesce(sum(state = 'refused'), 0) "
        "FROM upload WHERE key IN (SELECT key FROM pull_object WHERE pull = ?)"
    )
    return PullProgress(*reader.database.read(sql, pull)[0])


def end_pull(writer: SyncWriter, pull: str, note: str) -> None:
    """Nothing of it waits any more; the oldest of more than PULLS_KEPT such are forgotten."""
    with writer.database.transaction(f"end pull {pull}") as do:
        do("UPDATE pull SET state = 'done', note = ? WHERE pull = ?", note[:ERROR_CHARS_MAX], pull)
        old = "SELECT pull FROM pull WHERE state = 'done' ORDER BY asked_ns DESC, pull LIMIT -1 OFFSET ?"
        for (forgotten,) in do(old, PULLS_KEPT):
            do("DELETE FROM pull_object WHERE pull = ?", forgotten)
            do("DELETE FROM pull WHERE pull = ?", forgotten)
