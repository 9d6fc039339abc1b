"""Looks whether all catalogues and files agree. Reads only, and may run while everything else does.

Rows and files change while they are compared: whatever looks wrong is looked at again a little later, and only what
is wrong both times is told. It repairs nothing; start-up does (`reconcile`), for what it can know to be a crash's
doing. What is found here and stays is somebody else's: a disk that loses bytes, a hand that moved files, a bug.

The kinds of findings, by promise:

    not_there, unreadable, damaged          a catalogue or a volume that cannot be looked at
    set_aside                               a damaged or rebuilt catalogue that was replaced by a new one
    row_without_file, size_differs          a closed segment against its file
    does_not_parse, facts_differ            its file's bytes against what the row says of them
    hash_differs                            its file's SHA-256, when asked for
    altered                                 a file that was found not to be what its trailer was made for
    file_without_row, in_quarantine         a file of a volume against the rows
    overlap, gap_overlap, uncovered         the time of a stream: in one segment or one gap, from when it was enabled
    garbage_left                            a deletion that nobody finishes
    thumbnail_without_file                  a thumbnail against its file
    upload_without_segment, upload_without_file, upload_differs, upload_twice
                                            an upload that waits for what is gone, or is not of the segment's bytes
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.shared.catalogue.analysis import ANALYSIS, AnalysisReader
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.check_files import (
    Finding,
    Look,
    file_look,
    files_of,
    segment_look,
    thumbnail_look,
    volume_look,
)
from components.shared.catalogue.damage import set_aside_files
from components.shared.catalogue.database import READ_ROWS_MAX, Database, Schema, catalogue_path
from components.shared.catalogue.health import HEALTH, HealthReader
from components.shared.catalogue.sync import SYNC, SyncReader, UploadRow
from components.shared.errors import NvrError, Transient
from components.shared.runtime.files import disk_errors
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S, format_iso

__all__ = ["Finding", "check"]

AGAIN_S = 1.0
"""Between the two looks: closing or deleting takes some tens of milliseconds, more on a busy disk."""

_FOREVER = 2**63 - 1

UNCOVERED_NS_MAX = NS_PER_S
"""Every second is in a segment or a gap: a hole shorter than that is the arithmetic of frames."""


@dataclass(frozen=True, slots=True)
class _Catalogues:
    """The readers of a data root; those of owners that have not run yet are None."""

    capture: CaptureReader
    analysis: AnalysisReader | None
    sync: SyncReader | None
    health: HealthReader | None

    def databases(self) -> list[Database]:
        readers = (self.capture, self.analysis, self.sync, self.health)
        return [reader.database for reader in readers if reader is not None]


@dataclass(frozen=True, slots=True)
class _Part:
    """A span of a stream's record. `end_ns` of what is open is None."""

    start_ns: int
    end_ns: int | None
    name: str
    is_gap: bool


def check(data: Path, with_hash: bool = False, pause: Callable[[], None] | None = None) -> list[Finding]:
    """Everything that is wrong under a data root; empty when all agrees. `with_hash` reads every byte of footage.

    `pause` passes the time between the two looks.
    """
    try:
        with ExitStack() as opened:
            catalogues = _opened(data, opened)
            suspects = [(look, found) for look in _looks(catalogues, with_hash) if (found := _look(look))]
            if suspects:
                (pause or _pause)()
            return [finding for look, before in suspects for finding in _look(look) if finding in before]
    except Transient as error:
        return [Finding("not_there", str(data), str(error))]


def _pause() -> None:
    threading.Event().wait(AGAIN_S)


def _opened(data: Path, opened: ExitStack) -> _Catalogues:
    def there(schema: Schema) -> bool:
        return catalogue_path(data, schema.owner).exists()

    return _Catalogues(
        opened.enter_context(closing(CaptureReader.open(data))),
        opened.enter_context(closing(AnalysisReader.open(data))) if there(ANALYSIS) else None,
        opened.enter_context(closing(SyncReader.open(data))) if there(SYNC) else None,
        opened.enter_context(closing(HealthReader.open(data))) if there(HEALTH) else None,
    )


def _look(look: Look) -> list[Finding]:
    """What a look finds. That it cannot look is a finding too, and no reason not to look at the rest."""
    try:
        return look()
    except NvrError as error:
        return [Finding("unreadable", "", str(error))]


def _looks(catalogues: _Catalogues, with_hash: bool) -> Iterator[Look]:
    """All there is to look at, one thing at a time, so that each can be looked at again."""
    capture, analysis, sync = catalogues.capture, catalogues.analysis, catalogues.sync
    for database in catalogues.databases():
        yield partial(_database, database)
    yield partial(_set_aside, capture.database.path.parent)
    there = []
    for volume in capture.volumes():
        look = partial(volume_look, capture, volume)
        yield look
        if not any(finding.what in {"not_there", "unreadable"} for finding in _look(look)):
            there.append(volume)
    for volume in there:
        looks = (partial(file_look, capture, analysis, volume, path) for path in files_of(volume.root))
        yield from _guarded(f"volume {volume.volume}", looks)
    names = frozenset(volume.volume for volume in there)
    yield from _guarded(capture.database.path.name, _capture_looks(capture, names, with_hash))
    if analysis is not None:
        yield from _guarded(analysis.database.path.name, _thumbnail_looks(capture, analysis, names))
    if sync is not None:
        uploads = (partial(_upload, capture, sync, upload.key) for upload in sync.each_upload())
        yield from _guarded(sync.database.path.name, uploads)


