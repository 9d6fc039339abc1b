"""The documents' histories: `<data>/config/history/<document>.json`, written by SiteConfig, read by commands.

A file appears whole or not at all, and is never needed for anything to be in force.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.shared.errors import Rejected
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step, remove_durably, write_durably
from components.shared.wire.codec import describe_faults
from components.shared.wire.config_history import HISTORY_BYTES_MAX, Entry

FILE_BYTES_MAX = 4 * HISTORY_BYTES_MAX
"""Entries as they lie in the file, names and numbers included; a longer file is not one of ours."""

_SUFFIX = ".json"


def history_folder(data: Path) -> Path:
    """Where the histories lie."""
    return config_folder(data) / "history"


def read_history(data: Path, document: str) -> tuple[Entry, ...]:
    """The entries of a document, oldest first; none where none are kept. Rejected when the file is damaged."""
    path = _path(data, document)
    with disk_errors(path, "read"):
        try:
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return ()
    if len(content) > FILE_BYTES_MAX:
        raise Rejected(f"history of {document}: its file is longer than {FILE_BYTES_MAX} bytes")
    try:
        return _ADAPTER.validate_json(content)
    except ValidationError as error:
        raise Rejected(f"history of {document}: its file is damaged: {describe_faults(error)}") from error


def write_history(data: Path, document: str, entries: Sequence[Entry], step: Step = no_step) -> None:
    """Make these the entries of a document, durably."""
    path = _path(data, document)
    make_folders(path.parent, step)
    content = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False).encode()
    write_durably(path, content + b"\n", step=step)


def set_history_aside(data: Path, document: str) -> None:
    """Keep a damaged history under another name, for people."""
    path = _path(data, document)
    with disk_errors(path, "set aside"):
        path.rename(path.with_suffix(".damaged"))


def histories(data: Path) -> list[str]:
    """The documents that have a history, the one that changed last first."""
    folder = history_folder(data)
    with disk_errors(folder, "list"):
        if not folder.is_dir():
            return []
        found = [path for path in folder.glob("*" + _SUFFIX) if not path.name.startswith(".")]
        return [path.stem for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def remove_history(data: Path, document: str) -> None:
    """Forget what a document was."""
    remove_durably(_path(data, document))


def _path(data: Path, document: str) -> Path:
    return history_folder(data) / (document + _SUFFIX)


_ADAPTER: TypeAdapter[tuple[Entry, ...]] = TypeAdapter(tuple[Entry, ...])
