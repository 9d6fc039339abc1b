"""The folder of proposals: `<data>/config/proposals/<id>.json`, answered in `<id>.answer.json` beside it.

Whoever may write into the folder may propose, so nothing in it is trusted: a file that is no proposal is answered as
refused and moved into `refused/`, of which the newest few are kept. Names that begin with a dot are files that are
still being written.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import (
    Step,
    disk_errors,
    make_folders,
    no_step,
    remove_durably,
    sync_folder,
    write_durably,
)
from components.shared.wire.codec import describe_faults
from components.site_config.core.propose import Proposal
from components.site_config.journal import Answer

PROPOSAL_BYTES_MAX = 65_536
"""Eight times the largest document."""

NAME_CHARS_MAX = 200
"""File systems take 255 bytes; a proposer's name may be as long already."""

REFUSED_FILES_MAX = 20
"""Files that were no proposals, kept for somebody to find out what wrote them."""

ANSWERS_MAX = 100
"""Answers that nobody fetched; the proposer removes an answer that it has read."""

WAITING_MAX = 50
"""Files taken at one look: each costs a few syncs of the disk."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUFFIX = ".json"
_ANSWER_SUFFIX = ".answer.json"


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    document: str
    changes: dict[str, Any]
    base_version: int | None = Field(default=None, ge=0)


class ProposalFolder:
    """The folder and what is done to files in it."""

    def __init__(self, data: Path, step: Step = no_step) -> None:
        self.path = config_folder(data) / "proposals"
        self._refused = self.path / "refused"
        self._step = step

    def make(self) -> None:
        """Make the folder, so that somebody can propose."""
        make_folders(self.path)

    def waiting(self) -> list[Path]:
        """What is in the folder, neither an answer nor still being written; oldest first, `WAITING_MAX` at a time."""
        with disk_errors(self.path, "list"):
            if not self.path.is_dir():
                return []
            found = [
                (_modified_ns(entry), entry)
                for entry in self.path.iterdir()
                if entry != self._refused and not entry.name.startswith(".") and not _is_answer(entry)
            ]
        return [path for _, path in sorted(found)][:WAITING_MAX]

    def read(self, path: Path) -> Proposal:
        """The proposal in a file; Rejected when it is none."""
        name = path.name.removesuffix(_SUFFIX)
        if path.suffix != _SUFFIX or not _ID.fullmatch(name) or not path.is_file():
            raise Rejected(f"{path.name} is no proposal: a file ID.json was due")
        try:
            with path.open("rb") as file:
                content = file.read(PROPOSAL_BYTES_MAX + 1)
        except OSError as error:  # not the disk's fault alone: somebody else's file may not hold up all the others
            raise Rejected(f"proposal {name} cannot be read: {error.strerror}") from error
        if len(content) > PROPOSAL_BYTES_MAX:
            raise Rejected(f"proposal {name} is longer than {PROPOSAL_BYTES_MAX} bytes")
        try:
            held = _File.model_validate_json(content)
            json.dumps(held.changes, allow_nan=False)
        except ValidationError as error:
            raise Rejected(f"proposal {name}: {describe_faults(error)}") from error
        except ValueError as error:
            raise Rejected(f"proposal {name}: NaN and Infinity are no values of JSON") from error
        return Proposal(name, held.document, held.changes, held.base_version)

    def holds(self, proposal_id: str) -> bool:
        """Whether the proposal is still there."""
        return (self.path / (proposal_id + _SUFFIX)).exists()

    def answer(self, proposal_id: str, answer: Answer) -> None:
        """Write the answer, then remove the proposal; in this order, so that one of them is always there."""
        content = json.dumps(asdict(answer), ensure_ascii=False).encode()
        write_durably(self.path / (proposal_id + _ANSWER_SUFFIX), content, step=self._step)
        remove_durably(self.path / (proposal_id + _SUFFIX), self._step)

    def refuse(self, path: Path, reason: str) -> None:
        """Answer a file that is no proposal and move it away."""
        name = path.name.removesuffix(_SUFFIX)
        if _ID.fullmatch(name):
            answer = Answer("refused", None, reason)
            content = json.dumps(asdict(answer), ensure_ascii=False).encode()
            write_durably(self.path / (name + _ANSWER_SUFFIX), content, step=self._step)
        make_folders(self._refused)
        with disk_errors(path, "move away"):
            path.rename(self._refused / f"{_modified_ns(path)}-{path.name}"[:NAME_CHARS_MAX])
            sync_folder(self.path)
            kept = sorted(self._refused.iterdir(), key=_modified_ns)
            for old in kept[:-REFUSED_FILES_MAX]:
                if old.is_file() or old.is_symlink():
                    old.unlink(missing_ok=True)

    def answers(self) -> list[Path]:
        """The answers that lie there, oldest first."""
        with disk_errors(self.path, "list"):
            return sorted((path for path in self.path.iterdir() if _is_answer(path)), key=_modified_ns)

    def forget(self, answer: Path) -> None:
        """Remove an answer that nobody fetched."""
        with disk_errors(answer, "remove"):
            answer.unlink(missing_ok=True)


def _is_answer(path: Path) -> bool:
    return path.name.endswith(_ANSWER_SUFFIX)


def _modified_ns(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:  # its proposer has taken it back
        return 0
