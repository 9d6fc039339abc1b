"""Hashes the files of unverified rows, slowly, so that what a rebuilt catalogue says of them is known and not believed.

A row that was made from its file's trailer gets the file's own hashes and a new sequence, so that those who sweep come
to it now. Where the bytes are not those that the trailer was made for, the segment stays, marked as altered, and it is
told: most of it may still play. A file that cannot be read stays unverified until the next start.

May go on beside recording: it reads a piece, then waits as long as its share of the disk asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.shared.catalogue.capture import CaptureWriter, SegmentRow
from components.shared.catalogue.segment_probe import chunks_of
from components.shared.catalogue.volumes import absence
from components.shared.errors import Rejected, Transient
from components.shared.wire.segment_file import SegmentHasher, facts_from_file
from components.shared.wire.units import NS_PER_S

VERIFY_BYTES_PER_S = 16 * 1024 * 1024
"""A tenth of what a spinning disk reads: a terabyte takes 18 hours."""

BATCH_ROWS = 50

Wait = Callable[[int], bool]
"""`wait(duration_ns)` passes the time; True when it is to stop."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of one row."""

    what: Literal["verified", "altered", "failed"]
    where: str
    detail: str


class _StoppedError(Exception):
    """It is to stop in the middle of a file."""


def verify(
    writer: CaptureWriter,
    wait: Wait,
    tell: Callable[[Verified], None],
    bytes_per_s: int = VERIFY_BYTES_PER_S,
    chunks: Callable[[Path], Iterator[bytes]] = chunks_of,
) -> None:
    """Goes through all unverified rows once, by their numbers; returns soon after `wait` says that it is to stop."""
    after = 0
    away: set[str] = set()
    while batch := writer.unverified_after(after, BATCH_ROWS):
        for row in batch:
            after = row.sequence or after
            if row.volume in away:
                continue
            absent = _absence(writer, row.volume)
            if absent is not None:
                away.add(row.volume)
                tell(Verified("failed", row.volume, absent))
                continue
            try:
                tell(_verify(writer, row, _paced(wait, bytes_per_s, chunks)))
            except _StoppedError:
                return
            except (Transient, FileNotFoundError) as error:
                tell(Verified("failed", row.path, f"it stays unverified: {error}"))
            if wait(0):
                return


def _absence(writer: CaptureWriter, name: str) -> str | None:
    return next((absence(volume) for volume in writer.volumes() if volume.volume == name), None)


def _paced(
    wait: Wait, bytes_per_s: int, chunks: Callable[[Path], Iterator[bytes]]
) -> Callable[[Path], Iterator[bytes]]:
    def paced(path: Path) -> Iterator[bytes]:
        for chunk in chunks(path):
            yield chunk
            if wait(len(chunk) * NS_PER_S // bytes_per_s):
                raise _StoppedError

    return paced


def _verify(writer: CaptureWriter, row: SegmentRow, chunks: Callable[[Path], Iterator[bytes]]) -> Verified:
    assert row.facts is not None, "only closed rows are unverified"
    path = writer.file_path(row)
    try:
        facts, part_sha256s, trailer = facts_from_file(chunks(path))
        same = (trailer.sha256, facts.size_bytes) == (row.facts.sha256, row.facts.size_bytes)
        fault = None if same else "it is another file than the one that the row was made from"
        sha256 = facts.sha256
    except Rejected as error:
        hasher = SegmentHasher()
        for chunk in chunks(path):
            hasher.feed(chunk)
        sha256, part_sha256s, fault = hasher.sha256, hasher.part_sha256s, str(error)
    if not part_sha256s:
        return Verified("failed", row.path, "it stays unverified: the file is empty")
    writer.verify_segment(row.segment, sha256, part_sha256s, altered=fault is not None)
    if fault is not None:
        return Verified("altered", row.path, fault)
    return Verified("verified", row.path, f"{row.size_bytes} bytes")
