"""Shadows on disk: one JSON file each, written whole or not at all.

`<folder>/<thing>/classic.json` and `<folder>/<thing>/named/<name>.json`. A write is temporary file, fsync, rename,
fsync of the folder, so that what was accepted survives a kill at any moment. Knows nothing of what a shadow means.
Names come checked (`shadow_service`): none holds a slash or a dot. One process owns the folder and one thread at a
time writes it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from local.iot_core.shadow import Deleted, Shadow


class ShadowStore:
    """Reads every shadow at the start, and keeps files and memory equal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: dict[tuple[str, str | None], Shadow | Deleted] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for thing in sorted(folder.iterdir()):
            for path in sorted([*thing.glob("classic.json"), *thing.glob("named/*.json")]):
                name = None if path.parent == thing else path.stem
                self._records[thing.name, name] = _read(path)

    def load(self, thing: str, name: str | None) -> Shadow | Deleted | None:
        """Return what is known of a shadow."""
        return self._records.get((thing, name))

    def save(self, thing: str, name: str | None, record: Shadow | Deleted) -> None:
        """Keep the record; it is durable when this returns."""
        path = self._path(thing, name)
        _make_folder(path.parent)
        _write(path, record)
        self._records[thing, name] = record

    def names(self, thing: str) -> list[str]:
        """Return the names of the thing's named shadows, sorted."""
        return sorted(
            name
            for (owner, name), record in self._records.items()
            if owner == thing and name is not None and isinstance(record, Shadow)
        )

    def things(self) -> list[str]:
        """Return the things that have a shadow, sorted."""
        return sorted({thing for (thing, _), record in self._records.items() if isinstance(record, Shadow)})

    def _path(self, thing: str, name: str | None) -> Path:
        return self._folder / thing / ("classic.json" if name is None else f"named/{name}.json")


def _read(path: Path) -> Shadow | Deleted:
    try:
        record = json.loads(path.read_bytes())
        if "deleted_s" in record:
            return Deleted(record["version"], record["deleted_s"])
        return Shadow(record["version"], record["timestamp_s"], record["state"], record["metadata"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a shadow that this program wrote: {error}") from error


def _write(path: Path, record: Shadow | Deleted) -> None:
    fields = {name: getattr(record, name) for name in record.__slots__}
    part = path.with_suffix(".part")  # no reader looks at it; the next write takes its place
    with part.open("wb") as file:
        file.write(json.dumps(fields, ensure_ascii=False, allow_nan=False).encode())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents; each new one is durable in its own parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
