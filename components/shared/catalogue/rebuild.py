"""Makes capture.db again from the files of its volumes, when it is lost, damaged or wrong.

The files' trailers say whose they are and when they happened. What the trailers cannot say is marked as such: rows are
`unverified` until somebody has hashed their files (`verify`), and what no file covers is a gap with the cause
`unknown`, because the ledger of gaps is gone. Files that have no trailer, or one that does not fit, are read, repaired,
adopted or moved aside as start-up does with strays, when the rest is in place.

The new file is made beside the old one and put in its place when it is complete; the old one is set aside, never
deleted. Broken off before that, nothing has changed; broken off after it, Capture's next start goes on. It refuses
while Capture writes. Where two files of a stream overlap, the earlier one ends where the later one begins.
"""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from components.shared.catalogue import capture_rows as rows
from components.shared.catalogue import roll_ups
from components.shared.catalogue.bulk import Filling, filling
from components.shared.catalogue.capture import CaptureReader, CaptureWriter, RunRow, Volume
from components.shared.catalogue.damage import set_aside
from components.shared.catalogue.database import FOLDER, Value, catalogue_path, writers_lock
from components.shared.catalogue.rebuild_files import (
    END,
    PATH,
    SEQUENCE,
    START,
    VOLUME,
    Day,
    DayRows,
    days_of,
    joined,
    read_day,
    start_of,
)
from components.shared.catalogue.reconcile import Repair, adopt_strays
from components.shared.catalogue.strays import Stray, stems_of
from components.shared.catalogue.volumes import (
    Marker,
    absence,
    data_root_id,
    identify_volumes,
    read_marker,
    write_marker,
)
from components.shared.errors import NvrError, Rejected
from components.shared.runtime.files import Step, disk_errors, no_step, sync_folder
from components.shared.wire.object_keys import StreamName

BUILDING = "rebuilding"
"""Folder beside the catalogues in which the new file is made."""

DAYS_AHEAD = 16
"""Days of streams that are read while one is written: enough for the readers never to wait, some thousand rows."""

BATCH_ROWS = 5_000
SAY_ROWS = 50_000

