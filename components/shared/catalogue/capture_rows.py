"""The rows of capture.db as values, and what a legal one is.

A row is checked before it is written, so that a wrong one names itself: an id that is not an id is Rejected, two
fields that contradict each other are a broken promise of the writer's (Fatal).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from components.shared.catalogue.database import Row, Value
from components.shared.errors import Fatal, Rejected
from components.shared.wire.messages import StreamState
from components.shared.wire.object_keys import ObjectName, StreamName, check_id, relative_path, segment_id
from components.shared.wire.segment_metadata import (
    Gop,
    SegmentFacts,
    gops_of,
    pack_gops,
    unpack_gop_columns,
    unpack_gops,
)
from components.shared.wire.units import TimeBase, WallNs

SegmentState = Literal["open", "closed"]
GapCause = Literal[
    "unreachable",
    "authentication",
    "no_keyframe",
    "frozen",
    "undecodable",
    "component_down",
    "box_down",
    "disk",
    "schedule",
    "policy",
    "starting",
    "unknown",
    "clock",
    "not_delivered",
]
GAP_CAUSES: frozenset[str] = frozenset(get_args(GapCause))
STREAM_STATES: frozenset[str] = frozenset(get_args(StreamState))

TEXT_CHARS_MAX = 500
"""Causes, details and reasons are for people; a longer one is cut when it is written."""

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,95}")
_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk, or a folder of one: `root` is where its segments' relative paths begin.

    `identity` is what the marker at its root says, None until it has one; see `volumes`.
    """

    volume: str
    root: Path
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream that should be recorded and how it is now. `enabled_since_ns` is when its record begins."""

    camera: str
    stream: StreamName
    state: StreamState
    cause: str
    since_ns: WallNs
    failures: int
    enabled_since_ns: WallNs


@dataclass(frozen=True, slots=True)
class StreamTotals:
    """How much footage of a stream is in closed segments; `newest` is the id of the one closed last."""

    camera: str
    stream: StreamName
    segments: int
    size_bytes: int
    newest: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One unbroken reading of a camera: decode times run on within it. `ended_ns` is None while it goes on.

    `anchor_source` says whose word its wall time is, `clock_offset_ns` is the camera's clock minus the box's (None when
    the camera tells none); all three are None for runs of a release that did not know.
    """

    run: str
    camera: str
    stream: StreamName
    started_ns: WallNs
    ended_ns: WallNs | None
    codec: str
    width: int
    height: int
    time_base: TimeBase
    frames_received: int = 0
    frames_recorded: int = 0
    end_cause: str = ""
    anchor_source: str | None = None
    clock_offset_ns: int | None = None
    anchor_uncertainty_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment file. What is known when it is closed (`end_ns` and all after `start_ns`) is None or empty before.

    `sequence` grows with every closed segment and is never used twice, so that a reader sweeps with a cursor;
    `part_sha256s` are lower-case hex, one per 8 MiB of the file; `adopted` tells that start-up closed it.

    `unverified` tells that its hashes are not its file's yet: its trailer's hash stands for them. `altered` tells that
    the file's bytes are not those that its trailer was made for.
    """

    segment: str
    camera: str
    stream: StreamName
    run: str
    volume: str
    path: str
    state: SegmentState
    start_ns: WallNs
    end_ns: WallNs | None = None
    sequence: int | None = None
    facts: SegmentFacts | None = None
    part_sha256s: tuple[str, ...] = ()
    frames: int = 0
    size_bytes: int = 0
    adopted: bool = False
    unverified: bool = False
    altered: bool = False


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What a player's list needs of a closed segment: where its bytes are and when they happened.

    The GOP index is three columns, since an hour has some thousand GOPs: `gop_bytes` are the sizes of ranges that touch
    from `gop_offset_bytes` on, `gop_ticks` their durations. `gops` makes objects of them.
    """

    segment: str
    run: str
    volume: str
    path: str
    start_ns: WallNs
    end_ns: WallNs
    codec: str
    width: int
    height: int
    time_base: TimeBase
    start_ticks: int
    init_bytes: int
    gop_offset_bytes: int
    gop_bytes: Sequence[int]
    gop_ticks: Sequence[int]

    @property
    def gops(self) -> tuple[Gop, ...]:
        """The GOP index."""
        return gops_of(self.gop_offset_bytes, self.gop_bytes, self.gop_ticks)