def _guarded(where: str, looks: Iterator[Look]) -> Iterator[Look]:
    """The looks; when there is no going on to the next one, that is a finding, and the end of these alone."""
    try:
        yield from looks
    except Transient as error:
        finding = Finding("unreadable", where, str(error))
        yield lambda: [finding]


def _capture_looks(capture: CaptureReader, volumes: frozenset[str], with_hash: bool) -> Iterator[Look]:
    for rows_after in (capture.unverified_after, capture.closed_after):
        sequence = 0
        while rows := rows_after(sequence, READ_ROWS_MAX):
            for row in rows:
                if row.volume in volumes:
                    yield partial(segment_look, capture, row.segment, with_hash)
            sequence = rows[-1].sequence or sequence
    for camera, stream in capture.recorded_streams():
        yield partial(_timeline, capture, camera, stream)
    yield partial(_garbage, capture)


def _thumbnail_looks(capture: CaptureReader, analysis: AnalysisReader, volumes: frozenset[str]) -> Iterator[Look]:
    sequence = 0
    while rows := analysis.thumbnails_after(sequence, READ_ROWS_MAX):
        for row in rows:
            if row.volume in volumes:
                yield partial(thumbnail_look, capture, analysis, row.segment)
        sequence = rows[-1].sequence


def _database(database: Database) -> list[Finding]:
    try:
        faults = database.faults()
    except Transient as error:
        faults = [str(error)]
    return [Finding("damaged", database.path.name, fault) for fault in faults]


def _set_aside(folder: Path) -> list[Finding]:
    return [
        Finding("set_aside", path.name, "a new one was begun in its place: recover it or take it away")
        for path in set_aside_files(folder)
    ]


def _timeline(capture: CaptureReader, camera: str, stream: StreamName) -> list[Finding]:
    """The record of a stream: no time twice, and none missing since it was enabled; what is misdated lies apart."""
    enabled = {(row.camera, row.stream): row.enabled_since_ns for row in capture.streams()}
    parts = [_Part(start_ns, end_ns, segment, False) for segment, start_ns, end_ns in capture.spans(camera, stream)]
    parts += [
        _Part(gap.start_ns, gap.end_ns, f"gap ({gap.cause})", True) for gap in capture.gaps(camera, stream=stream)
    ]
    parts.sort(key=lambda part: (part.start_ns, part.is_gap))
    findings = []
    since_ns = enabled.get((camera, stream))
    misdated_ns = capture.misdated_ns(camera, stream) or _FOREVER
    covered_ns = since_ns if since_ns is not None else (parts[0].start_ns if parts else 0)
    last: _Part | None = None
    for part in parts:
        hole_ns = part.start_ns - covered_ns
        if hole_ns > UNCOVERED_NS_MAX and part.start_ns < misdated_ns:
            span = f"{format_iso(covered_ns)} to {format_iso(part.start_ns)}"
            findings.append(Finding("uncovered", f"{camera} {stream}", f"{span} is in no segment and no gap"))
        if last is not None and _end_ns(last, misdated_ns) > part.start_ns:
            kind = "gap_overlap" if last.is_gap or part.is_gap else "overlap"
            detail = f"{last.name} reaches into {part.name} at {format_iso(part.start_ns)}"
            findings.append(Finding(kind, f"{camera} {stream}", detail))
        if last is None or _end_ns(part, misdated_ns) >= _end_ns(last, misdated_ns):
            last = part
        covered_ns = max(covered_ns, _end_ns(last, misdated_ns))
    return findings


def _end_ns(part: _Part, misdated_ns: int) -> int:
    """An open segment counts up to its start, since nobody knows how far it will come; an open gap has no end.

    It lasts, for now, up to what is misdated.
    """
    if part.end_ns is not None:
        return part.end_ns
    if not part.is_gap:
        return part.start_ns
    return misdated_ns if part.start_ns < misdated_ns else _FOREVER


def _garbage(capture: CaptureReader) -> list[Finding]:
    return [Finding("garbage_left", row.path, f"to be deleted: {row.reason}") for row in capture.garbage()]


def _upload(capture: CaptureReader, sync: SyncReader, key: str) -> list[Finding]:
    upload = sync.upload(key)
    if upload is None:
        return []
    if upload.kind != "segment":
        return _waits_for_file(capture, upload)
    row = capture.segment(upload.segment)
    if row is None:
        # What is uploaded, or refused, may be deleted here; what waits may not.
        missing = upload.state == "queued" and not upload.hold
        return [Finding("upload_without_segment", key, f"it waits for {upload.segment}")] if missing else []
    twins = [other.key for other in sync.uploads_of(upload.segment) if other.kind == "segment"]
    findings = [Finding("upload_twice", key, f"{upload.segment} goes to {', '.join(twins)}")] if len(twins) > 1 else []
    if row.unverified:
        return findings  # nobody knows the hash of its file yet
    if row.facts is None or (row.facts.sha256, row.facts.size_bytes) != (upload.sha256, upload.size_bytes):
        findings.append(Finding("upload_differs", key, f"it is not of the bytes of {upload.segment}"))
    return findings


def _waits_for_file(capture: CaptureReader, upload: UploadRow) -> list[Finding]:
    path = capture.file_path(upload)
    with disk_errors(path, "look at"):
        missing = upload.state == "queued" and not upload.hold and not path.exists()
    return [Finding("upload_without_file", upload.key, f"it waits for {path}")] if missing else []
