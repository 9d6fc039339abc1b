"""Finds what is new in a catalogue and queues it: at a hint, and every few seconds without one.

Rows and cursor go into sync.db in one transaction, so that nothing is skipped or queued twice wherever it is killed;
a key that is known stays as it is. A catalogue that was lost and rebuilt goes on counting where its cursor here stands
(its owner sees to that); when sync.db itself was lost, everything is swept again and found in the store.

Invariants: at most SWEEP_ROWS_MAX rows are in memory and in a transaction; a row that cannot be uploaded is told and
passed, it holds up nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.cloud_sync.core.plan import Wanted, wanted_segment, wanted_thumbnail
from components.shared.catalogue.analysis import ANALYSIS, AnalysisReader, ThumbnailRow
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import catalogue_path
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.errors import Rejected
from components.shared.runtime.bus import Inbox
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.runtime.status import StatusBoard
from components.shared.wire.units import NS_PER_S, WallNs

SWEEP_ROWS_MAX = 200  # in memory (a segment's index is up to 10 kB) and in one transaction, which takes about 20 ms
SWEEP_NS = 5 * NS_PER_S  # without any hint, a new segment waits no longer than this


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a catalogue: its number there, and what is to be uploaded, or why nothing can be."""

    sequence: int
    upload: Wanted | Rejected


class Source(Protocol):
    """A catalogue that is swept. One that is not there yet has no rows."""

    @property
    def name(self) -> str:
        """Under which its cursor is kept."""

    def after(self, sequence: int, limit: int) -> Sequence[Found]:
        """The next rows after a cursor, in order."""


class Segments:
    """Closed segments, of capture.db."""

    name = "capture"

    def __init__(self, data: Path, thing: str) -> None:
        self._data = data
        self._thing = thing
        self._reader: CaptureReader | None = None

    def after(self, sequence: int, limit: int) -> Sequence[Found]:
        """See Source."""
        reader = self._catalogue()
        rows = [] if reader is None else reader.closed_after(sequence, limit)
        return [Found(row.sequence, self._plan(row)) for row in rows if row.sequence is not None]

    def _plan(self, row: SegmentRow) -> Wanted | Rejected:
        if row.facts is None:
            return Rejected(f"camera {row.camera}, segment {row.segment}: it is closed without facts")
        try:
            return wanted_segment(
                self._thing, row.camera, row.segment, row.volume, row.path, row.facts, row.part_sha256s
            )
        except Rejected as error:
            return error

    def _catalogue(self) -> CaptureReader | None:
        if self._reader is None and catalogue_path(self._data, CAPTURE.owner).exists():
            self._reader = CaptureReader.open(self._data)
        return self._reader


class Thumbnails:
    """Pictures of segments, of analysis.db."""

    name = "analysis"

    def __init__(self, data: Path, thing: str) -> None:
        self._data = data
        self._thing = thing
        self._reader: AnalysisReader | None = None

    def after(self, sequence: int, limit: int) -> Sequence[Found]:
        """See Source."""
        reader = self._catalogue()
        rows = [] if reader is None else reader.thumbnails_after(sequence, limit)
        return [Found(row.sequence, self._plan(row)) for row in rows]

    def _plan(self, row: ThumbnailRow) -> Wanted | Rejected:
        try:
            return wanted_thumbnail(
                self._thing, row.camera, row.segment, row.volume, row.path, row.size_bytes, row.sha256
            )
        except Rejected as error:
            return error

    def _catalogue(self) -> AnalysisReader | None:
        if self._reader is None and catalogue_path(self._data, ANALYSIS.owner).exists():
            self._reader = AnalysisReader.open(self._data)
        return self._reader


class Sweeper:
    """Sweeps one source into sync.db. `queued` is called after every batch, with the keys that nobody ever tried."""

    def __init__(
        self,
        source: Source,
        ledger: SyncWriter,
        queued: Callable[[Iterable[str]], object],
        clock: Clock,
        log: Log,
        status: StatusBoard,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._queued = queued
        self._clock = clock
        self._log = log.bind(source=source.name)
        self._status = status
        self._has_caught_up = False

    def sweep(self, stop: threading.Event) -> int:
        """Queues everything that is new; how much that was."""
        added = 0
        while not stop.is_set():
            found = self._source.after(self._ledger.cursor(self._source.name), SWEEP_ROWS_MAX)
            if not found:
                self._has_caught_up = True
                break
            added += self._enqueue(found)
        self._status.backlog(self._ledger.backlog()[0])
        return added

    def _enqueue(self, found: Sequence[Found]) -> int:
        now_ns = self._clock.wall_ns()
        rows = []
        for index, row in enumerate(found):
            if isinstance(row.upload, Rejected):
                self._status.failed(str(row.upload))
                self._log.error("row_not_uploadable", sequence=row.sequence, error=row.upload)
            else:
                # A nanosecond apart, so that the queue keeps their order.
                rows.append(upload_row(row.upload, WallNs(now_ns + index)))
        added = self._ledger.enqueue(self._source.name, rows, found[-1].sequence)
        # What was there when this process began may have been tried by another, even if sync.db was lost since.
        self._queued([row.key for row in rows] if self._has_caught_up else [])
        if added:
            self._log.debug("queued", added=added, sequence=found[-1].sequence)
        return added


def upload_row(wanted: Wanted, enqueued_ns: WallNs) -> UploadRow:
    """The row of sync.db for what is wanted."""
    return UploadRow(
        key=wanted.key,
        kind=wanted.kind,
        camera=wanted.camera,
        segment=wanted.segment,
        volume=wanted.volume,
        path=wanted.path,
        size_bytes=wanted.size_bytes,
        sha256=wanted.sha256,
        part_sha256s=tuple(wanted.part_sha256s),
        metadata=wanted.metadata,
        priority=wanted.priority,
        enqueued_ns=enqueued_ns,
        rank=wanted.rank,
        ranges=wanted.ranges,
    )


def watch(
    looks: Sequence[Callable[[threading.Event], object]], hints: Inbox, clock: Clock, stop: threading.Event
) -> None:
    """Takes these looks, in order, at every hint and every SWEEP_NS until `stop` is set.

    Transient when a catalogue cannot be used.
    """
    while not stop.is_set():
        for look in looks:
            look(stop)
        hints.take(clock, stop, SWEEP_NS)
        hints.drain()  # many hints are one look
