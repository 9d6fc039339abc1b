"""The last good configuration documents: `<data>/config/<document>.json`, written by SiteConfig, read by all.

A file is `{"document", "version", "sha256", "raw", "written_wall_ns"}`, where a document is `site` or `camera-<id>`.
Readers need nothing but these files: offline, at start, always. A file that does not parse, does not match its hash
or is not valid is a fault with a text; whoever already had a good one goes on with that.

A camera exists if and only if the site document names it and its own document was good at least once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import disk_errors, make_folders, remove_durably, write_durably
from components.shared.wire.codec import describe_faults
from components.shared.wire.site_config import (
    SITE,
    CameraDocument,
    Parsed,
    SiteDocument,
    camera_of_shadow,
    camera_shadow,
    document_sha256,
    parse_camera,
    parse_site,
)

FILE_BYTES_MAX = 65_536
"""Eight times the largest document; a longer file is not one of ours."""

_SUFFIX = ".json"

DocumentT = TypeVar("DocumentT", SiteDocument, CameraDocument)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[DocumentT]):
    """A good document as it lies on the disk. `ignored` names the keys of a newer schema that this release left out."""

    document: DocumentT
    raw: dict[str, object]
    version: int
    sha256: str
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All good documents at one time, and what is wrong with the others (document name to text)."""

    site: Loaded[SiteDocument]
    cameras: dict[str, Loaded[CameraDocument]]
    faults: dict[str, str] = field(default_factory=dict)


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    document: str
    version: int = Field(ge=0)
    sha256: str
    raw: dict[str, object]


def config_folder(data: Path) -> Path:
    """Where the last good documents lie."""
    return data / "config"


def write_document(data: Path, name: str, raw: dict[str, object], version: int, clock: Clock) -> str:
    """Put a document in force for all readers, durably; its hash. One that is not valid is Rejected, unwritten."""
    _parse(name, raw)
    sha256 = document_sha256(raw)
    content = {
        "document": name,
        "version": version,
        "sha256": sha256,
        "raw": raw,
        "written_wall_ns": clock.wall_ns(),
    }
    folder = config_folder(data)
    make_folders(folder)
    write_durably(folder / (name + _SUFFIX), json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n")
    return sha256


def remove_document(data: Path, name: str) -> bool:
    """Take a document out of force, durably; whether it was there."""
    folder = config_folder(data)
    return folder.is_dir() and remove_durably(folder / (name + _SUFFIX))


def read_snapshot(data: Path, previous: Snapshot | None = None) -> Snapshot | None:
    """All good documents; None when there is no site document yet.

    Of a document that is bad now, the one in `previous` stays. A bad site document without a previous one is Rejected.
    """
    folder = config_folder(data)
    faults: dict[str, str] = {}
    site = _load(folder, SITE, parse_site, previous.site if previous else None, faults)
    if site is None:
        if SITE in faults:
            raise Rejected(faults[SITE])
        return None
    cameras: dict[str, Loaded[CameraDocument]] = {}
    for camera in sorted(site.document.cameras):
        name = camera_shadow(camera)

        def parse(raw: object, camera: str = camera) -> Parsed[CameraDocument]:
            return parse_camera(camera, raw)

        loaded = _load(folder, name, parse, previous.cameras.get(camera) if previous else None, faults)
        if loaded is not None:
            cameras[camera] = loaded
        elif name not in faults:
            faults[name] = f"document {name}: the site names this camera, but the document is not there"
    return Snapshot(site, cameras, faults)


class ConfigWatcher:
    """Notices when a document changed, by the folder's listing alone: cheap enough for every few hundred ms.

    Not thread-safe: each task that needs the configuration has its own.
    """

    def __init__(self, data: Path, clock: Clock) -> None:
        self._data = data
        self._clock = clock
        self._seen: frozenset[tuple[str, int, int, int]] | None = None
        self._snapshot: Snapshot | None = None
        self._site_fault: str | None = None
        self._read_wall_ns: int | None = None

    @property
    def site_fault(self) -> str | None:
        """Why there is no snapshot although there is a site document; None when all is well or nothing is there."""
        return self._site_fault

    @property
    def read_wall_ns(self) -> int | None:
        """When the documents were last read, for people."""
        return self._read_wall_ns

    def poll(self) -> Snapshot | None:
        """A new snapshot when something changed since the last call, and at the first; else None.

        Transient when the folder cannot be read.
        """
        seen = self._look()
        if seen == self._seen:
            return None
        try:
            snapshot = read_snapshot(self._data, self._snapshot)
            self._site_fault = None
        except Rejected as error:
            snapshot = None
            self._site_fault = str(error)
        self._seen = seen  # only now: a Transient above is read again at the next call
        self._read_wall_ns = self._clock.wall_ns()
        if snapshot is None or snapshot == self._snapshot:
            return None
        self._snapshot = snapshot
        return snapshot

    def _look(self) -> frozenset[tuple[str, int, int, int]]:
        folder = config_folder(self._data)
        with disk_errors(folder, "list"):
            if not folder.is_dir():
                return frozenset()
            found = []
            for entry in os.scandir(folder):
                if entry.name.endswith(_SUFFIX):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # removed since the listing: the next call sees that
                        continue
                    found.append((entry.name, status.st_ino, status.st_mtime_ns, status.st_size))
        return frozenset(found)


def _load(
    folder: Path,
    name: str,
    parse: Callable[[object], Parsed[DocumentT]],
    previous: Loaded[DocumentT] | None,
    faults: dict[str, str],
) -> Loaded[DocumentT] | None:
    try:
        loaded = _read(folder / (name + _SUFFIX), name, parse)
    except Rejected as error:
        faults[name] = str(error)
        return previous
    if loaded is None and previous is not None and name == SITE:
        faults[name] = f"document {name}: it was there and is gone"
        return previous
    return loaded


def _read(path: Path, name: str, parse: Callable[[object], Parsed[DocumentT]]) -> Loaded[DocumentT] | None:
    with disk_errors(path, "read"):
        try:
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
    if len(content) > FILE_BYTES_MAX:
        raise Rejected(f"document {name}: its file is longer than {FILE_BYTES_MAX} bytes")
    try:
        held = _File.model_validate_json(content)
    except ValidationError as error:
        raise Rejected(f"document {name}: its file is damaged: {describe_faults(error)}") from error
    if held.document != name:
        raise Rejected(f"document {name}: its file holds document {held.document!r}")
    if document_sha256(held.raw) != held.sha256:
        raise Rejected(f"document {name}: its file does not match its hash")
    parsed = parse(held.raw)
    return Loaded(parsed.document, held.raw, held.version, held.sha256, parsed.ignored)


def _parse(name: str, raw: object) -> None:
    """Rejected when the document is not valid or not one of those that are kept in files."""
    camera = camera_of_shadow(name)
    if name == SITE:
        parse_site(raw)
    elif camera is not None:
        parse_camera(camera, raw)
    else:
        raise Rejected(f"document {name!r} is neither the site nor a camera")
