"""What a document was, version by version: who changed it, when, what became of that; bounded.

An entry is a document that came in force, or wanted to: `in_force`; `refused` and `pending` for what the cloud wanted
and the site did not put in force; `lost` for an edit made at the site that gave way to the cloud, whole, so that it can
be had back; `removed` when the site named the camera no more. A refused or pending entry goes when its document comes
in force after all, or is told again.

Numbers grow by one per document and are never used again. Pure: whoever keeps a history reads and writes it elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from components.shared.wire.json_patch import same
from components.shared.wire.site_config import canonical_json

By = Literal["cloud", "site"]
EntryState = Literal["in_force", "refused", "pending", "lost", "removed"]

KEPT_MAX: Mapping[str, int] = {"in_force": 50, "lost": 20, "refused": 10}
"""So many entries of a kind per document: a site that is changed every day can be put back by a month and more."""

HISTORY_BYTES_MAX = 262_144
"""Of all entries of a document, in JSON: forty of the largest; the oldest go first."""

_KIND: Mapping[EntryState, str] = {
    "in_force": "in_force",
    "removed": "in_force",
    "lost": "lost",
    "refused": "refused",
    "pending": "refused",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """See the module. `edits` are the proposals in it; `raw` is None for a camera that was removed."""

    number: int
    wall_ns: int
    by: By
    state: EntryState
    version: int
    sha256: str
    raw: dict[str, Any] | None
    edits: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A member that differs between two documents; `before` or `after` is None where it is not there."""

    path: str
    before: Any
    after: Any


def with_entry(entries: Sequence[Entry], new: Entry) -> tuple[Entry, ...]:
    """The history with a new entry, whose number is set here; the same one if it says nothing new."""
    kind = _KIND[new.state]
    last = next((entry for entry in reversed(entries) if _KIND[entry.state] == kind), None)
    if last is not None and _says(last) == _says(new):
        return tuple(entries)
    number = max((entry.number for entry in entries), default=0) + 1
    left = [entry for entry in entries if _KIND[entry.state] != "refused" or entry.sha256 != new.sha256]
    return _bounded([*left, replace(new, number=number)])


def newest_in_force(entries: Sequence[Entry]) -> Entry | None:
    """What was last in force, or the camera's removal; None for a document that never was."""
    return next((entry for entry in reversed(entries) if _KIND[entry.state] == "in_force"), None)


def changes_between(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[MemberChange]:
    """Every member in which two documents differ, by its path, in order."""
    return sorted(_changes(before or {}, after or {}, ""), key=lambda change: change.path)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> list[MemberChange]:
    found: list[MemberChange] = []
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += _changes(was, now, f"{path}{name}.")
        elif name not in before or name not in after or not same(was, now):
            found.append(MemberChange(f"{path}{name}", was, now))
    return found


def _says(entry: Entry) -> tuple[object, ...]:
    if _KIND[entry.state] == "in_force":
        return (entry.state, entry.sha256)
    return (entry.state, entry.sha256, entry.edits, entry.reason)


def _bounded(entries: list[Entry]) -> tuple[Entry, ...]:
    """Within all limits, the newest of each kind first; the newest of all always stays."""
    counts = dict.fromkeys(KEPT_MAX, 0)
    room_bytes = HISTORY_BYTES_MAX
    kept: list[Entry] = []
    for entry in reversed(entries):
        kind = _KIND[entry.state]
        length = len(canonical_json(entry.raw)) + len(entry.reason or "")
        if kept and (counts[kind] >= KEPT_MAX[kind] or length > room_bytes):
            continue
        counts[kind] += 1
        room_bytes -= length
        kept.append(entry)
    return tuple(reversed(kept))
