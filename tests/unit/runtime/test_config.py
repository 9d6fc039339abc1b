"""Last good documents: what is valid is in force, what is not is named, and the one before stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from components.shared.runtime.config import (
    FILE_BYTES_MAX,
    ConfigWatcher,
    read_snapshot,
    remove_document,
    write_document,
)
from components.shared.runtime.files import write_durably
from components.shared.wire.site_config import document_sha256
from tests.fakes.clock import FakeClock

CLOCK = FakeClock()


def _camera(name: str = "Door", **more: object) -> dict[str, object]:
    return {"schema": 1, "name": name, "source": {"url": "rtsp://10.0.0.1/1", "secret": "cam-1"}, **more}


def _site(*cameras: str, **more: object) -> dict[str, object]:
    return {"schema": 1, "cameras": dict.fromkeys(cameras, "any"), **more}


def _file(data: Path, name: str) -> Path:
    return data / "config" / f"{name}.json"


def test_a_written_document_is_read_with_its_version_and_hash(tmp_path: Path) -> None:
    """Site and cameras come back as documents, with what they were written as."""
    write_document(tmp_path, "camera-cam-1", _camera(), 7, CLOCK)
    sha256 = write_document(tmp_path, "site", _site("cam-1"), 3, CLOCK)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert (snapshot.site.version, snapshot.site.sha256) == (3, sha256)
    assert sha256 == document_sha256(_site("cam-1"))
    assert snapshot.cameras["cam-1"].document.name == "Door"
    assert snapshot.cameras["cam-1"].raw == _camera()
    assert snapshot.cameras["cam-1"].version == 7
    assert snapshot.faults == {}


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    """The file is JSON with document, version, hash, content and time, for people and for other releases."""
    write_document(tmp_path, "site", _site(), 3, CLOCK)
    held = json.loads(_file(tmp_path, "site").read_text())
    assert held == {
        "document": "site",
        "version": 3,
        "sha256": document_sha256(_site()),
        "raw": _site(),
        "written_wall_ns": CLOCK.wall_ns(),
    }


def test_without_a_site_document_there_is_no_snapshot(tmp_path: Path) -> None:
    """A new box has nothing in force, with and without the folder, even with a camera's document there."""
    assert read_snapshot(tmp_path) is None
    write_document(tmp_path, "camera-cam-1", _camera(), 1, CLOCK)
    assert read_snapshot(tmp_path) is None


def test_a_camera_exists_only_if_the_site_names_it(tmp_path: Path) -> None:
    """A camera's document alone makes no camera; a name without a document is a fault."""
    write_document(tmp_path, "camera-cam-1", _camera(), 1, CLOCK)
    write_document(tmp_path, "camera-cam-2", _camera(), 1, CLOCK)
    write_document(tmp_path, "site", _site("cam-1", "cam-3"), 1, CLOCK)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert list(snapshot.cameras) == ["cam-1"]
    assert list(snapshot.faults) == ["camera-cam-3"]


@pytest.mark.parametrize(
    ("name", "raw", "what"),
    [
        ("site", {"schema": 1, "colour": "red"}, "colour"),
        ("camera-cam-1", {"schema": 1}, "source"),
        ("camera-cam-1", _camera() | {"source": {"url": "rtsp://u:p@h/1"}}, "no user or password"),
        ("health", {}, "neither the site nor a camera"),
        ("../site", {}, "neither the site nor a camera"),
    ],
)
def test_a_document_that_is_not_valid_is_not_written(
    tmp_path: Path, name: str, raw: dict[str, object], what: str
) -> None:
    """A bad document is Rejected with its reason, and nothing lies on the disk."""
    with pytest.raises(Rejected, match=what):
        write_document(tmp_path, name, raw, 1, CLOCK)
    assert list(tmp_path.iterdir()) == []


def _damage_text(path: Path) -> None:
    path.write_text("{")


def _damage_content(path: Path) -> None:
    path.write_text(path.read_text().replace("Door", "Gate"))


def _damage_name(path: Path) -> None:
    path.write_text(path.read_text().replace('"document": "camera-cam-1"', '"document": "camera-cam-2"'))


def _damage_length(path: Path) -> None:
    path.write_text(path.read_text() + " " * FILE_BYTES_MAX)


def _damage_validity(path: Path) -> None:
    raw = _camera(mode="sometimes")
    path.write_text(json.dumps({"document": "camera-cam-1", "version": 2, "sha256": document_sha256(raw), "raw": raw}))


