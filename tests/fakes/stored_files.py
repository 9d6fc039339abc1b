"""Segment files of a camera as they lie in the bucket: real video, with what the index says of each."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.playlist import StoredFile
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.segment_file import Trailer, encode_trailer, facts_of, scan
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.segment_files import TIME_BASE, footage

THING = "site-1"
START_NS = WallNs(1_763_000_000 * NS_PER_S)
FILE_S = 6


@dataclass(frozen=True)
class Stored:
    """A file: its bytes, its key, and the facts that travel with it."""

    key: str
    data: bytes
    facts: SegmentFacts

    @property
    def file(self) -> StoredFile:
        """What the playlist needs of it."""
        return stored_file(self.key, self.facts)


def stored_file(key: str, facts: SegmentFacts) -> StoredFile:
    return StoredFile(key, facts.run, facts.start_ns, facts.time_base, facts.start_ticks, facts.init_bytes, facts.gops)


def recorded(
    at_s: int,
    run: str = "run-1",
    run_at_s: int = 0,
    seconds: int = FILE_S,
    camera: str = "front",
    codec: str = "libx264",
    sound: bool = False,
) -> Stored:
    """`seconds` of video that begin `at_s` after START_NS, in a run that began `run_at_s` after it."""
    start_ticks = (at_s - run_at_s) * TIME_BASE.denominator
    body = footage(seconds, sound, codec, start_ticks)
    found = scan([body])
    assert found.header is not None
    body = body[: found.complete_bytes]
    start_ns = WallNs(START_NS + at_s * NS_PER_S)
    end_ns = WallNs(start_ns + seconds * NS_PER_S)
    frames = seconds * 10
    trailer = Trailer(camera, "main", run, start_ns, end_ns, start_ticks, TIME_BASE, frames, len(body), "0" * 64)
    data = body + encode_trailer(trailer)
    facts = facts_of(found.header, found.fragments, start_ns, end_ns, run, len(data), "0" * 64)
    return Stored(object_key(THING, ObjectName(camera, "main", start_ns, "mp4")), data, facts)
