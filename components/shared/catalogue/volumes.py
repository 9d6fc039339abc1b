"""Whether a volume's disk is there, and is the one that it should be.

A volume has an identity: a marker at its root, and the same id in capture.db. A root that is empty, holds no marker or
another one is a disk that is not mounted, or the wrong one: nothing is recorded to it, adopted from it or deleted on
its behalf. `absence` asks the disk alone, one small read, as often as one likes: a disk may be taken away at any time.

`identify_volumes` gives a volume its identity, at start-up: a new one, and one of the release before when it plainly
is the right one, because files of its newest rows are there. The marker is written first and the row after it: a start
that is broken off between them finds its own marker, by the id of the data root in it. That id is in a file of its own
beside the catalogues, so that a lost catalogue does not make strangers of its volumes.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.shared.catalogue.capture import CaptureReader, CaptureWriter, Volume
from components.shared.catalogue.database import FOLDER
from components.shared.errors import NvrError, Rejected, Transient
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step, write_durably

MARKER = ".edgenvr-volume"
"""At the root of a volume."""

DATA_ROOT = "data-root"
"""Beside the catalogues: the random id of the data root."""

MARKER_BYTES_MAX = 4_096
"""A marker has some 150 bytes."""

SAMPLE_FILES = 8
"""Of so many of the newest rows at least one must have its file: a crash, a hand or a deletion may have taken some."""

ID_BYTES = 16

What = Literal["identified", "not_there"]


@dataclass(frozen=True, slots=True)
class Marker:
    """What is written at a volume's root: its id, its name, and the data root that it belongs to."""

    identity: str
    volume: str
    data_root: str


@dataclass(frozen=True, slots=True)
class VolumeNote:
    """What start-up found of a volume that is to be told."""

    what: What
    volume: str
    detail: str


def new_id() -> str:
    """A random id."""
    return secrets.token_hex(ID_BYTES)


def absence(volume: Volume) -> str | None:
    """Why a volume may not be used now, as a sentence; None when it is the one. Asks the disk with one small read.

    One without an identity is only looked for.
    """
    where = f"volume {volume.volume} is not there"
    try:
        if volume.identity is None:
            return None if volume.root.is_dir() else f"{where}: there is no folder {volume.root}"
        marker = read_marker(volume.root)
        if marker is not None and marker.identity == volume.identity:
            return None
        if marker is not None:
            return f"{where}: {volume.root} is another volume, {marker.volume!r} with the id {marker.identity}"
        if not volume.root.is_dir():
            return f"{where}: there is no folder {volume.root}"
        if _is_empty(volume.root):
            return f"{where}: {volume.root} is empty, its disk is not mounted"
    except (OSError, NvrError) as error:
        return f"{where}: {error}"
    return f"{where}: {volume.root} has no marker {MARKER}, it is another disk"


def absence_of(reader: CaptureReader, volume: Volume) -> str | None:
    """The same, asking also the rows: an empty root of a volume without an identity that should hold footage."""
    absent = absence(volume)
    if volume.identity is not None:
        return absent
    try:
        if not _is_empty(volume.root):
            return absent
    except NvrError as error:
        return f"volume {volume.volume} is not there: {error}"
    if reader.has_footage(volume.volume):
        return f"volume {volume.volume} is not there: {volume.root} is empty, its rows are not"
    return None


def identify_volumes(
    writer: CaptureWriter, make_id: Callable[[], str] = new_id, step: Step = no_step
) -> list[VolumeNote]:
    """Gives every volume that has none its identity, if it is plainly there; tells which, and which are not there."""
    notes = []
    data_root = ""
    for volume in writer.volumes():
        try:
            data_root = data_root or data_root_id(writer.data, make_id, step)
            note = _identify(writer, volume, data_root, make_id, step)
        except Transient as error:
            note = VolumeNote("not_there", volume.volume, f"volume {volume.volume} cannot be marked: {error}")
        if note is not None:
            notes.append(note)
    return notes


def disk_watch(writer: CaptureWriter, name: str, make_id: Callable[[], str] = new_id) -> Callable[[], str | None]:
    """The question "is this volume still the one?", to be asked every second: None, or the sentence why it is not.

    One read of the marker. A volume that could not be identified at start-up is, as soon as its disk is plainly there.
    """
    known: list[Volume] = []

    def absent() -> str | None:
        if known:
            return absence(known[0])
        try:
            told = _identified(writer, name, make_id)
            if isinstance(told, str):
                return told
        except NvrError as error:
            return f"volume {name} cannot be identified: {error}"
        known.append(told)
        return absence(told)

    return absent


def _identified(writer: CaptureWriter, name: str, make_id: Callable[[], str]) -> Volume | str:
    """The volume with its identity, given to it now if need be; or why it has none."""

    def found() -> Volume:
        return next(volume for volume in writer.volumes() if volume.volume == name)

    volume = found()
    if volume.identity is None:
        note = _identify(writer, volume, data_root_id(writer.data, make_id), make_id, no_step)
        if note is not None and note.what == "not_there":
            return note.detail
        volume = found()
    return volume


