"""What the shadows' reported state and the operator's report say of a document: how it stands, never an echo of it.

A reported state is small and bounded: a shadow holds 8 KB with everything in it, and the document has the first claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.wire.json_patch import Json
from components.shared.wire.messages import ConfigState
from components.shared.wire.site_config import REPORTED_BYTES_MAX, canonical_json
from components.site_config.core.documents import DocumentState

ERROR_CHARS_MAX = 400
COMPONENT_ERROR_CHARS_MAX = 120
IGNORED_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Applied:
    """What a component said of a document."""

    version: int
    sha256: str
    state: ConfigState
    error: str | None = None


def describe(state: DocumentState, applied: Mapping[str, Applied], lost: str | None = None) -> Json:
    """Everything about a document, for the operator's report; members that say nothing are None or empty."""
    verbs = {"refused": "refuses it", "pending": "does not follow it yet"}
    refusals = [
        f"{component} {verbs[one.state]}: {one.error or 'no reason given'}"
        for component, one in sorted(applied.items())
        if one.state in verbs and one.sha256 == state.sha256
    ]
    return {
        "state": state.state,
        "version": state.version,
        "sha256": state.sha256,
        "error": state.error or "; ".join(refusals) or None,
        "ignored": list(state.ignored),
        "lost": lost,
        "in_force_version": state.in_force_version,
        "in_force_sha256": state.in_force_sha256,
        "components": {
            component: {"version": one.version, "sha256": one.sha256, "state": one.state, "error": one.error}
            for component, one in sorted(applied.items())
        },
    }


def reported(description: Json, bytes_max: int = REPORTED_BYTES_MAX) -> Json:
    """The same for the shadow: without what says nothing, cut to size; at the least state, version and hash."""
    components = {
        name: _present({**one, "error": _cut(one["error"], COMPONENT_ERROR_CHARS_MAX)})
        for name, one in description["components"].items()
    }
    full = {
        **description,
        "error": _cut(description["error"], ERROR_CHARS_MAX),
        "lost": _cut(description["lost"], ERROR_CHARS_MAX),
        "ignored": _cut(", ".join(description["ignored"]), IGNORED_CHARS_MAX),
        "components": components,
    }
    short = {name: {key: one[key] for key in ("version", "state")} for name, one in components.items()}
    ladder = (
        full,
        {**full, "lost": None},
        {**full, "lost": None, "components": short},
        {**full, "lost": None, "components": {}, "ignored": None},
        {"state": full["state"], "version": full["version"], "error": _cut(full["error"], COMPONENT_ERROR_CHARS_MAX)},
        {"state": full["state"]},
    )
    for rung in ladder:
        found = _present(rung)
        if len(canonical_json(found)) <= bytes_max:
            return found
    return _present(ladder[-1])


def _cut(text: str | None, chars_max: int) -> str | None:
    return text if text is None or len(text) <= chars_max else text[: chars_max - 1] + "…"


def _present(members: Mapping[str, object]) -> Json:
    """Without what is None or empty: a shadow holds no null, and every leaf costs metadata."""
    return {name: value for name, value in members.items() if value not in (None, "", {}, [])}
