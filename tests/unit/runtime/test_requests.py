"""Requests by file: nothing in the folder is trusted, and one bad file holds up nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from components.shared.runtime.requests import (
    ANSWERS_MAX,
    REQUEST_BYTES_MAX,
    WAITING_MAX,
    RequestAnswer,
    RequestFolder,
)


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    """A request waits until it is answered; the answer is fetched once."""
    folder = RequestFolder(tmp_path, "things")
    assert folder.waiting() == []
    request = folder.submit({"action": "add"})
    (path,) = folder.waiting()
    assert folder.read(path) == (request, b'{"action": "add"}')
    assert folder.fetch_answer(request) is None
    folder.answer(path, RequestAnswer("refused", "no room"))
    assert folder.waiting() == []
    assert folder.fetch_answer(request) == RequestAnswer("refused", "no room")
    assert folder.fetch_answer(request) is None and list(folder.path.iterdir()) == []


def test_the_oldest_come_first_and_not_too_many(tmp_path: Path) -> None:
    """A look takes the oldest requests up to its limit; what is being written, and folders, are passed over."""
    folder = RequestFolder(tmp_path, "things")
    for number in range(WAITING_MAX + 1):
        path = folder.path / f"{folder.submit({})}.json"
        os.utime(path, ns=(10**9 - number, 10**9 - number))
    newest = path
    (folder.path / ".half.json").touch()
    (folder.path / "sub.json").mkdir()
    waiting = folder.waiting()
    assert len(waiting) == WAITING_MAX and waiting[0] == newest


def test_files_that_are_no_requests(tmp_path: Path) -> None:
    """A wrong name, too many bytes, a dangling link: each is refused by name."""
    folder = RequestFolder(tmp_path, "things")
    folder.submit({})
    (folder.path / "exact.json").write_bytes(b"x" * REQUEST_BYTES_MAX)
    (folder.path / "long.json").write_bytes(b"x" * (REQUEST_BYTES_MAX + 1))
    assert folder.read(folder.path / "exact.json")[0] == "exact"
    for name in ("long.json", "note.txt", "a b.json", "missing.json"):
        with pytest.raises(Rejected, match=name.removesuffix(".json")):
            folder.read(folder.path / name)


def test_answers_that_nobody_fetches_are_forgotten(tmp_path: Path) -> None:
    """The newest answers stay, up to the limit."""
    folder = RequestFolder(tmp_path, "things")
    for number in range(ANSWERS_MAX + 1):
        request = folder.submit({})
        folder.answer(folder.path / f"{request}.json", RequestAnswer("done"))
        os.utime(folder.path / f"{request}.answer.json", ns=(number + 1, number + 1))
        if number == 0:
            oldest = request
    request = folder.submit({})
    folder.answer(folder.path / f"{request}.json", RequestAnswer("done"))
    assert len(list(folder.path.iterdir())) <= ANSWERS_MAX
    assert folder.fetch_answer(oldest) is None and folder.fetch_answer(request) is not None
