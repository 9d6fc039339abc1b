"""Starting and stopping by hand is a proposal like any other, and can be taken back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli.record import DURATION_S_MAX, parse_duration_s
from components.shared.errors import Rejected
from components.shared.runtime.config import write_document
from components.shared.wire.recording_config import parse_moment
from components.shared.wire.site_config import parse_camera
from components.shared.wire.units import NS_PER_S, from_datetime
from tests.fakes.clock import FakeClock
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.test_config import answering, proposals

CAMERA: dict[str, object] = {"schema": 1, "name": "Door", "source": {"url": "rtsp://192.0.2.1/1"}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with one camera in force, whose site does not run."""
    data = tmp_path / "data"
    write_document(data, "camera-cam-1", CAMERA, 3, FakeClock())
    (data / "config" / "proposals").mkdir()
    return data


def manual(data: Path) -> object:
    """What was proposed for cam-1."""
    (proposal,) = proposals(data)
    assert proposal["document"] == "camera-cam-1"
    assert list(proposal["changes"]) == ["manual"]
    return proposal["changes"]["manual"]


@pytest.mark.parametrize(("action", "recording"), [("start", True), ("stop", False)])
def test_for_good(nvr: Nvr, data: Path, action: str, recording: bool) -> None:
    """Without a limit a start or stop is for good, and a former limit goes."""
    assert nvr("record", action, "cam-1", "--data", data).code == 0
    assert manual(data) == {"recording": recording, "until": None}


def test_for_a_while(nvr: Nvr, data: Path) -> None:
    """`--for` counts from now, to the second; the document takes it."""
    before_s = int(time.time())
    assert nvr("record", "start", "cam-1", "--for", "10m", "--data", data).code == 0
    section = manual(data)
    assert isinstance(section, dict)
    until_s = from_datetime(parse_moment(section["until"])) // NS_PER_S
    assert before_s + 600 <= until_s <= int(time.time()) + 600
    parse_camera("cam-1", {**CAMERA, "manual": section})


def test_until_a_moment(nvr: Nvr, data: Path) -> None:
    """`--until` takes any zone and proposes UTC."""
    assert nvr("record", "stop", "cam-1", "--until", "2126-11-21T18:00:00+01:00", "--data", data).code == 0
    assert manual(data) == {"recording": False, "until": "2126-11-21T17:00:00Z"}


def test_auto_takes_it_back(nvr: Nvr, data: Path) -> None:
    """`auto` removes the start or stop by hand."""
    assert nvr("record", "auto", "cam-1", "--data", data).code == 0
    assert manual(data) is None


def test_what_became_of_it_is_told(nvr: Nvr, data: Path) -> None:
    """A change in force is told in words, with what takes it back."""
    with answering(data, {"state": "in_force", "version": 4, "error": None}):
        told = nvr("record", "start", "cam-1", "--until", "2126-11-21T18:00Z", "--data", data)
    assert told.code == 0
    assert told.out == (
        "camera cam-1 is recorded until 2126-11-21T18:00:00Z; `./nvr record auto cam-1` takes it back\n"
        "camera-cam-1 version 4 is in force\n"
    )


def test_a_change_that_is_kept_is_not_told_as_done(nvr: Nvr, data: Path) -> None:
    """While the site does not run nothing is recorded, and nothing else is said."""
    told = nvr("record", "start", "cam-1", "--data", data)
    assert told.out == "the site is not running: the change is kept and taken at its next start\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_told(nvr: Nvr, data: Path, as_json: bool) -> None:
    """A refused change is told with its reason; the exit code is 1."""
    with answering(data, {"state": "refused", "version": None, "error": "source: field required"}):
        told = nvr("record", "stop", "cam-1", "--data", data, *(["--json"] * as_json))
    assert told.code == 1
    if as_json:
        assert told.json["change"] == {"state": "refused", "version": None, "error": "source: field required"}
    else:
        assert told.out == "refused, nothing was changed: source: field required\n"


def test_the_answer_as_json(nvr: Nvr, data: Path) -> None:
    """The answer holds the camera, what was asked, until when and what became of it."""
    with answering(data, {"state": "pending", "version": 4, "error": None}):
        told = nvr("record", "auto", "cam-1", "--json", "--data", data)
    assert told.json == {
        "camera": "cam-1",
        "manual": "auto",
        "until": None,
        "change": {"state": "pending", "version": 4, "error": None},
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "yard"), "there is no camera yard: `./nvr cameras` lists"),
        (("start", "Cam 1"), "camera id 'Cam 1'"),
        (("start", "cam-1", "--for", "ten minutes"), "--for 'ten minutes' is no duration such as 90s"),
        (("start", "cam-1", "--for", "0m"), "--for 0m is not between a second and a year"),
        (("stop", "cam-1", "--until", "2020-01-01"), "--until 2020-01-01 has passed"),
        (("stop", "cam-1", "--until", "tomorrow"), "'tomorrow' is not ISO 8601"),
        (("stop", "cam-1", "--until", "2126-01-01", "--for", "1m"), "not allowed with"),
        (("auto", "cam-1", "--for", "1m"), "unrecognized arguments"),
    ],
)
def test_what_makes_no_sense_is_refused(nvr: Nvr, data: Path, arguments: tuple[str, ...], said: str) -> None:
    """A camera, duration or moment that is none is told by name; nothing is proposed."""
    told = nvr("record", *arguments, "--data", data)
    assert told.code == 2
    assert said in told.error
    assert proposals(data) == []


def test_no_site(nvr: Nvr, tmp_path: Path) -> None:
    """Where no site has run, that is said."""
    told = nvr("record", "start", "cam-1", "--data", tmp_path / "empty")
    assert told.code == 2
    assert "no site has run in" in told.error


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("366d", DURATION_S_MAX)],
)
def test_durations(text: str, seconds: int) -> None:
    """Seconds, minutes, hours and days are taken, up to the limit."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5h", "1w", "0s", "367d", "99999999d"])
def test_durations_that_are_none(text: str) -> None:
    """Anything else is refused by name."""
    with pytest.raises(Rejected, match="--for"):
        parse_duration_s(text)
