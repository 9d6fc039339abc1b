"""Keeps the record of a camera whose footage comes as files into a folder: an FTP drop, the disk of another recorder.

The folder is looked through again and again, a piece at a time. A file is taken when its name is no temporary one and
its size and time have not changed for a while; the oldest first. What becomes of it is noted by name and by content,
so that it is imported once, however often it is sent, renamed or seen. A file that cannot be imported is told once,
with the reason, and never keeps the others from being imported. Files are read, never changed, moved or deleted.

Importing yields to recording: after each file it pauses for as long as that took.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from components.capture.camera_plan import Wanted
from components.capture.core.import_plan import OLDEST_NS, FreeTime, choose_reading, place_start
from components.capture.core.reconnect import SCHEDULE_S, StreamStatus
from components.capture.core.segmenter import IsWhole
from components.capture.folder_scan import FolderScan, FoundFile, readable
from components.capture.import_ledger import ImportLedger
from components.capture.import_segments import Archive, ImportStoppedError, PlaceTakenError, SegmentImport, Tally
from components.capture.import_source import ForeignFile
from components.capture.recorded_file import DiskFailed
from components.capture.workshop import Board
from components.shared.catalogue.imports import CAUSE, FileKey, ImportRow
from components.shared.catalogue.volumes import absence
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import Step, disk_errors, no_step
from components.shared.runtime.log import Log
from components.shared.runtime.supervisor import Backoff, retry, supervise
from components.shared.wire.foreign_names import is_beside, is_unfinished, read_foreign_path, readings
from components.shared.wire.units import NS_PER_S, Span, WallNs, format_iso

LOOK_NS = 5 * NS_PER_S
"""Between looks: a file that comes every few minutes is noticed soon enough."""

ENTRIES_PER_LOOK = 2_000
"""About 25 ms: half a percent of a core for a folder of any size."""

KNOWN_MAX = 100_000
"""Files that the catalogue need not be asked about again, by their hashes: a year of five-minute files in 10 MB."""

SETTLED_NS = 10 * NS_PER_S
"""A file that nobody has changed for so long is complete; after an upload's longer pause it is looked at anew."""

PUT_OFF_NS = 60 * NS_PER_S
"""Before a file that could not be imported yet is tried again: it is read as a whole each time."""

WAITING_MAX = 5_000
"""Files that may settle at once; those beyond come later. A megabyte of names."""

DELIVERY_NS_MAX = 7_200 * NS_PER_S
"""Recorders make files of up to two hours: a camera of which nothing came for longer delivers nothing."""

PAUSE_NS_MAX = 30 * NS_PER_S
"""After a file of an hour, importing has yielded enough."""

ATTEMPTS_MAX = 3
"""A file that ended this process so often is left alone: a camera's record must not hang on one file."""

READ_BYTES = 1024 * 1024
"""Hashed at a time; the stop is looked at in between."""

WINDOW_NS = 2 * 86_400 * NS_PER_S
"""No file lasts longer than two days from its start."""

TOLD_CHARS_MAX = 300
"""Of a name in the log."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What of a camera's document, and of the site's, matters here: a change of it begins the importer anew."""

    folder: Path
    zone: tzinfo
    wants_audio: bool


@dataclass(frozen=True, slots=True)
class ImportTools:
    """What an importer uses of its process."""

    clock: Clock
    board: Board
    is_whole: IsWhole
    has_room: Callable[[], bool]
    target_ns: Callable[[], int]
    step: Step = no_step


@dataclass(slots=True)
class _Waiting:
    found: FoundFile
    since_ns: int
    """Since when it has not changed."""
    passes: int
    """The pass in which it was seen last."""
    told: str = ""


