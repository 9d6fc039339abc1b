"""SiteConfig killed on each side of every durable step and of every update: the next start comes to the same end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.shared.wire.site_config import SITE, document_sha256
from tests.fakes.config_site import ConfigSite, camera
from tests.fakes.memory_folder import memory_folder
from tests.fakes.shadow_store import FakeShadowStore

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


class Killed(BaseException):
    """The process ends here."""


class Countdown:
    """Lets so many steps happen, then kills."""

    def __init__(self, steps: int | None) -> None:
        self._left = steps
        self.seen: list[str] = []

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if self._left is not None:
            if self._left == 0:
                raise Killed(name)
            self._left -= 1


@dataclass(frozen=True)
class Scenario:
    """Something that happens at a site, after what was there before."""

    before: Callable[[ConfigSite], object]
    happens: Callable[[ConfigSite], object]


def _two_cameras(site: ConfigSite) -> None:
    site.store.configure({"a": camera("A"), "b": camera("B")})
    site.sweep()


def _conflict(site: ConfigSite) -> None:
    """An edit made offline, and a change in the cloud meanwhile."""
    _two_cameras(site)
    site.store.online = False
    site.edit("camera-a", {"name": "made here"})
    site.edit(SITE, {"time_zone": "Europe/Berlin"})
    site.store.operate("camera-a", {"name": "made there"})
    site.store.operate(SITE, {"cameras": {"a": document_sha256(site.store.desired("camera-a"))}})
    site.store.online = True


def _cloud_changes_all(site: ConfigSite) -> None:
    site.store.configure({"a": camera("A2"), "c": camera("C")}, time_zone="Asia/Tokyo")
    site.store.operate(SITE, {"cameras": {"b": None}})


SCENARIOS = {
    "camera edited": Scenario(_two_cameras, lambda site: site.propose("camera-a", {"name": "made here"})),
    "camera added": Scenario(_two_cameras, lambda site: site.propose("camera-c", camera("made here"))),
    "camera removed": Scenario(_two_cameras, lambda site: site.propose(SITE, {"cameras": {"b": None}})),
    "first camera, no cloud": Scenario(lambda _: None, lambda site: site.propose("camera-c", camera("made here"))),
    "edit refused": Scenario(_two_cameras, lambda site: site.propose("camera-a", {"naem": "x"})),
    "garbage proposed": Scenario(_two_cameras, lambda site: (site.folder.path / "x.json").write_text("{")),
    "cloud changed": Scenario(_two_cameras, _cloud_changes_all),
    "conflict": Scenario(_conflict, lambda _: None),
}


def _run(data: Path, scenario: Scenario, countdown: Countdown) -> tuple[ConfigSite, bool]:
    """The site after the scenario, killed at the end of the countdown and started again; whether it was killed."""
    site = ConfigSite(data, FakeShadowStore()).start()
    scenario.before(site)
    site.start(countdown)
    site.store.step = countdown
    killed = False
    scenario.happens(site)
    try:
        site.look()
        site.look()  # garbage is refused at the second look
        site.sweep()
    except Killed:
        killed = True
    site.store.step = lambda _name: None
    site.start()
    for _ in range(3):
        site.look()
        site.sweep()
    return site, killed


def _end(site: ConfigSite) -> dict[str, Any]:
    """All that matters of how it ended."""
    config = site.data / "config"
    journal = config / "edits" / "journal.json"
    answers = {path.name: json.loads(path.read_text()) for path in site.folder.answers()}
    return {
        "in force": {name: site.in_force(name) for name in site.report()},
        "files": sorted(path.name for path in config.glob("*.json")),
        "states": {name: (told["state"], told["error"]) for name, told in site.report().items()},
        "lost": {name: told["lost"] for name, told in site.report().items()},
        "shadows": {name: site.store.desired(name) for name in ("site", "camera-a", "camera-b", "camera-c")},
        "answers": {name: (answer["state"] == "refused", answer["error"]) for name, answer in answers.items()},
        "waiting": site.folder.waiting(),
        "edits": json.loads(journal.read_text())["edits"] if journal.exists() else {},
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere(folder: Path, name: str) -> None:
    """However far it came, the next start finishes it, and nothing is lost, doubled or decided otherwise."""
    scenario = SCENARIOS[name]
    whole = Countdown(None)
    site, killed = _run(folder / "whole", scenario, whole)
    assert not killed
    due = _end(site)
    assert due["edits"] == {}
    assert due["waiting"] == []
    assert len(whole.seen) > 4, whole.seen
    for steps in range(len(whole.seen)):
        site, killed = _run(folder / str(steps), scenario, Countdown(steps))
        assert killed
        assert _end(site) == due, f"killed at {steps}: {whole.seen[steps]}"


def test_damaged_journal_is_set_aside(folder: Path) -> None:
    """A journal that cannot be read is kept for people and told; what is in force stays, the site goes on."""
    site = ConfigSite(folder / "data").start()
    _two_cameras(site)
    journal = site.data / "config" / "edits" / "journal.json"
    journal.parent.mkdir(exist_ok=True)
    journal.write_text('{"edits": {"camera-a"')
    site.start()
    assert site.log.named("journal_damaged")
    assert journal.with_suffix(".damaged").exists()
    assert site.in_force("camera-a") == camera("A")
    assert site.edit("camera-a", {"name": "made here"})["state"] != "refused"


def test_damaged_site_document(folder: Path) -> None:
    """A site's file that cannot be read is mended from the cloud; until then edits are refused."""
    site = ConfigSite(folder / "data").start()
    _two_cameras(site)
    (site.data / "config" / "site.json").write_text("{}")
    site.start()
    site.store.online = False
    answer = site.edit(SITE, {"time_zone": "Asia/Tokyo"})
    assert answer["state"] == "refused"
    assert "damaged" in answer["error"]
    site.store.online = True
    site.sweep()
    assert site.in_force(SITE) == site.store.desired(SITE)
