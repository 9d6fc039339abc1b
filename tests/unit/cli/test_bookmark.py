"""Bookmarks are asked for by a file that Capture answers, and listed from its catalogue."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from cli.bookmark import ask
from components.capture.bookmark_requests import BookmarkRequests
from components.shared.errors import Transient
from components.shared.wire.units import format_iso
from local.site import Layout
from tests.fakes.archive import at
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.footage import Footage

SPAN = (format_iso(at(0)), format_iso(at(10)))


def taker(footage: Footage, data: Path) -> BookmarkRequests:
    """What Capture's janitor does at every look."""
    return BookmarkRequests(footage.archive.writer, data, FakeClock(), RecordingLog())


def let_it_run(data: Path) -> None:
    """What tells that a core runs here."""
    status = Layout(data).core_status
    status.parent.mkdir(parents=True)
    status.write_text(json.dumps({"pid": os.getpid(), "components": {}}))


def test_kept_until_capture_runs(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """Without a site that runs, a bookmark is kept, and there at Capture's next start, with its note."""
    data = tmp_path / "data"
    told = nvr("bookmark", "add", "cam-1", *SPAN, "--note", "the blue car", "--data", data, "--json")
    assert told.code == 0 and told.json["state"] == "kept"
    assert nvr("bookmark", "list", "--data", data, "--json").json == []
    assert taker(footage, data).take()
    (row,) = nvr("bookmark", "list", "--data", data, "--json").json
    assert (row["bookmark"], row["camera"], row["note"]) == (told.json["bookmark"], "cam-1", "the blue car")
    assert (row["start"], row["end"]) == SPAN
    assert row["bookmark"] in nvr("bookmark", "list", "--data", data, "--camera", "cam-1").out
    assert "There are no bookmarks" in nvr("bookmark", "list", "--data", data, "--camera", "cam-2").out
    assert nvr("bookmark", "remove", row["bookmark"], "--data", data).code == 0
    taker(footage, data).take()
    assert nvr("bookmark", "list", "--data", data, "--json").json == []


def test_answered_while_capture_runs(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """With a site that runs, the answer is waited for; nothing is left in the folder."""
    data = tmp_path / "data"
    let_it_run(data)
    requests = taker(footage, data)
    server = threading.Thread(target=lambda: eventually(requests.take, within_s=20))
    server.start()
    told = nvr("bookmark", "add", "cam-1", *SPAN, "--data", data)
    server.join(20)
    assert told.code == 0 and told.out.endswith("is set\n")
    assert list((data / "requests" / "bookmarks").iterdir()) == []


def test_nobody_answers(footage: Footage, tmp_path: Path) -> None:
    """A Capture that does not answer is told as such, and the request stays for it."""
    data = tmp_path / "data"
    let_it_run(data)
    body: dict[str, object] = {"action": "add", "camera": "cam-1", "start_ns": 1, "end_ns": 2}
    with pytest.raises(Transient, match="Capture does not answer"):
        ask(data, body, answer_s_max=0.0)
    assert taker(footage, data).take()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "Cam-1", *SPAN), "camera"),
        (("add", "cam-1", SPAN[1], SPAN[0]), "ends after it begins"),
        (("add", "cam-1", "yesterday", SPAN[1]), "is not ISO 8601"),
        (("add", "cam-1", *SPAN, "--note", "x" * 201), "note"),
        (("remove", "b-1"), "there is no bookmark 'b-1'"),
    ],
)
@pytest.mark.usefixtures("footage")
def test_bad_ones_are_refused_at_once(nvr: Nvr, tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    """What cannot be a bookmark is said so, by name, and nothing is written."""
    data = tmp_path / "data"
    told = nvr("bookmark", *arguments, "--data", data)
    assert told.code == 2 and why in told.error
    assert not (data / "requests").exists()
