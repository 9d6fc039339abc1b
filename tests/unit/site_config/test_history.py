"""What documents were: every version with who made it, edits that were lost whole, bounded, and never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.shared.runtime.config_history import histories, history_folder, read_history
from components.shared.wire.config_history import (
    HISTORY_BYTES_MAX,
    KEPT_MAX,
    Entry,
    changes_between,
    with_entry,
)
from components.shared.wire.site_config import SITE
from components.site_config.history import HISTORIES_MAX
from tests.fakes.config_site import ConfigSite, camera
from tests.fakes.wild_documents import WildStore


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    """A site with a camera from the cloud."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"yard": camera()})
    site.sweep()
    return site


def told(site: ConfigSite, document: str = "camera-yard") -> list[tuple[str, str]]:
    """By whom and what, version by version."""
    return [(entry.by, entry.state) for entry in read_history(site.data, document)]


def test_who_changed_what(site: ConfigSite) -> None:
    """A document of the cloud, an edit made here, and a change in the cloud again; each with its document."""
    site.edit("camera-yard", {"name": "Back yard"})
    site.sweep()
    site.store.configure({"yard": camera("Front yard")})
    site.sweep()
    entries = read_history(site.data, "camera-yard")
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert told(site) == [("cloud", "in_force"), ("site", "in_force"), ("cloud", "in_force")]
    assert [entry.raw and entry.raw["name"] for entry in entries] == ["Yard", "Back yard", "Front yard"]
    assert entries[1].edits == ("p0001",)
    assert told(site, SITE)[1] == ("site", "in_force")


def test_a_restart_adds_nothing(site: ConfigSite) -> None:
    """What is known already is not told again, however often it is looked at; what was missed is noted."""
    for _ in range(2):
        site.start()
        site.sweep()
    assert told(site) == [("cloud", "in_force")]
    (history_folder(site.data) / "camera-yard.json").unlink()
    site.start()
    assert told(site) == [("cloud", "in_force")]


def test_a_lost_edit_is_kept_whole(site: ConfigSite) -> None:
    """An edit that gives way to the cloud can be had back from the history, with the reason."""
    site.store.online = False
    site.edit("camera-yard", {"name": "Back yard", "snapshot_s": 5})
    site.store.configure({"yard": camera("Front yard")})
    site.store.online = True
    site.sweep()
    assert told(site) == [("cloud", "in_force"), ("site", "in_force"), ("site", "lost"), ("cloud", "in_force")]
    lost = read_history(site.data, "camera-yard")[2]
    assert lost.raw == {**camera("Back yard"), "snapshot_s": 5}
    assert "since the edit was made" in (lost.reason or "")
    assert lost.edits == ("p0001",)


def test_refused_until_it_is_put_right(site: ConfigSite) -> None:
    """What the cloud wants and the site refuses is there, once, and without the password in its address."""
    good = site.store.desired("camera-yard")
    site.store.operate("camera-yard", {"source": {"url": "rtsp://viewer:pass-word@192.0.2.1/"}})
    site.hint("camera-yard")
    site.sweep()
    site.sweep()
    assert told(site) == [("cloud", "in_force"), ("cloud", "refused")]
    refused = read_history(site.data, "camera-yard")[1]
    assert "source.url" in (refused.reason or "")
    assert "pass-word" not in (history_folder(site.data) / "camera-yard.json").read_text()
    site.store.operate("camera-yard", good)
    site.store.operate("camera-yard", {"name": "Pending"})
    site.hint("camera-yard")
    site.sweep()
    assert told(site)[2:] == [("cloud", "pending")]
    site.store.configure({"yard": site.store.desired("camera-yard")})
    site.sweep()
    assert told(site) == [("cloud", "in_force"), ("cloud", "refused"), ("cloud", "in_force")]


def test_a_removed_camera_keeps_its_history(site: ConfigSite) -> None:
    """Its last document is there, and a camera that comes back goes on with its numbers."""
    site.store.operate(SITE, {"cameras": {"yard": None}})
    site.sweep()
    assert told(site) == [("cloud", "in_force"), ("cloud", "removed")]
    site.store.configure({"yard": camera()})
    site.sweep()
    assert [entry.number for entry in read_history(site.data, "camera-yard")] == [1, 2, 3]


