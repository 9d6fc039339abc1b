"""Reads the segment files of one day of a stream for `rebuild`: a row for each that its trailer proves, else its path.

Only heads, header and trailer are read, not the footage: the row's hashes are the trailer's, and nobody has compared
them with the bytes. Runs in processes of its own, one day after the other; values in, values out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.shared.catalogue.capture_rows import RunRow, check_run
from components.shared.catalogue.database import Value
from components.shared.catalogue.strays import SUFFIX
from components.shared.errors import Rejected
from components.shared.runtime.files import disk_errors
from components.shared.wire.object_keys import ObjectName, StreamName, parse_relative_path, relative_path
from components.shared.wire.segment_metadata import pack_gops
from components.shared.wire.segment_quick import Quick, QuickReader
from components.shared.wire.units import NS_PER_MS, NS_PER_S

HOUR_NS = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a stream: its folder below the root of each volume that has one, `stream/yyyy/mm/dd`."""

    camera: str
    stream: StreamName
    folder: str
    roots: tuple[tuple[str, Path], ...]


@dataclass(slots=True)
class DayRows:
    """What was found of a day: rows by start, their runs, and the files (volume, path) for the thorough look."""

    day: Day
    rows: list[list[Value]] = field(default_factory=list)
    runs: dict[str, RunRow] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


# Places of SEGMENT_COLUMNS in a row that `rebuild` looks at.
START, END, SEQUENCE, PATH, VOLUME = 7, 8, 9, 5, 4

_reader = QuickReader()  # one per process: headers repeat from day to day


def read_day(day: Day) -> DayRows:
    """Reads all files of a day. Transient when a disk fails."""
    found = DayRows(day)
    paths = _Paths(day.camera, day.stream)
    for volume, root in day.roots:
        for folder, name in _names(root, day.folder):
            path = f"{folder}/{name}"
            quick, size_bytes = _look(f"{root}/{path}")
            row = None if quick is None else _row(day, volume, path, quick, size_bytes, paths)
            if quick is None or row is None or not _add_run(found.runs, day, quick):
                found.left.append((volume, path))
            else:
                found.rows.append(row)
    found.rows.sort(key=lambda row: (row[START], row[VOLUME]))
    return found


def _names(root: Path, day: str) -> Iterator[tuple[str, str]]:
    for hour in sorted(_listed(f"{root}/{day}", folders=True)):
        folder = f"{day}/{hour}"
        for name in _listed(f"{root}/{folder}", folders=False):
            if name.endswith(SUFFIX):
                yield folder, name


def _listed(folder: str, folders: bool) -> list[str]:
    with disk_errors(Path(folder), "list"), os.scandir(folder) as entries:
        if folders:
            return [entry.name for entry in entries if len(entry.name) == 2 and entry.is_dir(follow_symlinks=False)]
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]


def _look(path: str) -> tuple[Quick | None, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size_bytes = os.fstat(descriptor).st_size
            return _reader.read(lambda offset, count: os.pread(descriptor, count, offset), size_bytes), size_bytes
        finally:
            os.close(descriptor)
    except OSError:
        return None, 0  # the thorough look meets the same and tells it


def _row(day: Day, volume: str, path: str, quick: Quick, size_bytes: int, paths: _Paths) -> list[Value] | None:
    """The file as SEGMENT_COLUMNS, unverified and without a sequence; None when it is not what its name says."""
    trailer = quick.trailer
    if (trailer.camera, trailer.stream) != (day.camera, day.stream) or trailer.end_ns <= trailer.start_ns:
        return None
    if paths.of(trailer.start_ns) != path:
        return None
    video = quick.header.video
    digest = bytes.fromhex(trailer.sha256)
    name = path.rsplit("/", 1)[1].removesuffix(SUFFIX)
    return [
        *(name, trailer.camera, trailer.stream, trailer.run, volume, path, "closed", trailer.start_ns, trailer.end_ns),
        *(None, video.codec, video.width, video.height, quick.frames, size_bytes, digest, digest),
        *(video.time_base.numerator, video.time_base.denominator, quick.start_ticks, quick.header.init_bytes),
        *(pack_gops(quick.gops), 0, 1, 0),
    ]


def _add_run(runs: dict[str, RunRow], day: Day, quick: Quick) -> bool:
    """Counts a file in its run; whether the run is one that may be."""
    trailer, video = quick.trailer, quick.header.video
    run = RunRow(
        *(trailer.run, day.camera, day.stream, trailer.start_ns, trailer.end_ns, video.codec, video.width),
        *(video.height, video.time_base, quick.frames, quick.frames, "rebuilt"),
    )
    known = runs.get(trailer.run)
    if known is None:
        try:
            check_run(run)
        except Rejected:
            return False
    runs[trailer.run] = run if known is None else joined(known, run)
    return True


def joined(one: RunRow, other: RunRow) -> RunRow:
    """One run of what two parts of it tell."""
    assert one.ended_ns is not None and other.ended_ns is not None, "both have footage"
    first = one if one.started_ns <= other.started_ns else other
    return RunRow(
        *(first.run, first.camera, first.stream, first.started_ns, max(one.ended_ns, other.ended_ns)),
        *(first.codec, first.width, first.height, first.time_base),
        *(one.frames_received + other.frames_received, one.frames_recorded + other.frames_recorded, first.end_cause),
    )


class _Paths:
    """The path of a segment by its start, the same as `relative_path` says, an hour's part made once."""

    def __init__(self, camera: str, stream: StreamName) -> None:
        self._name = (camera, stream)
        self._hours: dict[int, str] = {}

    def of(self, start_ns: int) -> str:
        """The path of the segment that starts there."""
        hour, rest_ns = divmod(start_ns, HOUR_NS)
        begun = self._hours.get(hour)
        if begun is None:
            whole = relative_path(ObjectName(*self._name, start_ns - rest_ns, "mp4"))  # type: ignore[arg-type]
            begun = self._hours[hour] = whole.removesuffix("0000.000Z.mp4")
        seconds, fraction_ns = divmod(rest_ns, NS_PER_S)
        return f"{begun}{seconds // 60:02d}{seconds % 60:02d}.{fraction_ns // NS_PER_MS:03d}Z.mp4"


def days_of(roots: Sequence[tuple[str, Path]], stems: Sequence[tuple[str, str, StreamName]]) -> Iterator[Day]:
    """All days of these streams (folder, camera, stream) on these volumes, a stream after the other, by time."""
    for stem, camera, stream in stems:
        found: dict[str, list[tuple[str, Path]]] = {}
        for volume, root in roots:
            for day in _days(root, stem):
                found.setdefault(day, []).append((volume, root))
        for day in sorted(found):
            yield Day(camera, stream, day, tuple(found[day]))


def _days(root: Path, stem: str) -> Iterator[str]:
    level = [stem] if (root / stem).is_dir() else []
    for digits in (4, 2, 2):
        level = [
            f"{folder}/{name}"
            for folder in level
            for name in sorted(_folders(root / folder))
            if len(name) == digits and name.isdecimal()
        ]
    yield from level


def _folders(folder: Path) -> list[str]:
    with disk_errors(folder, "list"), os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def start_of(path: str) -> int:
    """When the segment of a path starts; 0 when it does not say."""
    try:
        return parse_relative_path(path).start_ns
    except Rejected:
        return 0