class FolderImporter:
    """One camera's importer; `run` is called once, the properties may be asked by other threads."""

    def __init__(self, plan: ImportPlan, archive: Archive, ledger: ImportLedger, tools: ImportTools, log: Log) -> None:
        self.plan = plan
        self._archive = archive
        self._imports = archive.imports
        self._ledger = ledger
        self._tools = tools
        self._clock = tools.clock
        self._log = log
        self._where = f"camera {archive.camera}"
        self._scan = FolderScan(plan.folder)
        self._waiting: dict[str, _Waiting] = {}
        self._known: set[int] = set()
        self._status = StreamStatus("connecting", CAUSE)
        self._delivered_ns: int | None = None
        self.has_begun = False
        """Whether the stream's record has been begun."""

    @property
    def status(self) -> StreamStatus:
        """What the stream is now: recording while files come."""
        return self._status

    @property
    def waiting(self) -> int:
        """Files that are not imported yet."""
        return len(self._waiting)

    def want(self, wanted: Wanted) -> None:
        """Nothing: what files bring was chosen by whoever made them, and is kept."""

    def run(self, stop: threading.Event) -> None:
        """Import what comes, until `stop` is set. Fatal and foreign exceptions are raised."""
        backoff = Backoff(schedule_s=SCHEDULE_S)
        began = retry("begin", self.begin, backoff, self._clock, stop, self._log, self._failed)
        if began:
            supervise("import", lambda: self._follow(stop), backoff, self._clock, stop, self._log, self._failed)

    def begin(self) -> bool:
        """Begin to keep the record; True. Transient when the catalogue does not take it."""
        self._ledger.begin(self._status)
        self.has_begun = True
        return True

    def look(self, stop: threading.Event) -> bool:
        """One look, and the import of the oldest file that is complete; whether there was one."""
        for found in self._scan.look(ENTRIES_PER_LOOK):
            self._see(found)
        for path in [path for path, one in self._waiting.items() if one.passes < self._scan.passes - 1]:
            del self._waiting[path]  # it is gone
        ready = self._oldest_ready()
        if ready is not None:
            began_ns = self._clock.monotonic_ns()
            self._take(ready, stop)
            took_ns = self._clock.monotonic_ns() - began_ns
            self._clock.wait(stop, min(took_ns, PAUSE_NS_MAX))
        self._set_status()
        return ready is not None

    def _follow(self, stop: threading.Event) -> None:
        for repair in self._imports.repair(self._archive.camera):
            self._log.warning("repaired", what=repair.what, path=repair.where, detail=repair.detail)
        while not stop.is_set():
            if not self._look_or_stop(stop):
                self._clock.wait(stop, LOOK_NS)

    def _look_or_stop(self, stop: threading.Event) -> bool:
        try:
            return self.look(stop)
        except ImportStoppedError:
            return False

    def _failed(self, error: Transient | Rejected) -> None:
        self._tools.board.failed(f"{self._where}: {error}")
        self._status = StreamStatus("connecting", "disk" if isinstance(error, DiskFailed) else CAUSE)
        try:
            self._ledger.changed(self._status)
        except Transient as owed:
            self._log.debug("rows_owed", error=owed)

    def _set_status(self) -> None:
        now_ns = self._clock.monotonic_ns()
        comes = self._delivered_ns is not None and now_ns - self._delivered_ns < DELIVERY_NS_MAX
        self._status = StreamStatus("recording") if comes else StreamStatus("connecting", CAUSE)
        self._ledger.changed(self._status)

    def _see(self, found: FoundFile) -> None:
        path = found.relative
        if not found.fault and (is_unfinished(path) or is_beside(path)):
            return
        known = self._waiting.get(path)
        if known is not None and known.found == found:
            known.passes = self._scan.passes
            return
        if hash(found) in self._known or (known is None and len(self._waiting) >= WAITING_MAX):
            return
        row = self._imports.by_name(self._key(found))
        if row is None or row.state == "importing":
            self._waiting[path] = _Waiting(found, self._clock.monotonic_ns(), self._scan.passes)
        else:
            self._waiting.pop(path, None)
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known.add(hash(found))

    def _oldest_ready(self) -> FoundFile | None:
        now_ns = self._clock.monotonic_ns()
        ready = [
            one.found
            for one in self._waiting.values()
            # One whose name is nothing is told at once; one that was put off waits until it settles again.
            if now_ns - one.since_ns >= (0 if one.found.fault else SETTLED_NS)
        ]
        return min(ready, key=_order, default=None)

    def _take(self, found: FoundFile, stop: threading.Event) -> None:
        key = self._key(found)
        try:
            spans = self._spans_of(found)
            with self._opened(found) as descriptor:
                if descriptor is not None:
                    self._import(key, descriptor, spans, stop)
        except Rejected as error:
            self._refuse(ImportRow(key, "", "refused", str(error)))
        except (_NotYetError, PlaceTakenError) as error:
            self._put_off(found, str(error))

    def _spans_of(self, found: FoundFile) -> tuple[Span, ...]:
        """When the file may have been, by its name."""
        if found.fault:
            raise Rejected(found.fault)
        spans = readings(found.relative, read_foreign_path(found.relative), self.plan.zone)
        if spans[0].start_ns < OLDEST_NS:
            raise Rejected(f"it says {format_iso(spans[0].start_ns)}: the clock of its camera was never set")
        self._check_past(min(span.end_ns for span in spans))  # before it is read
        return spans

    @contextmanager
    def _opened(self, found: FoundFile) -> Iterator[int | None]:
        """The file open for reading; None when it is not what was found any more."""
        path = self._scan.root / found.relative
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._waiting.pop(found.relative, None)
            yield None
            return
        except OSError as error:
            raise _NotYetError(f"it cannot be opened: {error.strerror}") from error
        try:
            now = os.fstat(descriptor)
            if (now.st_size, now.st_mtime_ns) != (found.size_bytes, found.mtime_ns) or not stat.S_ISREG(now.st_mode):
                raise _NotYetError("it is changing")
            yield descriptor
        finally:
            os.close(descriptor)

    def _import(self, key: FileKey, descriptor: int, spans: tuple[Span, ...], stop: threading.Event) -> None:
        if not self._tools.has_room():
            raise DiskFailed(f"{self._where}: the disk is full, importing goes on when there is room")
        mine = [row for row in self._archive.rows.volumes() if row.volume == self._archive.volume.volume]
        why = absence(mine[0]) if mine else f"volume {self._archive.volume.volume} is not known"
        if why is not None:
            raise DiskFailed(f"{self._where}: {why}")
        if self._imports.was_other(key):
            self._log.warning("file_changed", file=_told(key.path), size_bytes=key.size_bytes)
        sha256 = self._hash(key, descriptor, stop)
        before = self._imports.by_content(key.camera, sha256)
        if before is not None and before.state != "importing":
            self._know_again(key, before)
            return
        row = ImportRow(key, sha256, "importing")
        if before is not None:  # broken off, perhaps under another name: it goes on
            row = dataclasses.replace(before, key=key)
        if row.attempts >= ATTEMPTS_MAX:
            self._refuse(dataclasses.replace(row, state="refused", reason=f"{row.attempts} attempts ended the process"))
            return
        self._imports.put(dataclasses.replace(row, attempts=row.attempts + 1))
        try:
            self._import_row(row, descriptor, spans, stop)
        except Rejected as error:
            self._refuse(dataclasses.replace(row, state="refused", reason=str(error)))
        except (Transient, ImportStoppedError, _NotYetError):
            began = self._imports.by_name(key) or row
            self._imports.put(dataclasses.replace(began, attempts=row.attempts))
            raise
        if before is not None and before.key != key:
            self._imports.put(dataclasses.replace(before, state="imported", reason=f"it went on as {key.path}"))

    def _import_row(self, row: ImportRow, descriptor: int, spans: tuple[Span, ...], stop: threading.Event) -> None:
        archive, tools = self._archive, self._tools
        source = ForeignFile(descriptor, self.plan.wants_audio)
        try:
            window = Span(spans[0].start_ns, WallNs(spans[-1].start_ns + WINDOW_NS))
            free = FreeTime(self._imports.taken(archive.camera, archive.stream, window))
            start_ns, is_doubtful = row.start_ns, False
            if start_ns is None:
                reading = choose_reading(spans, source.length_ns, row.key.mtime_ns, free)
                is_doubtful = reading.is_doubtful
                start_ns = place_start(reading.span, source.exact_length_ns, free.end_of_before(reading.span.start_ns))
                self._check_past(start_ns + (source.length_ns or reading.span.duration_ns))
            self._imports.put(dataclasses.replace(row, attempts=row.attempts + 1, start_ns=start_ns))
            self._imports.extend_record(archive.camera, archive.stream, start_ns)
            target_ns = tools.target_ns()
            work = SegmentImport(
                archive, row.key, source, start_ns, free, target_ns, tools.is_whole, self._log, tools.step
            )
            tally = work.run(lambda: not stop.is_set())
        finally:
            source.close()
        self._finish(row, start_ns, tally, is_doubtful)

    def _check_past(self, end_ns: int) -> None:
        if end_ns > self._clock.wall_ns():
            raise _NotYetError(f"it ends at {format_iso(end_ns)}, which is yet to come: are clock and time zone right?")

    def _finish(self, before: ImportRow, start_ns: WallNs, tally: Tally, is_doubtful: bool) -> None:
        row = self._imports.by_name(before.key) or before
        notes = _explain(tally, goes_on=before.first_segment is not None)
        if is_doubtful:
            notes.append(f"its hour comes twice, it was read as {format_iso(start_ns)}")
        note = "; ".join(notes)
        if row.first_segment is None:
            self._refuse(dataclasses.replace(row, state="refused", reason=note or "it holds no picture"))
            return
        self._imports.put(dataclasses.replace(row, state="imported", reason=note, attempts=0))
        self._waiting.pop(self._relative(row.key), None)
        self._delivered_ns = self._clock.monotonic_ns()
        self._tools.board.progressed()
        tell = self._log.warning if note else self._log.info
        tell(
            "file_imported",
            file=_told(row.key.path),
            start=format_iso(start_ns),
            segments=tally.segments,
            frames=tally.imported,
            note=note,
        )

    def _know_again(self, key: FileKey, before: ImportRow) -> None:
        reason = before.reason if before.key.path == key.path else f"the same content as {before.key.path}"
        self._imports.put(dataclasses.replace(before, key=key, reason=reason))
        self._waiting.pop(self._relative(key), None)
        self._log.info("file_known", file=_told(key.path), state=before.state, reason=reason)

    def _refuse(self, row: ImportRow) -> None:
        self._imports.put(row)
        self._waiting.pop(self._relative(row.key), None)
        self._log.warning("file_refused", file=_told(row.key.path), reason=row.reason)

    def _put_off(self, found: FoundFile, reason: str) -> None:
        """It is tried again after a while; told once per reason."""
        waiting = self._waiting.setdefault(found.relative, _Waiting(found, 0, self._scan.passes))
        waiting.since_ns = self._clock.monotonic_ns() + PUT_OFF_NS - SETTLED_NS
        if waiting.told != reason:
            waiting.told = reason
            self._log.warning("file_waits", file=_told(found.relative), reason=reason)

    def _hash(self, key: FileKey, descriptor: int, stop: threading.Event) -> str:
        hasher = hashlib.sha256()
        place = 0
        with disk_errors(Path(key.path), "read"):
            while chunk := os.pread(descriptor, READ_BYTES, place):
                if stop.is_set():
                    raise ImportStoppedError
                hasher.update(chunk)
                place += len(chunk)
        return hasher.hexdigest()

    def _key(self, found: FoundFile) -> FileKey:
        return FileKey(
            self._archive.camera, f"{readable(str(self._scan.root))}/{found.relative}", found.size_bytes, found.mtime_ns
        )

    def _relative(self, key: FileKey) -> str:
        return key.path.removeprefix(f"{readable(str(self._scan.root))}/")


class _NotYetError(Exception):
    """The file may be imported later."""


def _order(found: FoundFile) -> tuple[int, str]:
    """The order in which files are taken: as they were delivered, and those of one moment by name."""
    return found.mtime_ns, found.relative


def _explain(tally: Tally, goes_on: bool) -> list[str]:
    """What is to be said about an import; nothing when all of it was imported."""
    notes = []
    if tally.taken and not goes_on:  # what was imported of it before would count too
        pictures = tally.taken + tally.imported + tally.skipped
        part = "all of it was" if not tally.imported else f"{tally.taken} of {pictures} pictures were"
        notes.append(f"{part} recorded already")
    if tally.skipped:
        notes.append(f"{tally.skipped} pictures come before a keyframe that decodes")
    return [*notes, tally.note] if tally.note else notes


def _told(path: str) -> str:
    return path if len(path) <= TOLD_CHARS_MAX else f"{path[:TOLD_CHARS_MAX]}..."
