"""Versions of a document are listed, compared and put back, with the site running or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.config_site import ConfigSite, camera
from tests.unit.cli.conftest import Nvr


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    """A camera of the cloud that was edited twice at the site."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"yard": camera()}, recording={"segment_s": 60})
    site.sweep()
    site.edit("camera-yard", {"name": "Back yard"})
    site.edit("camera-yard", {"name": "Side yard", "snapshot_s": 5})
    site.sweep()
    return site


def test_history(nvr: Nvr, site: ConfigSite) -> None:
    """Who, what state, which version, and which members; of one document or of all."""
    told = nvr("config", "history", "camera-yard", "--data", site.data, "--json").json
    assert [(row["number"], row["by"], row["state"], row["changed"]) for row in told] == [
        (1, "cloud", "in_force", []),
        (2, "site", "in_force", ["name"]),
        (3, "site", "in_force", ["name", "snapshot_s"]),
    ]
    lines = nvr("config", "history", "--data", site.data).out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == {"site", "camera-yard"}
    assert any("name, snapshot_s" in line for line in lines)


def test_diff(nvr: Nvr, site: ConfigSite) -> None:
    """Without names what came last; of a version what has changed since; of two whatever they differ in."""

    def diff(*names: object) -> list[tuple[str, Any, Any]]:
        told = nvr("config", "diff", "camera-yard", *names, "--data", site.data, "--json").json
        return [(change["path"], change["before"], change["after"]) for change in told["changes"]]

    assert diff() == [("name", "Back yard", "Side yard"), ("snapshot_s", None, 5)]
    assert diff(1) == [("name", "Yard", "Side yard"), ("snapshot_s", None, 5)]
    assert diff(2, 1) == [("name", "Back yard", "Yard")]
    assert diff("in-force", 3) == []
    assert "snapshot_s: nothing -> 5" in nvr("config", "diff", "camera-yard", "--data", site.data).out


def test_diff_of_what_waits(nvr: Nvr, site: ConfigSite) -> None:
    """What the cloud wants and the site refuses, and an edit that nobody has taken yet, are compared by themselves."""
    site.store.operate("camera-yard", {"snapshot_s": -1})
    site.hint("camera-yard")
    site.sweep()
    told = nvr("config", "diff", "camera-yard", "--data", site.data)
    assert told.out.splitlines() == ["camera-yard, in-force to wanted:", "  snapshot_s: 5 -> -1"]
    site.propose("camera-yard", {"snapshot_s": 7})
    told = nvr("config", "diff", "camera-yard", "--data", site.data)
    assert told.out.splitlines() == ["camera-yard, in-force to waiting:", "  snapshot_s: 5 -> 7"]


def test_undo(nvr: Nvr, site: ConfigSite) -> None:
    """The version before is a new edit; undone again, it is what it was; nobody is asked with --yes."""
    for name in ("Back yard", "Side yard"):
        told = nvr("config", "undo", "camera-yard", "--yes", "--data", site.data)
        assert (told.code, "at its next start" in told.out) == (0, True)
        site.sweep()
        site.look()
        found = site.in_force("camera-yard")
        assert found is not None
        assert found["name"] == name
        site.sweep()
        assert site.store.desired("camera-yard") == found
    nvr("config", "undo", "camera-yard", "--to", 1, "--yes", "--data", site.data)
    site.look()
    assert site.in_force("camera-yard") == camera()


def test_undo_is_made_on_what_was_seen(nvr: Nvr, site: ConfigSite) -> None:
    """A change that came in between is not undone with it: the undo is refused."""
    nvr("config", "undo", "camera-yard", "--yes", "--data", site.data)
    site.store.configure({"yard": camera("From the cloud")}, recording={"segment_s": 60})
    site.sweep()
    site.look()
    assert (site.in_force("camera-yard") or {})["name"] == "From the cloud"
    assert site.log.named("edit_refused")


def test_a_lost_edit_and_a_removed_camera_are_had_back(nvr: Nvr, site: ConfigSite) -> None:
    """From the history of each; without a network too."""
    site.store.online = False
    site.edit("camera-yard", {"name": "Lost yard"})
    site.store.configure({"yard": camera("From the cloud")})
    site.store.online = True
    site.sweep()
    rows = nvr("config", "history", "camera-yard", "--data", site.data, "--json").json
    (lost,) = [row["number"] for row in rows if row["state"] == "lost"]
    site.store.online = False
    nvr("config", "undo", "camera-yard", "--to", lost, "--yes", "--data", site.data)
    site.look()
    assert (site.in_force("camera-yard") or {})["name"] == "Lost yard"
    site.edit("site", {"cameras": {"yard": None}})
    assert site.in_force("camera-yard") is None
    nvr("config", "undo", "camera-yard", "--yes", "--data", site.data)
    site.look()
    assert (site.in_force("camera-yard") or {})["name"] == "Lost yard"


def test_undo_of_the_site_leaves_its_cameras(nvr: Nvr, site: ConfigSite) -> None:
    """A member of the site is put back; the hashes of the cameras stay those of the documents in force."""
    site.edit("site", {"recording": {"segment_s": 10}})
    nvr("config", "undo", "site", "--to", 1, "--yes", "--data", site.data)
    site.look()
    found = site.in_force("site")
    assert found is not None
    assert found["recording"] == {"segment_s": 60}
    assert site.report()["camera-yard"]["state"] == "in_force"
    site.sweep()
    assert site.report()["camera-yard"]["state"] == "in_force"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["undo", "camera-yard"], "say --yes"),
        (["undo", "camera-yard", "--to", "99", "--yes"], "no version 99"),
        (["undo", "camera-yard", "--to", "3", "--yes"], "nothing is to be undone"),
        (["undo", "camera-other", "--yes"], "one version only"),
        (["diff", "camera-yard", "newest"], "'newest' is no version"),
        (["diff", "camera-yard", "4"], "no version 4"),
        (["set", "site", "recording.segment_s", "5", "--force"], "a camera's source"),
    ],
)
def test_what_cannot_be_done_is_said(nvr: Nvr, site: ConfigSite, arguments: list[str], reason: str) -> None:
    """With exit code 2, and nothing is changed."""
    told = nvr("config", *arguments, "--data", site.data)
    assert (told.code, reason in told.error) == (2, True), told
    assert not site.folder.waiting()


def test_force(nvr: Nvr, site: ConfigSite) -> None:
    """A forced source carries the word that it wants no trial; one that is not forced is said to be tried."""
    told = nvr("config", "set", "camera-yard", "source.url", "rtsp://192.0.2.2/1", "--data", site.data)
    assert "is tried before the old one is left" in told.out
    site.look()
    assert (site.in_force("camera-yard") or {})["source"] == {"url": "rtsp://192.0.2.2/1"}
    nvr("config", "set", "camera-yard", "source.url", "rtsp://192.0.2.3/1", "--force", "--data", site.data)
    site.look()
    assert (site.in_force("camera-yard") or {})["source"] == {"url": "rtsp://192.0.2.3/1", "trial": False}
    assert (site.in_force("camera-yard") or {})["schema"] == 2
