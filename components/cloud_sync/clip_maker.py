"""Makes clips: reads what is to be in them once, for their facts and hashes; the bytes stay where they are.

A segment that is still written has its complete fragments on the disk, and what is read of it here is synced here: a
clip must never be uploaded of bytes that a power cut takes back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from components.cloud_sync.core.clips import Cut
from components.cloud_sync.core.plan import Place, Wanted, Why, wanted_clip
from components.cloud_sync.ranged_file import RangedFile, open_ranges
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.errors import Rejected
from components.shared.runtime.files import disk_errors
from components.shared.wire.segment_file import Fragment, FragmentScanner, SegmentHasher, facts_of, scan
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import WallNs

BLOCK_BYTES = 256 * 1024

_UNKNOWN_SHA256 = "0" * 64  # of a file that grows; what is uploaded of it has a hash of its own


def growing_facts(path: Path, row: SegmentRow) -> SegmentFacts | None:
    """The facts of an open segment's complete fragments, by their heads alone; None while there are none.

    Transient when the disk does not answer; Rejected when the file makes no sense.
    """
    scanner, fragments = FragmentScanner(), list[Fragment]()
    with disk_errors(path, "look at"):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            while data := file.read(BLOCK_BYTES):
                fragments += scanner.feed(data)
                skipped = scanner.skippable_bytes
                left = os.fstat(file.fileno()).st_size - file.tell()
                fragments += scanner.skip(min(skipped, left)) if skipped else []
                file.seek(min(skipped, left), os.SEEK_CUR)
            os.fsync(file.fileno())
    if scanner.header is None or not fragments:
        return None
    size_bytes = fragments[-1].end_bytes
    return facts_of(scanner.header, fragments, row.start_ns, WallNs(row.start_ns), row.run, size_bytes, _UNKNOWN_SHA256)


def make_clip(
    thing: str, row: SegmentRow, path: Path, facts: SegmentFacts, cut: Cut, why: Why, stop: threading.Event
) -> Wanted:
    """The clip of a range of a segment. FileGone, Transient or Rejected as for any upload's file."""
    ranges = cut.ranges(facts.init_bytes)
    with open_ranges(path, ranges, stop) as source:
        hasher = SegmentHasher()
        found = scan(_blocks(source, hasher))
    if found.fault is not None or found.header is None or not found.ends_whole:
        what = found.fault or "it ends within a fragment"
        raise Rejected(
            f"camera {row.camera}, segment {row.segment}: GOPs {cut.first} to {cut.last} are no clip: {what}"
        )
    own = facts_of(found.header, found.fragments, cut.start_ns, cut.end_ns, facts.run, found.size_bytes, hasher.sha256)
    place = Place(row.camera, row.stream, row.segment, row.volume, row.path)
    return wanted_clip(thing, place, own, hasher.part_sha256s, ranges, why)


def _blocks(source: RangedFile, hasher: SegmentHasher) -> Iterator[bytes]:
    at, size_bytes = 0, source.size_bytes
    while at < size_bytes:
        data = source.read_at(at, min(BLOCK_BYTES, size_bytes - at))
        hasher.feed(data)
        at += len(data)
        yield data