def test_a_damaged_history_is_in_nobodys_way(site: ConfigSite) -> None:
    """It is set aside and begun anew; documents come in force as ever."""
    path = history_folder(site.data) / "camera-yard.json"
    path.write_text('[{"number": "one"}]')
    site.start()
    assert site.edit("camera-yard", {"name": "Back yard"})["state"] == "pending"
    assert site.in_force("camera-yard") == camera("Back yard")
    assert told(site)[-1] == ("site", "in_force")
    assert path.with_suffix(".damaged").exists()
    assert site.log.named("history_damaged")


def test_a_history_that_cannot_be_written_is_in_nobodys_way(site: ConfigSite) -> None:
    """It is told once, and what was missed is noted when the disk takes it."""
    folder = history_folder(site.data)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder was")
    site.start()
    assert site.edit("camera-yard", {"name": "Back yard"})["state"] == "pending"
    assert site.in_force("camera-yard") == camera("Back yard")
    assert len(site.log.named("history_not_kept")) == 1
    folder.unlink()
    site.sweep()
    assert told(site) == [("site", "in_force")]


def entry(state: str, size: int = 0, number: int = 0) -> Entry:
    return Entry(0, 0, "cloud", state, 1, f"{number:064}", {"x": "y" * size})  # type: ignore[arg-type]


def test_bounded_by_number_and_size() -> None:
    """Each kind has room of its own, at the limit and one above; the newest always stays."""
    entries: tuple[Entry, ...] = ()
    for number in range(KEPT_MAX["in_force"] + 1):
        entries = with_entry(entries, entry("in_force", number=number))
    assert [found.number for found in entries] == list(range(2, KEPT_MAX["in_force"] + 2))
    for number in range(KEPT_MAX["refused"] * 3):
        entries = with_entry(entries, entry("refused", number=1_000 + number))
    assert len(entries) == KEPT_MAX["in_force"] + KEPT_MAX["refused"]
    large = with_entry(entries, entry("lost", HISTORY_BYTES_MAX))
    assert [found.state for found in large] == ["lost"]
    sizes: tuple[Entry, ...] = ()
    for number in range(60):
        sizes = with_entry(sizes, entry("in_force", 8_000, number))
    assert HISTORY_BYTES_MAX - 10_000 < len(json.dumps([found.raw for found in sizes])) < HISTORY_BYTES_MAX + 1_000


def test_what_differs() -> None:
    """Members by their paths; an object that comes or goes is one change; true is not 1."""
    found = changes_between({"a": {"b": 1, "c": 2}, "d": True, "e": {}}, {"a": {"b": 1, "c": 3}, "d": 1, "f": {"g": 1}})
    assert [(change.path, change.before, change.after) for change in found] == [
        ("a.c", 2, 3),
        ("d", True, 1),
        ("e", {}, None),
        ("f", None, {"g": 1}),
    ]


def test_histories_are_few(site: ConfigSite) -> None:
    """Cameras that came and went do not fill the disk: the histories that changed first go first."""
    folder = history_folder(site.data)
    for number in range(HISTORIES_MAX):
        path = folder / f"camera-old-{number}.json"
        path.write_text("[]")
        os.utime(path, ns=(number, number))
    site.store.configure({"new": camera()})
    site.sweep()
    kept = histories(site.data)
    assert len(kept) == HISTORIES_MAX
    assert set(kept[:3]) == {"site", "camera-new", "camera-yard"}
    assert kept[-1] == "camera-old-3"


def test_a_bottomless_document_is_told_and_not_kept(tmp_path: Path) -> None:
    """What no shadow could hold stands in the history with its reason alone."""
    site = ConfigSite(tmp_path / "data", WildStore()).start()
    site.store.configure({"yard": camera()})
    site.sweep()
    assert isinstance(site.store, WildStore)
    for depth in (5, 900):
        deep: object = "deep"
        for _ in range(depth):
            deep = {"a": deep}
        site.store.wild["camera-yard"] = {"deep": deep}
        site.hint("camera-yard")
        site.sweep()
    entries = read_history(site.data, "camera-yard")
    assert [(entry.state, entry.raw is None) for entry in entries[1:]] == [("refused", False), ("refused", True)]
    assert "deep" in (entries[2].reason or "")
