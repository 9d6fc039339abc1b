"""Keeps the histories of all documents: what came in force, what was refused, which edits gave way to the cloud.

It follows what is in force, instead of being told of each step: whatever a crash or a full disk left out is noted at
the next look, or start. A history holds nothing up: what cannot be written now is told, once, and tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.config_history import (
    histories,
    read_history,
    remove_history,
    set_history_aside,
    write_history,
)
from components.shared.runtime.files import Step, no_step
from components.shared.runtime.log import Log, redact_url
from components.shared.wire.config_history import By, Entry, EntryState, newest_in_force, with_entry
from components.shared.wire.site_config import SHADOW_BYTES_MAX, canonical_json
from components.site_config.core.documents import Desired, DocumentState, Edit, Held, Raw
from components.site_config.core.rebase import Lost

HISTORIES_MAX = 300
"""Documents with a history, those of cameras that are gone among them; the one that changed first goes first."""


DEPTH_MAX = 10
"""Twice as deep as our documents, and deeper than AWS IoT takes: what is deeper is not kept."""

REASON_CHARS_MAX = 1_000
"""All faults of a document as a rule; a wild one has thousands."""


class History:
    """See the module; used under the configuration's lock."""

    def __init__(self, data: Path, clock: Clock, log: Log, step: Step = no_step) -> None:
        self._data = data
        self._clock = clock
        self._log = log
        self._step = step
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._has_failed = False

    def follow(self, in_force: Mapping[str, Held], edits: Mapping[str, Edit]) -> None:
        """Note what is in force now and was not before; `edits` are those made at the site and not in the cloud yet."""
        for name, held in in_force.items():
            edit = edits.get(name)
            ours = edit if edit is not None and edit.sha256 == held.sha256 else None
            last = newest_in_force(self._read(name))
            if last is None or (last.state, last.sha256) != ("in_force", held.sha256):
                entry = self._entry(
                    *("in_force", held.version, held.sha256, held.raw),
                    by="site" if ours else "cloud",
                    edits=ours.ids if ours else (),
                )
                self._note(name, entry)

    def gone(self, names: Sequence[str]) -> None:
        """The site names these cameras no more."""
        for name in names:
            last = newest_in_force(self._read(name))
            if last is not None and last.state == "in_force":
                self._note(name, self._entry("removed", last.version, "", None))
        self._forget_oldest()

    def told(self, states: Mapping[str, DocumentState], desired: Mapping[str, Desired]) -> None:
        """Note what the cloud wants and the site has not put in force."""
        for name, state in states.items():
            wanted = desired.get(name)
            if state.state == "in_force" or wanted is None or wanted.raw is None or wanted.sha256 != state.sha256:
                continue
            self._note(name, self._entry(state.state, state.version, state.sha256, wanted.raw, reason=state.error))

    def lost(self, lost: Sequence[Lost], edits: Mapping[str, Edit]) -> None:
        """Keep the edits that give way, whole, before they are forgotten."""
        for item in lost:
            edit = edits.get(item.document)
            if edit is not None:
                entry = self._entry(
                    "lost", edit.version, edit.sha256, edit.local, by="site", edits=item.ids, reason=item.reason
                )
                self._note(item.document, entry)

    def _entry(
        self,
        state: EntryState,
        version: int,
        sha256: str,
        raw: Raw | None,
        *,
        by: By = "cloud",
        edits: tuple[str, ...] = (),
        reason: str | None = None,
    ) -> Entry:
        document = dict(raw) if raw is not None and _is_kept(raw) else None
        if document is not None and state == "refused":
            document = _redacted(document)
        reason = reason and reason[:REASON_CHARS_MAX]
        return Entry(0, self._clock.wall_ns(), by, state, version, sha256, document, edits, reason)

    def _note(self, name: str, entry: Entry) -> None:
        before = self._read(name)
        after = with_entry(before, entry)
        if after == before:
            return
        try:
            write_history(self._data, name, after, self._step)
        except Transient as error:
            if not self._has_failed:
                self._log.warning("history_not_kept", document=name, error=error)
            self._has_failed = True
            return
        self._has_failed = False
        self._entries[name] = after

    def _read(self, name: str) -> tuple[Entry, ...]:
        if name not in self._entries:
            try:
                self._entries[name] = read_history(self._data, name)
            except Transient as error:
                self._log.debug("history_not_read", document=name, error=error)
                return ()
            except Rejected as error:
                self._log.warning("history_damaged", document=name, error=error)
                self._entries[name] = ()
                with suppress(Transient):
                    set_history_aside(self._data, name)
        return self._entries[name]

    def _forget_oldest(self) -> None:
        try:
            for name in histories(self._data)[HISTORIES_MAX:]:
                remove_history(self._data, name)
                self._entries.pop(name, None)
        except Transient as error:
            self._log.debug("history_not_removed", error=error)


def _is_kept(raw: Raw) -> bool:
    """Whether a document is of a size and depth that a shadow can have."""
    values: list[Any] = [raw]
    for _ in range(DEPTH_MAX):
        holders = [value for value in values if isinstance(value, Mapping | list)]
        values = [inner for one in holders for inner in (one.values() if isinstance(one, Mapping) else one)]
    return not values and len(canonical_json(raw)) <= SHADOW_BYTES_MAX


def _redacted(value: Any) -> Any:
    """Without the passwords that somebody has put into an address: one reason to refuse a document."""
    if isinstance(value, Mapping):
        return {name: _redacted(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_redacted(member) for member in value]
    return redact_url(value) if isinstance(value, str) else value