def accept_volume(reader: CaptureReader, name: str, step: Step = no_step) -> Volume:
    """Makes what is at a volume's root the volume, by writing its marker there: for a disk that was replaced.

    Rejected for a volume that is not registered, has no identity, or whose root is the root of another one.
    """
    volume = next((volume for volume in reader.volumes() if volume.volume == name), None)
    if volume is None or volume.identity is None:
        raise Rejected(f"volume {name!r} is not known, or has no identity yet: start Capture first")
    if not volume.root.is_dir():
        raise Rejected(f"volume {name}: there is no folder {volume.root}: mount its disk first")
    marker = read_marker(volume.root)
    data_root = data_root_id(reader.data, new_id, step)
    if marker is not None and marker.identity != volume.identity:
        raise Rejected(
            f"volume {name}: {volume.root} is volume {marker.volume!r} with the id {marker.identity}: "
            f"remove {volume.root / MARKER} first if that one is given up"
        )
    write_marker(volume.root, Marker(volume.identity, name, data_root), step)
    return volume


def data_root_id(data: Path, make_id: Callable[[], str] = new_id, step: Step = no_step) -> str:
    """The id of a data root; it is made when there is none."""
    path = data / FOLDER / DATA_ROOT
    with disk_errors(path, "read"):
        try:
            known = path.read_text(errors="replace").strip()
        except FileNotFoundError:
            known = ""
    if known:
        return known
    made = make_id()
    make_folders(path.parent, step)
    write_durably(path, f"{made}\n".encode(), step=step)
    return made


def read_marker(root: Path) -> Marker | None:
    """The marker at a root; None without one. Rejected when it cannot be understood."""
    path = root / MARKER
    with disk_errors(path, "read"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            content = os.read(descriptor, MARKER_BYTES_MAX)
        finally:
            os.close(descriptor)
    try:
        fields = json.loads(content)
        marker = Marker(fields["identity"], fields["volume"], fields["data_root"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected(f"the marker {path} cannot be understood: {error}") from error
    if not all(isinstance(value, str) and value for value in (marker.identity, marker.volume, marker.data_root)):
        raise Rejected(f"the marker {path} cannot be understood: its fields are not text")
    return marker


def write_marker(root: Path, marker: Marker, step: Step = no_step) -> None:
    """Writes the marker at a root for good."""
    fields = {"v": 1, "identity": marker.identity, "volume": marker.volume, "data_root": marker.data_root}
    write_durably(root / MARKER, json.dumps(fields).encode() + b"\n", step=step)


def _identify(
    writer: CaptureWriter, volume: Volume, data_root: str, make_id: Callable[[], str], step: Step
) -> VolumeNote | None:
    absent = absence_of(writer, volume)
    try:
        marker = read_marker(volume.root)
    except Rejected as error:
        marker, absent = None, f"volume {volume.volume} is not there: {error}"
    if volume.identity is not None:
        # Its marker was lost, with a copy perhaps: it is given again where the files say which volume it is.
        if absent is None or marker is not None or not _has_its_files(writer, volume):
            return None if absent is None else VolumeNote("not_there", volume.volume, absent)
        write_marker(volume.root, Marker(volume.identity, volume.volume, data_root), step)
        return VolumeNote("identified", volume.volume, f"the marker at {volume.root} was missing; its files are there")
    if absent is None:
        absent = _strangeness(writer, volume, marker, data_root)
    if absent is not None:
        return VolumeNote("not_there", volume.volume, absent)
    if marker is None:
        marker = Marker(make_id(), volume.volume, data_root)
        write_marker(volume.root, marker, step)
    step("before identify")
    writer.set_identity(volume.volume, marker.identity)
    step("after identify")
    return VolumeNote("identified", volume.volume, f"{volume.root} has the id {marker.identity}")


def _strangeness(reader: CaptureReader, volume: Volume, marker: Marker | None, data_root: str) -> str | None:
    """Why what is at the root of a volume without an identity is not plainly this volume; None when it is."""
    where = f"volume {volume.volume} is not there"
    if marker is None:
        if reader.has_footage(volume.volume) and not _has_its_files(reader, volume):
            return f"{where}: {volume.root} holds none of the files of its newest rows"
        return None
    if marker.data_root != data_root:
        return f"{where}: {volume.root} is volume {marker.volume!r} of another site or of a lost data root"
    if marker.volume != volume.volume:
        return f"{where}: {volume.root} is volume {marker.volume!r} of this site"
    return None


def _has_its_files(reader: CaptureReader, volume: Volume) -> bool:
    for path, size_bytes in reader.newest_files(volume.volume, SAMPLE_FILES):
        with disk_errors(volume.root / path, "look at"):
            try:
                if (volume.root / path).stat().st_size == size_bytes:
                    return True
            except (FileNotFoundError, NotADirectoryError):
                continue
    return False


def _is_empty(root: Path) -> bool:
    with disk_errors(root, "list"):
        try:
            with os.scandir(root) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            return True