@dataclass(frozen=True, slots=True)
class GapRow:
    """Wall time of a stream that is in no segment, and why. `end_ns` is None while it lasts."""

    camera: str
    stream: StreamName
    start_ns: WallNs
    end_ns: WallNs | None
    cause: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GarbageRow:
    """A file that is to be deleted, or is deleted already: its row goes when that is certain."""

    segment: str
    volume: str
    path: str
    reason: str


def open_row(camera: str, stream: StreamName, start_ns: WallNs, run: str, volume: str) -> SegmentRow:
    """The row of a segment that is about to begin: its id and path follow from stream and start."""
    name = ObjectName(camera, stream, start_ns, "mp4")
    return SegmentRow(name.segment, camera, stream, run, volume, relative_path(name), "open", start_ns)


def short(text: str) -> str:
    """`text` cut to what a row keeps of it."""
    return text[:TEXT_CHARS_MAX]


def check_volume(volume: Volume) -> None:
    """Rejected unless the volume's name is an id."""
    check_id(volume.volume, "volume")


def check_stream(row: StreamRow) -> None:
    """Rejected for a bad id, Fatal for a state that is none."""
    check_id(row.camera, "camera id")
    if row.state not in STREAM_STATES:
        raise Fatal(f"camera {row.camera}: {row.state!r} is no state of a stream")


def check_run(row: RunRow) -> None:
    """Rejected for a bad id."""
    check_id(row.camera, "camera id")
    if not _RUN.fullmatch(row.run):
        raise Rejected(f"camera {row.camera}: run id {row.run!r} is not 1 to 96 letters, digits and . _ ~ -")


def check_gap(camera: str, cause: str) -> None:
    """Rejected for a bad id, Fatal for a cause that is none."""
    check_id(camera, "camera id")
    if cause not in GAP_CAUSES:
        raise Fatal(f"camera {camera}: {cause!r} is no cause of a gap")


def check_open(row: SegmentRow) -> None:
    """Fatal unless an open row's id and path are those of its stream and start."""
    check_id(row.volume, "volume")
    name = ObjectName(row.camera, row.stream, row.start_ns, "mp4")
    if row.segment != segment_id(row.camera, row.stream, row.start_ns) or row.path != relative_path(name):
        raise Fatal(f"segment {row.segment}: its id or path {row.path!r} is not that of its stream and start")
    if row.state != "open":
        raise Fatal(f"segment {row.segment}: it begins as {row.state}, not as open")


def check_facts(row: SegmentRow, facts: SegmentFacts, part_sha256s: Sequence[str]) -> None:
    """Fatal unless the facts are of this row and no empty ones."""
    where = f"camera {row.camera}, segment {row.segment}"
    if facts.start_ns != row.start_ns:
        raise Fatal(f"{where}: its facts start at {facts.start_ns}, its row at {row.start_ns}")
    if facts.run != row.run:
        raise Fatal(f"{where}: its facts are of run {facts.run!r}, its row of {row.run!r}")
    if facts.end_ns <= facts.start_ns or facts.frames <= 0 or not facts.gops:
        raise Fatal(f"{where}: its facts hold no footage: {facts.frames} frames, {len(facts.gops)} GOPs")
    if not part_sha256s or any(len(_digest(where, part)) != _SHA256_BYTES for part in (facts.sha256, *part_sha256s)):
        raise Fatal(f"{where}: its hashes are not SHA-256 in hex")


STREAM_COLUMNS = "camera, stream, state, cause, since_ns, failures, enabled_since_ns"
RUN_COLUMNS = (
    "run, camera, stream, started_ns, ended_ns, codec, width, height, time_base_numerator, time_base_denominator, "
    "frames_received, frames_recorded, end_cause, anchor_source, clock_offset_ns, anchor_uncertainty_ns"
)
RUN_MARKS = ", ".join("?" * (RUN_COLUMNS.count(",") + 1))
SEGMENT_COLUMNS = (
    "segment, camera, stream, run, volume, path, state, start_ns, end_ns, sequence, codec, width, height, frames, "
    "size_bytes, sha256, part_sha256s, time_base_numerator, time_base_denominator, start_ticks, init_bytes, gops, "
    "adopted, unverified, altered"
)
MANIFEST_COLUMNS = (
    "segment, run, volume, path, start_ns, end_ns, codec, width, height, time_base_numerator, time_base_denominator, "
    "start_ticks, init_bytes, gops"
)
GAP_COLUMNS = "camera, stream, start_ns, end_ns, cause, detail"
GARBAGE_COLUMNS = "segment, volume, path, reason"


