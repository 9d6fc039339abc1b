"""What documents were, how versions differ, and putting one back: `config history`, `config diff`, `config undo`.

All of it is read from files at the site, network or not. An undo is an edit like any other: validated, in force at
once, sent to the shadow, and in the history itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.output import format_time
from components.shared.errors import Rejected
from components.shared.runtime.config import config_folder
from components.shared.runtime.config_history import histories, read_history
from components.shared.wire.config_history import By, Entry, EntryState, MemberChange, changes_between
from components.shared.wire.json_patch import apply_patch, make_patch
from components.shared.wire.site_config import SITE
from components.shared.wire.units import WallNs

IN_FORCE, WANTED, WAITING = "in-force", "wanted", "waiting"
SHOWN_CHARS_MAX = 60
PATHS_SHOWN_MAX = 6

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One version of a document, and the members that it changed of what was in force before it."""

    document: str
    number: int
    wall_ns: int
    by: By
    state: EntryState
    version: int
    sha256: str
    changed: list[str]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions of a document, by name or number, and every member in which they differ."""

    document: str
    old: str
    new: str
    changes: list[MemberChange]


@dataclass(frozen=True, slots=True)
class Undo:
    """An edit that makes a document what it was: its patch, on which version, and what that changes."""

    document: str
    number: int
    patch: Document
    base_version: int
    changes: list[MemberChange]


def rows_of(data: Path, document: str | None) -> list[HistoryRow]:
    """The history of a document, or of all, oldest first."""
    names = [document] if document is not None else histories(data)
    found = [row for name in names for row in _rows(name, read_history(data, name))]
    return sorted(found, key=lambda row: (row.wall_ns, row.document, row.number))


def history_lines(rows: Sequence[HistoryRow]) -> list[tuple[str, ...]]:
    """The same for a table."""
    return [
        (
            row.document,
            str(row.number),
            format_time(WallNs(row.wall_ns)),
            row.by,
            row.state,
            str(row.version),
            _few(row.changed) + (f" ({row.reason})" if row.reason else ""),
        )
        for row in rows
    ]


def difference(data: Path, document: str, old: str | None, new: str | None) -> Difference:
    """Between two versions: numbers of the history, `in-force`, `wanted` (by the cloud) or `waiting` (edits).

    From `old` to what is in force when only that is named. Without names, from what is in force to what waits to be;
    when nothing does, from what was in force before.
    """
    new = new or (IN_FORCE if old else _default_new(data, document))
    if old is None:
        is_quiet = new == IN_FORCE
        old = str(_before_last(read_history(data, document), document).number) if is_quiet else IN_FORCE
    before, after = (_version(data, document, name) for name in (old, new))
    return Difference(document, old, new, changes_between(before, after))


def plan_undo(data: Path, document: str, number: int | None) -> Undo:
    """The edit that puts a version back; Rejected when there is none, or it would change nothing."""
    entries = read_history(data, document)
    entry = _before_last(entries, document) if number is None else _numbered(entries, document, number)
    if entry.state in ("refused", "removed") or entry.raw is None:
        raise Rejected(f"version {entry.number} of {document} is {entry.state}: there is no good document to put back")
    held = _held(data, document)
    current: Document = held["raw"] if held else {}
    target = entry.raw
    if document == SITE:  # which cameras there are is their own histories' matter: an old hash names what nobody has
        target = {**target, "cameras": current.get("cameras", {})}
    changes = changes_between(current, target)
    if not changes:
        raise Rejected(f"version {entry.number} of {document} is what is in force: nothing is to be undone")
    return Undo(document, entry.number, make_patch(current, target), held["version"] if held else 0, changes)


def change_lines(changes: Sequence[MemberChange]) -> list[str]:
    """Changes for people, a line each."""
    return [f"  {change.path}: {_shown(change.before)} -> {_shown(change.after)}" for change in changes]


def _rows(name: str, entries: Sequence[Entry]) -> list[HistoryRow]:
    found = []
    before: Document | None = None
    for entry in entries:
        paths = [change.path for change in changes_between(before, entry.raw)] if before is not None else []
        found.append(
            HistoryRow(
                *(name, entry.number, entry.wall_ns, entry.by, entry.state, entry.version, entry.sha256),
                changed=paths,
                reason=entry.reason,
            )
        )
        if entry.state == "in_force":
            before = entry.raw
    return found


def _before_last(entries: Sequence[Entry], document: str) -> Entry:
    """What was in force before what is; the last one for a camera that was removed."""
    kept = [entry for entry in entries if entry.state in ("in_force", "removed")]
    if kept and kept[-1].state == "removed":
        kept.pop()
        if kept:
            return kept[-1]
    if len(kept) < 2:
        raise Rejected(f"document {document} has had one version only: there is none before it")
    return next((entry for entry in reversed(kept[:-1]) if entry.state == "in_force"), kept[0])


def _numbered(entries: Sequence[Entry], document: str, number: int) -> Entry:
    for entry in entries:
        if entry.number == number:
            return entry
    raise Rejected(f"document {document} has no version {number} in its history: `./nvr config history {document}`")


def _default_new(data: Path, document: str) -> str:
    if _proposals(data, document):
        return WAITING
    return WANTED if _wanted(data, document) is not None else IN_FORCE


def _version(data: Path, document: str, name: str) -> Document:
    held = _held(data, document)
    current: Document = held["raw"] if held else {}
    if name == IN_FORCE:
        return current
    if name == WAITING:
        for changes in _proposals(data, document):
            current = apply_patch(current, changes)
        return current
    if name == WANTED:
        wanted = _wanted(data, document)
        return current if wanted is None or wanted.raw is None else wanted.raw
    if not name.isdecimal():
        raise Rejected(f"{name!r} is no version: a number of `config history`, in-force, wanted or waiting was due")
    return _numbered(read_history(data, document), document, int(name)).raw or {}


def _wanted(data: Path, document: str) -> Entry | None:
    """What the cloud wants and the site has not put in force, if that is so."""
    state = (_read(config_folder(data) / "report.json") or {}).get(document, {})
    if state.get("state") not in ("refused", "pending"):
        return None
    entries = reversed(read_history(data, document))
    return next((entry for entry in entries if entry.sha256 == state.get("sha256") and entry.raw is not None), None)


def _proposals(data: Path, document: str) -> list[Document]:
    """The edits of a document that nobody has taken yet, in order."""
    folder = config_folder(data) / "proposals"
    paths = [path for path in folder.glob("[!.]*.json") if not path.name.endswith(".answer.json")]
    found = [_read(path) for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]
    return [body["changes"] for body in found if body and body.get("document") == document]


def _held(data: Path, document: str) -> Document | None:
    return _read(config_folder(data) / f"{document}.json")


def _read(path: Path) -> Document | None:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Rejected(f"{path} is damaged ({error})") from error
    return content if isinstance(content, dict) else None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"


def _few(paths: Sequence[str]) -> str:
    more = len(paths) - PATHS_SHOWN_MAX
    return ", ".join(paths[:PATHS_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
