"""Configuration is shown as it stands and changed by proposals, which SiteConfig answers."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.config import member, merge_patch, propose
from components.shared.errors import Rejected, Transient
from components.shared.runtime.config import write_document
from local.site import Layout
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import eventually
from tests.unit.cli.conftest import Nvr

SITE_DOCUMENT: dict[str, object] = {"schema": 1, "recording": {"segment_s": 60}, "cameras": {"cam-1": "0" * 64}}
REPORT = {
    "camera-cam-1": {"state": "refused", "version": 7, "error": "source: field required", "in_force_version": 5},
    "site": {"state": "in_force", "version": 3, "error": None, "in_force_version": None, "ignored": ["shiny"]},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root as SiteConfig leaves it: a document in force, and a report of two."""
    data = tmp_path / "data"
    write_document(data, "site", SITE_DOCUMENT, 3, FakeClock())
    (data / "config" / "report.json").write_text(json.dumps(REPORT))
    (data / "config" / "proposals").mkdir()
    return data


def proposals(data: Path) -> list[dict[str, Any]]:
    """What lies in the folder of proposals."""
    return [json.loads(path.read_text()) for path in sorted((data / "config" / "proposals").glob("*.json"))]


def let_it_run(data: Path) -> None:
    """What tells that a core runs here."""
    status = Layout(data).core_status
    status.parent.mkdir(parents=True)
    status.write_text(json.dumps({"pid": os.getpid(), "components": {}}))


