"""What SiteConfig must not forget: edits that are not in the shadow yet, proposals decided, edits lost to the cloud.

One file, `<data>/config/edits/journal.json`. A proposal is decided at the moment when the journal with its decision is
durable; everything after that (documents, answer, removal of the proposal) follows from the journal and may be
repeated without harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.shared.errors import Rejected
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step, write_durably
from components.shared.wire.codec import describe_faults
from components.shared.wire.messages import ConfigState
from components.site_config.core.documents import Edit


@dataclass(frozen=True, slots=True)
class Answer:
    """What a proposer is told. `version` is None when nothing was changed."""

    state: ConfigState
    version: int | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LostEdit:
    """What is told of an edit that gave way; for as long as the document that won, with this hash, is wanted."""

    reason: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything in it, by document; answers by the proposal's id."""

    edits: Mapping[str, Edit] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    lost: Mapping[str, LostEdit] = field(default_factory=dict)


class JournalFile:
    """The journal on the disk."""

    def __init__(self, data: Path, step: Step = no_step) -> None:
        self.folder = config_folder(data) / "edits"
        self.path = self.folder / "journal.json"
        self._step = step

    def load(self) -> Journal:
        """The journal; empty when there is none. Rejected when it is damaged: see `set_aside`."""
        with disk_errors(self.path, "read"):
            try:
                content = self.path.read_bytes()
            except FileNotFoundError:
                return Journal()
        try:
            return _ADAPTER.validate_json(content)
        except ValidationError as error:
            raise Rejected(f"{self.path} is damaged: {describe_faults(error)}") from error

    def set_aside(self) -> Path:
        """Keep a damaged journal under another name, for people; where it lies now."""
        aside = self.path.with_suffix(".damaged")
        with disk_errors(self.path, "set aside"):
            self.path.rename(aside)
        return aside

    def save(self, journal: Journal) -> None:
        """Make it durable."""
        content: dict[str, Any] = {
            "edits": {name: asdict(edit) for name, edit in journal.edits.items()},
            "answers": {name: asdict(answer) for name, answer in journal.answers.items()},
            "lost": {name: asdict(lost) for name, lost in journal.lost.items()},
        }
        make_folders(self.folder)
        write_durably(self.path, json.dumps(content, ensure_ascii=False).encode(), step=self._step)


_ADAPTER = TypeAdapter(Journal)
