"""Finds segment files that no row knows, and moves aside what cannot be adopted.

Only the folders of hours are listed, `{stream}/{yyyy}/{mm}/{dd}/{hh}`, and of them only those that can hold a stray
(see `reconcile`). Files are listed before their rows are asked for: a row is there before its file, so that a file
that is being recorded is never taken for a stray.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader, Volume
from components.shared.errors import Rejected, Transient
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step, sync_folder
from components.shared.wire.object_keys import StreamName, parse_relative_path
from components.shared.wire.units import to_datetime

QUARANTINE = "quarantine"
"""Folder of a volume for files that cannot be read or belong nowhere. Nobody deletes there but people."""

NAMES_MAX = 1_000
"""Files of one name in quarantine: more than that is a disk that somebody must look at."""

SUFFIX = ".mp4"

_STEM = re.compile(r"([a-z0-9-]{1,32})(~sub)?")
_LEVELS = tuple(re.compile(rf"\d{{{digits}}}") for digits in (4, 2, 2, 2))  # year, month, day, hour
_BEFORE_ALL = -(2**62)


@dataclass(frozen=True, slots=True, order=True)
class Stray:
    """A file that no row knew when it was listed; ordered by time. One whose name tells no time comes first."""

    start_ns: int
    volume: str
    path: str


def strays_of(reader: CaptureReader, volume: Volume, everything: bool) -> list[Stray]:
    """The strays of a volume, in no order; with `everything` from all folders."""
    garbage = {row.path for row in reader.garbage() if row.volume == volume.volume}
    strays = []
    for stem, camera, stream in stems_of(volume.root):
        newest_ns = None if everything else reader.newest_start_ns(camera, stream, volume.volume)
        since = () if newest_ns is None else hour_folders(newest_ns)
        paths = [f"{stem}/{path}" for path in _files(volume.root / stem, since)]
        known = reader.known_paths(camera, stream, volume.volume, newest_ns)
        strays += [
            Stray(_start_ns(path), volume.volume, path) for path in paths if path not in known and path not in garbage
        ]
    return strays


def move_aside(root: Path, path: Path, step: Step = no_step) -> Path:
    """Moves a file into its volume's quarantine under a name that is free, for good; gives the new place."""
    folder = root / QUARANTINE
    make_folders(folder, step)
    with disk_errors(path, "move aside"):
        for number in range(NAMES_MAX):
            target = folder / (path.name if number == 0 else f"{path.name}.{number}")
            if not target.exists():
                break
        else:
            raise Transient(f"{folder} has {NAMES_MAX} files named {path.name}: move them away")
        step("before move")
        path.rename(target)
        step("after move")
    sync_folder(folder, step)
    sync_folder(path.parent, step)
    return target


def hour_folders(wall_ns: int) -> tuple[str, ...]:
    """The folders of a wall time below its stream's: year, month, day, hour."""
    return tuple(f"{to_datetime(wall_ns):%Y %m %d %H}".split())


def stems_of(root: Path) -> Iterator[tuple[str, str, StreamName]]:
    """The folders of streams on a volume, with their camera and stream."""
    for stem in _folders(root, _STEM):
        stream: StreamName = "sub" if stem.endswith("~sub") else "main"
        yield stem, stem.removesuffix("~sub"), stream


def _files(folder: Path, since: tuple[str, ...], level: int = 0) -> Iterator[str]:
    """The segment files below a stream's folder, from the hour `since` on (empty: all), relative to it."""
    if level == len(_LEVELS):
        with disk_errors(folder, "list"), os.scandir(folder) as entries:
            files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        yield from (name for name in files if name.endswith(SUFFIX))
        return
    for name in _folders(folder, _LEVELS[level]):
        if since and name < since[0]:
            continue
        # Below a later year every month counts; below the same one the comparison goes on.
        rest = since[1:] if since and name == since[0] else ()
        for path in _files(folder / name, rest, level + 1):
            yield f"{name}/{path}"


def _folders(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    with disk_errors(folder, "list"):
        try:
            with os.scandir(folder) as entries:
                found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
    return sorted(name for name in found if pattern.fullmatch(name))


def _start_ns(path: str) -> int:
    try:
        return parse_relative_path(path).start_ns
    except Rejected:
        return _BEFORE_ALL