@contextmanager
def answering(data: Path, answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Answers the first proposal as SiteConfig does: the answer first, then the proposal is removed."""
    let_it_run(data)
    folder = data / "config" / "proposals"
    taken: list[dict[str, Any]] = []

    def serve() -> None:
        eventually(lambda: any(folder.glob("[!.]*.json")), within_s=20)
        path = next(folder.glob("[!.]*.json"))
        taken.append(json.loads(path.read_text()))
        temporary = folder / ".answer.tmp"
        temporary.write_text(json.dumps(answer))
        temporary.rename(path.with_name(f"{path.stem}.answer.json"))
        path.unlink()

    server = threading.Thread(target=serve)
    server.start()
    yield taken
    server.join(20)
    assert not server.is_alive()


def test_all_documents_with_their_state(nvr: Nvr, data: Path) -> None:
    """Without a name all documents are listed, each with its state, what is in force and why it was refused."""
    told = nvr("config", "get", "--data", data)
    assert told.code == 0
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[1][:4] == ["camera-cam-1", "7", "refused", "5"]
    assert "source: field required" in told.out
    assert lines[2][:4] == ["site", "3", "in_force", "3"]
    assert "not understood by this release: shiny" in told.out
    assert nvr("config", "get", "--json", "--data", data).json == REPORT


def test_no_document_yet(nvr: Nvr, data: Path) -> None:
    """Before the first document has come the list says so."""
    (data / "config" / "report.json").unlink()
    assert nvr("config", "get", "--data", data).out == "No document has reached this site yet.\n"
    assert nvr("config", "get", "--json", "--data", data).json == {}


def test_document_and_its_members(nvr: Nvr, data: Path) -> None:
    """A document in force is shown as JSON with its state; a path shows one member."""
    told = nvr("config", "get", "site", "--data", data)
    assert json.loads(told.out.partition("#")[0]) == SITE_DOCUMENT
    assert "# version 3: in_force" in told.out
    told = nvr("config", "get", "site", "recording.segment_s", "--json", "--data", data)
    assert told.json == {"document": "site", "in_force": 60, "state": REPORT["site"]}


def test_refused_document_tells_why(nvr: Nvr, data: Path) -> None:
    """A document of which no version was ever good shows its refusal."""
    told = nvr("config", "get", "camera-cam-1", "--data", data)
    assert told.code == 0
    assert told.out == "null\n# version 7: refused: source: field required\n"


@pytest.mark.parametrize("name", ["Site", "camera-", "camera-Ä", "camera-../site", "../site", "report", ""])
@pytest.mark.parametrize("action", [("get",), ("set", "a", "1")])
def test_name_that_is_none(nvr: Nvr, data: Path, name: str, action: tuple[str, ...]) -> None:
    """What is neither the site nor a camera is refused; nothing is read or proposed."""
    told = nvr("config", action[0], name, *action[1:], "--data", data)
    assert told.code == 2
    assert "is no document" in told.error or "camera id" in told.error
    assert proposals(data) == []


def test_document_that_is_not_there(nvr: Nvr, data: Path) -> None:
    """A camera that nobody configured is told, and where the list is."""
    told = nvr("config", "get", "camera-yard", "--data", data)
    assert told.code == 2
    assert "no document camera-yard: `./nvr config get` lists" in told.error


def test_damaged_report_is_told_by_name(nvr: Nvr, data: Path) -> None:
    """A file that is no JSON is told with its path."""
    (data / "config" / "report.json").write_text("{")
    told = nvr("config", "get", "--data", data)
    assert told.code == 2
    assert "report.json is damaged" in told.error


def test_change_in_force(nvr: Nvr, data: Path) -> None:
    """The proposal holds the document and the patch; its answer is told and removed."""
    with answering(data, {"state": "in_force", "version": 4, "error": None}) as taken:
        told = nvr("config", "set", "site", "recording.segment_s", "120", "--data", data)
    assert (told.code, told.out) == (0, "site version 4 is in force\n")
    assert taken == [{"document": "site", "changes": {"recording": {"segment_s": 120}}, "base_version": None}]
    assert proposals(data) == []


def test_change_that_the_cloud_does_not_know_yet(nvr: Nvr, data: Path) -> None:
    """Offline a change is in force at once, and it is told that the shadow follows."""
    with answering(data, {"state": "pending", "version": 3, "error": None}):
        told = nvr("config", "set", "site", "recording.segment_s", "120", "--data", data)
    assert told.code == 0
    assert "site version 3 is in force (the shadow follows when the network is there)" in told.out


@pytest.mark.parametrize("as_json", [False, True])
def test_refused_change(nvr: Nvr, data: Path, as_json: bool) -> None:
    """A refusal is told with its reason; the exit code is 1."""
    answer = {"state": "refused", "version": None, "error": "recording.segment_s: at most 600 was due"}
    with answering(data, answer):
        told = nvr("config", "set", "site", "recording.segment_s", "9000", "--data", data, *(["--json"] * as_json))
    assert told.code == 1
    if as_json:
        assert told.json == answer
    else:
        assert told.out == "refused, nothing was changed: recording.segment_s: at most 600 was due\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_change_while_the_site_does_not_run(nvr: Nvr, data: Path, as_json: bool) -> None:
    """The change is kept for the next start, whole and durable, and that is said."""
    told = nvr("config", "set", "site", "cameras.cam-1", "null", "--data", data, *(["--json"] * as_json))
    assert told.code == 0
    assert proposals(data) == [{"document": "site", "changes": {"cameras": {"cam-1": None}}, "base_version": None}]
    if as_json:
        assert told.json == {"state": "kept", "version": None, "error": None}
    else:
        assert "taken at its next start" in told.out


def test_no_answer_in_time(data: Path) -> None:
    """A component that does not answer is told after the limit; the change stays, to be taken later."""
    let_it_run(data)
    with pytest.raises(Transient, match=r"does not answer.*kept.*\./nvr logs SiteConfig"):
        propose(data, "site", {"recording": {"segment_s": 60}}, answer_s_max=0)
    assert len(proposals(data)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60", 60),
        ("1.5", 1.5),
        ("true", True),
        ('"Front door"', "Front door"),
        ("Front door", "Front door"),
        ("", ""),
        ("007", "007"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ('{"a": [1]}', {"a": [1]}),
        ('{"a": NaN}', '{"a": NaN}'),
    ],
)
def test_value_is_json_or_plain_text(nvr: Nvr, data: Path, text: str, value: object) -> None:
    """What is JSON is taken as such, everything else as text: a name needs no quotes."""
    assert nvr("config", "set", "--data", data, "--", "camera-cam-1", "name", text).code == 0
    assert proposals(data)[0]["changes"] == {"name": value}


@pytest.mark.parametrize(
    ("path", "value", "patch"),
    [
        ("a", 1, {"a": 1}),
        ("a.b.c", None, {"a": {"b": {"c": None}}}),
        ("a", {"b": 1}, {"a": {"b": 1}}),
        (".", {"a": 1}, {"a": 1}),
    ],
)
def test_merge_patch_of_a_path(path: str, value: object, patch: object) -> None:
    """A path becomes nested objects; a dot alone is the document itself."""
    assert merge_patch(path, value) == patch


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: merge_patch(".", 5),
        lambda: merge_patch(".", None),
        lambda: merge_patch("a..b", 1),
        lambda: merge_patch("", 1),
        lambda: merge_patch("a.", 1),
        lambda: member({"a": 1}, "a.b", "site"),
        lambda: member({"a": 1}, "b", "site"),
        lambda: member({"a": [1]}, "a.0", "site"),
    ],
)
def test_path_that_leads_nowhere(wrong: Callable[[], object]) -> None:
    """An empty part of a path, a member that is not there, and a document that is no object are refused."""
    with pytest.raises(Rejected):
        wrong()
