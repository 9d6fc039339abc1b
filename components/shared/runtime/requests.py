"""Requests of people at the site to a component, by file: `<data>/requests/<folder>/<id>.json`, answered beside it.

A command has no identity on the bus and must work when the core does not (see docs/decisions/0007). A request is there
durably before its sender waits for anything, and is taken when the component runs. The answer is written before the
request is removed, so that one of them is always there; a component killed in between takes the request again, so
what it does must be repeatable.

Whoever may write into the folder may ask: nothing in it is trusted.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from components.shared.errors import Rejected
from components.shared.runtime.files import (
    Step,
    disk_errors,
    make_folders,
    no_step,
    remove_durably,
    write_durably,
)

REQUEST_BYTES_MAX = 4_096
"""Several times the longest request."""

WAITING_MAX = 50
"""Files taken at one look: each costs a few syncs of the disk."""

ANSWERS_MAX = 100
"""Answers that nobody fetched; a sender removes an answer that it has read."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUFFIX = ".json"
_ANSWER_SUFFIX = ".answer.json"


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What became of a request; `error` says why it was refused."""

    state: Literal["done", "refused"]
    error: str | None = None


class RequestFolder:
    """The requests of one kind."""

    def __init__(self, data: Path, folder: str, step: Step = no_step) -> None:
        self.path = data / "requests" / folder
        self._step = step

    def make(self) -> None:
        """Make the folder, so that somebody may ask; its owner is the component that answers."""
        make_folders(self.path)

    def submit(self, body: Mapping[str, object]) -> str:
        """Ask, durably; the request's id."""
        request = uuid.uuid4().hex
        self.make()
        write_durably(self.path / (request + _SUFFIX), self.encode(body), step=self._step)
        return request

    @staticmethod
    def encode(body: Mapping[str, object]) -> bytes:
        """What a request's file holds."""
        return json.dumps(dict(body)).encode()

    def fetch_answer(self, request: str) -> RequestAnswer | None:
        """The answer to a request, which is taken away; None while there is none."""
        path = self.path / (request + _ANSWER_SUFFIX)
        with disk_errors(path, "read"):
            try:
                held = json.loads(path.read_bytes())
            except FileNotFoundError:
                return None
            path.unlink(missing_ok=True)
        return RequestAnswer(held["state"], held.get("error"))

    def take(self, carry_out: Callable[[str, bytes], object], on_refused: Callable[[str, Rejected], object]) -> bool:
        """Do what is asked and answer it; whether something was. Transient when the disk does not take it.

        `carry_out` is called with a request's id and content, and refuses it with Rejected, of which `on_refused` is
        told with the file's name.
        """
        self.make()
        waiting = self.waiting()
        for path in waiting:
            try:
                carry_out(*self.read(path))
            except Rejected as error:
                on_refused(path.name, error)
                self.answer(path, RequestAnswer("refused", str(error)))
            else:
                self.answer(path, RequestAnswer("done"))
        return bool(waiting)

    def waiting(self) -> list[Path]:
        """The requests, oldest first, at most WAITING_MAX; names with a dot in front are still being written."""
        with disk_errors(self.path, "list"):
            if not self.path.is_dir():
                return []
            found = [
                (_modified_ns(path), path)
                for path in self.path.iterdir()
                if not path.name.startswith(".") and not path.name.endswith(_ANSWER_SUFFIX) and path.is_file()
            ]
        return [path for _, path in sorted(found)][:WAITING_MAX]

    def read(self, path: Path) -> tuple[str, bytes]:
        """Id and content of a request; Rejected for a file that is none."""
        request = path.name.removesuffix(_SUFFIX)
        if path.suffix != _SUFFIX or not _ID.fullmatch(request):
            raise Rejected(f"{path.name} is no request: a file ID.json was due")
        try:
            with path.open("rb") as file:
                content = file.read(REQUEST_BYTES_MAX + 1)
        except OSError as error:  # not the disk's fault alone: somebody else's file may not hold up all the others
            raise Rejected(f"request {request} cannot be read: {error.strerror}") from error
        if len(content) > REQUEST_BYTES_MAX:
            raise Rejected(f"request {request} is longer than {REQUEST_BYTES_MAX} bytes")
        return request, content

    def answer(self, path: Path, answer: RequestAnswer) -> None:
        """Write the answer, then remove the request."""
        request = path.name.removesuffix(_SUFFIX)
        if _ID.fullmatch(request):
            content = json.dumps(asdict(answer), ensure_ascii=False).encode()
            write_durably(self.path / (request + _ANSWER_SUFFIX), content, step=self._step)
        remove_durably(path, self._step)
        self._forget_old_answers()

    def _forget_old_answers(self) -> None:
        with disk_errors(self.path, "list"):
            answers = [path for path in self.path.iterdir() if path.name.endswith(_ANSWER_SUFFIX)]
            for old in sorted(answers, key=_modified_ns)[:-ANSWERS_MAX]:
                old.unlink(missing_ok=True)


def _modified_ns(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:  # its sender has taken it back
        return 0