_COLUMNS = len(rows.SEGMENT_COLUMNS.split(","))
_INSERT = f"INSERT INTO segment ({rows.SEGMENT_COLUMNS}) VALUES ({', '.join('?' * _COLUMNS)})"
_INSERT_GAP = f"INSERT INTO gap ({rows.GAP_COLUMNS}) VALUES (?, ?, ?, ?, 'unknown', 'the catalogue was rebuilt')"
_INSERT_RUN = f"INSERT INTO run ({rows.RUN_COLUMNS}) VALUES ({rows.RUN_MARKS})"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it: rows from trailers, and what the thorough look did with each other file (`repairs`)."""

    volumes: tuple[str, ...]
    streams: int
    segments: int
    size_bytes: int
    gaps: int
    repairs: tuple[Repair, ...]
    set_aside: str | None


@dataclass(slots=True)
class _Tally:
    sequence: int
    segments: int = 0
    size_bytes: int = 0
    gaps: int = 0
    streams: set[tuple[str, StreamName]] = field(default_factory=set)
    runs: dict[str, RunRow] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


def known_volumes(data: Path) -> list[Volume]:
    """The volumes of the catalogue that is there; none where it cannot be read."""
    try:
        reader = CaptureReader.open(data)
    except NvrError:
        return []
    try:
        return reader.volumes()
    except NvrError:
        return []
    finally:
        reader.close()


def rebuild(
    data: Path,
    volumes: Sequence[Volume],
    say: Callable[[str], None] = lambda _text: None,
    processes: int = 0,
    take_over: bool = False,
    step: Step = no_step,
) -> Rebuilt:
    """Makes the catalogue of a data root anew from all files of these volumes; with 0 processes in this one.

    `take_over` makes volumes of another data root this one's. Transient while Capture writes or a disk fails, Rejected
    for a volume that is not there.
    """
    data_root = data_root_id(data)
    for volume in volumes:
        _check(volume, data_root, take_over)
    building = data / FOLDER / BUILDING
    path, made = catalogue_path(data, "capture"), catalogue_path(building, "capture")
    with writers_lock(data, "capture"):
        _remove(building)
        tally = _make(data, building, volumes, say, processes)
        _take_over(volumes, data_root)
        aside = set_aside(path, step) if path.exists() else None
        with disk_errors(path, "put in place"):
            step("before put in place")
            made.rename(path)
            step("after put in place")
        sync_folder(path.parent, step)
        _remove(building)
    repairs = _look_thoroughly(data, tally.left, say)
    names = tuple(volume.volume for volume in volumes)
    told = None if aside is None else str(aside)
    return Rebuilt(names, len(tally.streams), tally.segments, tally.size_bytes, tally.gaps, repairs, told)


def _check(volume: Volume, data_root: str, take_over: bool) -> None:
    rows.check_volume(volume)
    absent = absence(volume)
    if absent is not None:
        raise Rejected(f"{absent}: mount it, or name the volumes that are to be used")
    marker = read_marker(volume.root)
    if marker is None or take_over:
        return
    if marker.volume != volume.volume:
        raise Rejected(f"volume {volume.volume}: {volume.root} says that it is volume {marker.volume!r}")
    if marker.data_root != data_root:
        raise Rejected(f"volume {volume.volume}: {volume.root} is of another site or of a lost data root: --take-over")


def _take_over(volumes: Iterable[Volume], data_root: str) -> None:
    for volume in volumes:
        marker = read_marker(volume.root)
        if marker is not None and (marker.volume, marker.data_root) != (volume.volume, data_root):
            write_marker(volume.root, Marker(marker.identity, volume.volume, data_root))


def _remove(building: Path) -> None:
    with disk_errors(building, "remove"):
        if building.exists():
            shutil.rmtree(building)


def _make(data: Path, building: Path, volumes: Sequence[Volume], say: Callable[[str], None], processes: int) -> _Tally:
    """The new file, complete but for the files that need a thorough look."""
    writer = CaptureWriter.open(data, building)
    try:
        for volume in volumes:
            writer.register_volume(volume)
        tally = _Tally(writer.last_sequence())
    finally:
        writer.close()
    roots = [(volume.volume, volume.root) for volume in volumes]
    stems = sorted({stem for volume in volumes for stem in stems_of(volume.root)})
    with filling(catalogue_path(building, "capture"), ("segment", "gap", "run"), partial(_finish, tally, say)) as fill:
        _fill(fill, tally, _read_days(days_of(roots, stems), processes), say)
        fill.many(_INSERT_RUN, (rows.run_values(run) for run in tally.runs.values()))
    return tally


def _finish(tally: _Tally, say: Callable[[str], None], fill: Filling) -> None:
    for name in ("sequence", "unverified_until"):
        fill.do("UPDATE counter SET value = ? WHERE name = ?", tally.sequence, name)
    say("counting hours and days")
    for camera, stream in sorted(tally.streams):
        for span in roll_ups.recount_spans(fill.do, camera, stream):
            roll_ups.recount(fill.do, camera, stream, span)


def _read_days(days: Iterator[Day], processes: int) -> Iterator[DayRows]:
    """The days in their order, read by so many processes."""
    if not processes:
        yield from map(read_day, days)
        return
    # Not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        waiting: deque[Future[DayRows]] = deque()
        for day in days:
            waiting.append(pool.submit(read_day, day))
            if len(waiting) >= DAYS_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _fill(fill: Filling, tally: _Tally, days: Iterable[DayRows], say: Callable[[str], None]) -> None:
    batch: list[list[Value]] = []
    last: list[Value] | None = None
    stream: tuple[str, StreamName] | None = None
    for found in days:
        if stream != (found.day.camera, found.day.stream):
            stream, last = (found.day.camera, found.day.stream), None
        for name, run in found.runs.items():
            known = tally.runs.get(name)
            tally.runs[name] = run if known is None else joined(known, run)
        tally.left += found.left
        for row in found.rows:
            if last is not None and not _follow(fill, tally, last, row):
                tally.left.append((str(row[VOLUME]), str(row[PATH])))
                continue
            tally.streams.add(stream)
            tally.sequence += 1
            tally.segments += 1
            row[SEQUENCE] = tally.sequence
            last = row
            batch.append(row)
            if tally.segments % SAY_ROWS == 0:
                say(f"{tally.segments} files")
        # The last row may have to end earlier still.
        if len(batch) > BATCH_ROWS:
            fill.many(_INSERT, batch[:-1])
            del batch[:-1]
    fill.many(_INSERT, batch)
    (tally.size_bytes,) = fill.do("SELECT coalesce(sum(size_bytes), 0) FROM segment")[0]


def _follow(fill: Filling, tally: _Tally, last: list[Value], row: list[Value]) -> bool:
    """Lets a row follow the last one of its stream: with a gap, touching, or by its giving way. False: no room."""
    end, start = last[END], row[START]
    assert isinstance(end, int) and isinstance(start, int), "both are closed"
    if start == last[START]:
        return False
    if end > start:
        last[END] = start
    elif end < start:
        fill.many(_INSERT_GAP, [(row[1], row[2], end, start)])
        tally.gaps += 1
    return True


def _look_thoroughly(data: Path, left: Sequence[tuple[str, str]], say: Callable[[str], None]) -> tuple[Repair, ...]:
    """Adopts or moves aside what has no trailer that proves it; also gives the volumes their identities."""
    writer = CaptureWriter.open(data)
    try:
        identify_volumes(writer)
        if left:
            say(f"{len(left)} files are read as a whole")
        strays = sorted(Stray(start_of(path), volume, path) for volume, path in left)
        return tuple(adopt_strays(writer, strays))
    finally:
        writer.close()


def default_processes() -> int:
    """As many as there are processors, of which this process needs one itself."""
    return max(1, min(4, (os.cpu_count() or 1)))