DAMAGES = {
    _damage_text: "its file is damaged",
    _damage_content: "does not match its hash",
    _damage_name: "holds document 'camera-cam-2'",
    _damage_length: "longer than",
    _damage_validity: "mode",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_document_is_a_fault_and_the_one_before_stays(tmp_path: Path, damage: object) -> None:
    """At start a damaged camera is left out and named; a component that had it goes on with what it had."""
    assert callable(damage)
    write_document(tmp_path, "camera-cam-1", _camera(), 1, CLOCK)
    write_document(tmp_path, "site", _site("cam-1"), 1, CLOCK)
    good = read_snapshot(tmp_path)
    assert good is not None
    damage(_file(tmp_path, "camera-cam-1"))
    at_start = read_snapshot(tmp_path)
    later = read_snapshot(tmp_path, good)
    assert at_start is not None
    assert later is not None
    assert at_start.cameras == {}
    assert later.cameras == good.cameras
    assert at_start.faults == later.faults
    assert DAMAGES[damage] in later.faults["camera-cam-1"]


def test_a_damaged_site_is_rejected_at_start_and_kept_later(tmp_path: Path) -> None:
    """Without a good site document there is nothing to go by; with one before, it stays in force and is named."""
    write_document(tmp_path, "site", _site(time_zone="Europe/Berlin"), 1, CLOCK)
    good = read_snapshot(tmp_path)
    assert good is not None
    _file(tmp_path, "site").write_text("{}")
    with pytest.raises(Rejected, match="document site: its file is damaged"):
        read_snapshot(tmp_path)
    later = read_snapshot(tmp_path, good)
    assert later is not None
    assert later.site == good.site
    assert "damaged" in later.faults["site"]


def test_a_newer_schema_is_in_force_and_says_what_was_ignored(tmp_path: Path) -> None:
    """A document of a newer release works here too; the keys that this one does not know are named."""
    write_document(tmp_path, "site", {"schema": 99, "cameras": {}, "weather": "fine"}, 1, CLOCK)
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.site.ignored == ("weather",)


def test_the_watcher_tells_each_change_once(tmp_path: Path) -> None:
    """A poll gives a snapshot at first and after a change, and None as long as nothing changed."""
    watcher = ConfigWatcher(tmp_path, CLOCK)
    assert watcher.poll() is None
    write_document(tmp_path, "site", _site("cam-1"), 1, CLOCK)
    first = watcher.poll()
    assert first is not None
    assert first.cameras == {}
    assert watcher.poll() is None
    write_document(tmp_path, "camera-cam-1", _camera(), 1, CLOCK)
    second = watcher.poll()
    assert second is not None
    assert list(second.cameras) == ["cam-1"]
    write_document(tmp_path, "camera-cam-1", _camera("Gate"), 2, CLOCK)
    third = watcher.poll()
    assert third is not None
    assert third.cameras["cam-1"].document.name == "Gate"
    assert watcher.poll() is None
    assert watcher.read_wall_ns == CLOCK.wall_ns()


def test_the_same_document_written_again_is_no_change(tmp_path: Path) -> None:
    """A file that was rewritten with the same content, version included, is not told."""
    watcher = ConfigWatcher(tmp_path, CLOCK)
    write_document(tmp_path, "site", _site(), 1, CLOCK)
    assert watcher.poll() is not None
    write_document(tmp_path, "site", _site(), 1, CLOCK)
    assert watcher.poll() is None


def test_the_watcher_notices_a_change_of_the_same_length(tmp_path: Path) -> None:
    """A document that keeps its length is noticed all the same."""
    write_document(tmp_path, "camera-cam-1", _camera("Door"), 1, CLOCK)
    write_document(tmp_path, "site", _site("cam-1"), 1, CLOCK)
    watcher = ConfigWatcher(tmp_path, CLOCK)
    watcher.poll()
    for name in ("Gate", "Hall", "Yard"):
        write_document(tmp_path, "camera-cam-1", _camera(name), 1, CLOCK)
        snapshot = watcher.poll()
        assert snapshot is not None
        assert snapshot.cameras["cam-1"].document.name == name


def test_a_removed_camera_is_gone_and_a_removed_site_stays(tmp_path: Path) -> None:
    """A camera goes when the site no longer names it; the site document itself is never lost by its file's loss."""
    write_document(tmp_path, "camera-cam-1", _camera(), 1, CLOCK)
    write_document(tmp_path, "site", _site("cam-1"), 1, CLOCK)
    watcher = ConfigWatcher(tmp_path, CLOCK)
    watcher.poll()
    write_document(tmp_path, "site", _site(), 2, CLOCK)
    assert remove_document(tmp_path, "camera-cam-1") is True
    snapshot = watcher.poll()
    assert snapshot is not None
    assert snapshot.cameras == {}
    assert remove_document(tmp_path, "site") is True
    kept = watcher.poll()
    assert kept is not None
    assert kept.site.version == 2
    assert "is gone" in kept.faults["site"]
    assert remove_document(tmp_path, "site") is False


def test_the_watcher_keeps_the_last_good_and_names_a_bad_site(tmp_path: Path) -> None:
    """A site document that is bad from the start is told as `site_fault`, until it is mended."""
    write_durably_under(tmp_path, b"{}")
    watcher = ConfigWatcher(tmp_path, CLOCK)
    assert watcher.poll() is None
    assert watcher.site_fault is not None
    assert "damaged" in watcher.site_fault
    write_document(tmp_path, "site", _site(), 1, CLOCK)
    assert watcher.poll() is not None
    assert watcher.site_fault is None


def write_durably_under(data: Path, content: bytes) -> None:
    (data / "config").mkdir()
    write_durably(_file(data, "site"), content)
