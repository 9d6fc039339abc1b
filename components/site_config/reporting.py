"""How all documents stand, told: in the shadows' reported states and in `<data>/config/report.json` for operators.

Gathers what the components say of the documents. A report is one update per change: it waits a second for the
components' answers, and what the shadow already says is not sent again. An update is sent until it is answered; only
the newest matters.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.shared.runtime.clock import Clock
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import disk_errors, make_folders, write_durably
from components.shared.wire.json_patch import Json, make_patch
from components.shared.wire.messages import ConfigApplied
from components.shared.wire.units import NS_PER_S
from components.site_config.configuration import Configuration
from components.site_config.core.documents import DocumentState
from components.site_config.core.report import Applied, describe, reported

SETTLE_NS = NS_PER_S
"""The components read a changed document within a second; their answers go in the same update."""

REPORT_BYTES_MAX = 4_194_304
"""A longer report is none of ours: hundreds of cameras make less."""


@dataclass(frozen=True, slots=True)
class Report:
    """A reported state that a shadow should have, and the patch that makes it of what it has."""

    document: str
    state: Json
    patch: Json


class Reporting:
    """Keeps what was said and what was told. Any thread may call."""

    def __init__(self, data: Path, configuration: Configuration, clock: Clock) -> None:
        self.path = config_folder(data) / "report.json"
        self._configuration = configuration
        self._clock = clock
        self._lock = threading.Lock()
        self._applied: dict[str, dict[str, Applied]] = {}
        self._told: dict[str, Json] = {}
        self._changed_ns: dict[str, int] = {}
        self._written: bytes | None = None

    def last_states(self) -> dict[str, DocumentState]:
        """How the documents stood when the report was last written; what cannot be read says nothing."""
        with disk_errors(self.path, "read"):
            try:
                content = self.path.read_bytes()[: REPORT_BYTES_MAX + 1]
            except FileNotFoundError:
                return {}
        try:
            held = json.loads(content)
        except ValueError:
            return {}
        found = {}
        for name, told in held.items() if isinstance(held, dict) else ():
            state = _state_in(told)
            if state is not None:
                found[name] = state
        return found

    def heard(self, body: ConfigApplied) -> None:
        """A component has said what it made of a document."""
        applied = Applied(body.version, body.sha256, body.state, body.error)
        with self._lock:
            self._applied.setdefault(body.document, {})[body.component] = applied

    def fetched(self, name: str, told: Mapping[str, Any] | None) -> None:
        """What the shadow says now; what the components said before this process began is taken from it."""
        with self._lock:
            self._told[name] = dict(told or {})
            components = (told or {}).get("components")
            for component, one in components.items() if isinstance(components, Mapping) else ():
                applied = _applied_in(one)
                if applied is not None:
                    self._applied.setdefault(name, {}).setdefault(component, applied)

    def write(self) -> bool:
        """Write the operator's report when it says something new; whether it was written."""
        content = json.dumps(self._descriptions(for_shadow=False), ensure_ascii=False, indent=1).encode() + b"\n"
        if content == self._written:
            return False
        make_folders(self.path.parent)
        write_durably(self.path, content)
        self._written = content
        return True

    def due(self) -> list[Report]:
        """What is to be told to the shadows now. A shadow that was not fetched yet waits: it may say so already."""
        now_ns = self._clock.monotonic_ns()
        descriptions = self._descriptions(for_shadow=True)
        found = []
        with self._lock:
            for name in self._told.keys() - descriptions.keys():
                descriptions[name] = {}
            for name, description in sorted(descriptions.items()):
                told = self._told.get(name)
                if told is None:
                    continue
                state = reported(description) if description else {}
                patch = make_patch(told, state)
                if not patch:
                    self._changed_ns.pop(name, None)
                elif now_ns - self._changed_ns.setdefault(name, now_ns) >= SETTLE_NS:
                    found.append(Report(name, state, patch))
        return found

    def sent(self, report: Report) -> None:
        """The shadow has taken the report. One of a document that is gone is forgotten."""
        with self._lock:
            self._changed_ns.pop(report.document, None)
            if report.state:
                self._told[report.document] = report.state
            else:
                self._told.pop(report.document, None)
                self._applied.pop(report.document, None)

    def _descriptions(self, for_shadow: bool) -> dict[str, Json]:
        standings = self._configuration.standings()
        with self._lock:
            applied = {name: dict(self._applied.get(name, {})) for name in standings}
        found = {}
        for name, standing in standings.items():
            found[name] = describe(standing.state, applied[name], standing.lost)
            if not for_shadow:
                found[name]["unsent"] = standing.unsent
        return found


def _state_in(told: object) -> DocumentState | None:
    if not isinstance(told, dict) or told.get("state") not in ("in_force", "pending", "refused"):
        return None
    version, sha256, error, ignored = (told.get(name) for name in ("version", "sha256", "error", "ignored"))
    in_force_version, in_force_sha256 = told.get("in_force_version"), told.get("in_force_sha256")
    if not (isinstance(version, int) and isinstance(sha256, str)):
        return None
    return DocumentState(
        told["state"],
        version,
        sha256,
        error if isinstance(error, str) and told["state"] != "in_force" else None,
        tuple(str(key) for key in ignored) if isinstance(ignored, list) else (),
        in_force_version if isinstance(in_force_version, int) else None,
        in_force_sha256 if isinstance(in_force_sha256, str) else None,
    )


def _applied_in(one: object) -> Applied | None:
    if not isinstance(one, Mapping) or one.get("state") not in ("in_force", "pending", "refused"):
        return None
    version, sha256, error = one.get("version"), one.get("sha256"), one.get("error")
    if not isinstance(version, int):
        return None
    return Applied(
        version,
        sha256 if isinstance(sha256, str) else "",
        one["state"],
        error if isinstance(error, str) else None,
    )