def stream_row(row: Row) -> StreamRow:
    """STREAM_COLUMNS as a value."""
    return StreamRow(*row)


def run_row(row: Row) -> RunRow:
    """RUN_COLUMNS as a value."""
    run, camera, stream, started_ns, ended_ns, codec, width, height, numerator, denominator, *rest = row
    base = TimeBase(numerator, denominator)
    return RunRow(run, camera, stream, started_ns, ended_ns, codec, width, height, base, *rest)


def run_values(row: RunRow) -> tuple[Value, ...]:
    """A run as RUN_COLUMNS."""
    base = row.time_base
    return (
        *(row.run, row.camera, row.stream, row.started_ns, row.ended_ns, row.codec, row.width, row.height),
        *(base.numerator, base.denominator, row.frames_received, row.frames_recorded, short(row.end_cause)),
        *(row.anchor_source, row.clock_offset_ns, row.anchor_uncertainty_ns),
    )


def segment_row(row: Row) -> SegmentRow:
    """SEGMENT_COLUMNS as a value."""
    segment, camera, stream, run, volume, path, state, start_ns, end_ns, sequence = row[:10]
    adopted, unverified, altered = (bool(flag) for flag in row[22:25])
    if state == "open":
        return SegmentRow(segment, camera, stream, run, volume, path, state, start_ns, adopted=adopted)
    codec, width, height, frames, size_bytes, sha256, parts = row[10:17]
    numerator, denominator, start_ticks, init_bytes, gops = row[17:22]
    facts = SegmentFacts(
        start_ns=start_ns,
        end_ns=end_ns,
        run=run,
        codec=codec,
        width=width,
        height=height,
        frames=frames,
        size_bytes=size_bytes,
        sha256=sha256.hex(),
        time_base=TimeBase(numerator, denominator),
        start_ticks=start_ticks,
        init_bytes=init_bytes,
        gops=unpack_gops(gops),
    )
    hashes = unpack_hashes(parts)
    return SegmentRow(
        *(segment, camera, stream, run, volume, path, state, start_ns, end_ns, sequence),
        facts=facts,
        part_sha256s=hashes,
        frames=frames,
        size_bytes=size_bytes,
        adopted=adopted,
        unverified=unverified,
        altered=altered,
    )


def manifest_entry(row: Row) -> ManifestEntry:
    """MANIFEST_COLUMNS as a value."""
    segment, run, volume, path, start_ns, end_ns, codec, width, height, numerator, denominator, *ticks, gops = row
    base = TimeBase(numerator, denominator)
    start_ticks, init_bytes = ticks
    names = (segment, run, volume, path, start_ns, end_ns)
    return ManifestEntry(*names, codec, width, height, base, start_ticks, init_bytes, *unpack_gop_columns(gops))


def facts_values(facts: SegmentFacts, part_sha256s: Sequence[str]) -> tuple[Value, ...]:
    """Facts as the columns from `codec` to `gops`."""
    return (
        *(facts.codec, facts.width, facts.height, facts.frames, facts.size_bytes, bytes.fromhex(facts.sha256)),
        pack_hashes(part_sha256s),
        *(facts.time_base.numerator, facts.time_base.denominator, facts.start_ticks, facts.init_bytes),
        pack_gops(facts.gops),
    )


def pack_hashes(sha256s: Sequence[str]) -> bytes:
    """Hex hashes as bytes, one after the other."""
    return b"".join(bytes.fromhex(sha256) for sha256 in sha256s)


def unpack_hashes(packed: bytes) -> tuple[str, ...]:
    """The inverse of `pack_hashes`."""
    return tuple(packed[at : at + _SHA256_BYTES].hex() for at in range(0, len(packed), _SHA256_BYTES))


def _digest(where: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Fatal(f"{where}: hash {text!r} is not hex") from error
