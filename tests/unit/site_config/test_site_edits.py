"""Edits made at the site: from a file in the folder to the document in force, the answer and the shadow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.shared.wire.messages import ConfigChanged
from components.shared.wire.site_config import DOCUMENT_BYTES_MAX, SITE, document_sha256
from components.shared.wire.units import NS_PER_S
from components.site_config.proposals import ANSWERS_MAX, PROPOSAL_BYTES_MAX, REFUSED_FILES_MAX, WAITING_MAX
from components.site_config.site_edits import ANSWER_KEPT_NS
from tests.fakes.config_site import ConfigSite, camera

pytestmark = pytest.mark.slow  # real files with real syncs


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    """A site with one camera, in touch with the cloud."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"a": camera("A")})
    site.sweep()
    return site


def test_edit_is_in_force_at_once_and_sent(site: ConfigSite) -> None:
    """One look puts it in force, hints it and answers; the next exchange brings it into the shadow."""
    answer = site.edit("camera-a", {"name": "Back yard"})
    assert (answer["state"], answer["error"]) == ("in_force", None)
    assert site.in_force("camera-a") == camera("Back yard")
    hinted = [body for body in site.broker.bodies(ConfigChanged) if isinstance(body, ConfigChanged)]
    assert [body.document for body in hinted[-2:]] == ["camera-a", SITE]
    site.exchange()
    assert site.store.desired("camera-a") == camera("Back yard")
    assert site.store.desired(SITE)["cameras"]["a"] == document_sha256(camera("Back yard"))


def test_edit_without_the_cloud(site: ConfigSite) -> None:
    """Offline it is in force at once all the same, over a restart too, and in the shadow when the network is back."""
    site.store.online = False
    site.clock.advance(61 * NS_PER_S)
    assert not site.exchange()
    assert site.edit(SITE, {"recording": {"segment_s": 60}})["state"] == "pending"
    site.start()
    assert (site.in_force(SITE) or {})["recording"] == {"segment_s": 60}
    site.look()
    assert site.report()[SITE]["unsent"] is True
    site.store.online = True
    site.sweep()
    assert site.store.desired(SITE)["recording"] == {"segment_s": 60}
    assert site.report()[SITE]["unsent"] is False


def test_new_camera_with_no_site_at_all(tmp_path: Path) -> None:
    """A whole document makes a camera; the site's document comes with it, and both shadows later."""
    site = ConfigSite(tmp_path / "data").start()
    assert site.edit("camera-new", camera("New"))["state"] == "pending"
    assert site.in_force("camera-new") == camera("New")
    site.sweep()
    assert site.store.desired("camera-new") == camera("New")
    assert site.store.desired(SITE) == {"schema": 1, "cameras": {"new": document_sha256(camera("New"))}}


def test_camera_removed(site: ConfigSite) -> None:
    """A null in the site's cameras removes the camera from everything that is in force, not its shadow."""
    assert site.edit(SITE, {"cameras": {"a": None}})["state"] == "in_force"
    assert site.in_force("camera-a") is None
    assert not (site.data / "config" / "camera-a.json").exists()
    site.sweep()
    assert site.store.desired(SITE)["cameras"] == {}
    assert site.store.desired("camera-a") == camera("A")
    assert site.store.reported("camera-a") == {}


@pytest.mark.parametrize(
    ("document", "changes", "reason"),
    [
        ("camera-a", {"name": 5}, "name"),
        ("camera-a", {"naem": "x"}, "naem"),
        ("camera-a", {"source": {"url": "rtsp://user:secret@192.0.2.1/"}}, "no user or password"),
        ("camera-b", {"name": "no source"}, "source"),
        ("camera-UPPER", camera(), "camera-ID"),
        ("camera-../site", camera(), "camera-ID"),
        ("health", {"ok": True}, "neither"),
        (SITE, {"time_zone": "Atlantis/Capital"}, "time_zone"),
        (SITE, {"cameras": {f"camera-{n}": "0" * 64 for n in range(100)}}, f"at most {DOCUMENT_BYTES_MAX}"),
    ],
)
def test_bad_edit(site: ConfigSite, document: str, changes: Any, reason: str) -> None:
    """It is refused with a reason that names the member, and nothing changes anywhere."""
    before = {path.name: path.read_bytes() for path in (site.data / "config").glob("*.json")}
    answer = site.edit(document, changes)
    assert answer["state"] == "refused"
    assert reason in answer["error"]
    assert {path.name: path.read_bytes() for path in (site.data / "config").glob("*.json")} == before
    assert site.folder.waiting() == []
    assert site.configuration.unsent() == 0


def test_edit_on_a_version_that_is_not_there_any_more(site: ConfigSite) -> None:
    """Who names the version that was looked at is told when it is another one now."""
    version = site.report()["camera-a"]["version"]
    assert site.edit("camera-a", {"name": "X"}, base_version=version + 1)["state"] == "refused"
    assert site.edit("camera-a", {"name": "X"}, base_version=version)["state"] == "in_force"
    assert "made on version" in site.edit("camera-a", {"name": "Y"}, base_version=version)["error"]


def test_edit_that_changes_nothing(site: ConfigSite) -> None:
    """It is answered with the version that is in force, and nothing is sent."""
    answer = site.edit("camera-a", {"name": "A"})
    assert (answer["state"], answer["version"]) == ("in_force", site.report()["camera-a"]["version"])
    assert site.configuration.unsent() == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b"{"),
        ("x.json", b"[]"),
        ("x.json", b'{"document": "site"}'),
        ("x.json", b'{"document": "site", "changes": null}'),
        ("x.json", b'{"document": "site", "changes": {"schema": 2, "x": NaN}}'),
        ("x.json", b'{"document": "site", "changes": {"x": "\\ud800"}}'),
        ("x.json", b'{"document": "site", "changes": ' + b'{"a":' * 500 + b"1" + b"}" * 501),
        ("x.json", b" " * (PROPOSAL_BYTES_MAX + 1)),
        ("x.json", b"\xff\xfe"),
        ("notes.txt", b"hello"),
        ("bad name!.json", b"{}"),
        ("x" * 65 + ".json", b"{}"),
    ],
)
def test_garbage_in_the_folder(site: ConfigSite, name: str, content: bytes) -> None:
    """What is no proposal is refused by name at the second look, kept aside, and disturbs nothing."""
    (site.folder.path / name).write_bytes(content)
    site.look()
    assert len(site.folder.waiting()) == 1, "it might still be being written"
    site.look()
    assert site.folder.waiting() == []
    assert site.log.named("proposal_not_readable")[0].fields["file"] == name
    assert len(list((site.folder.path / "refused").iterdir())) == 1
    if name == "x.json":
        assert site.answer("x")["state"] == "refused"
    assert site.edit("camera-a", {"name": "Back yard"})["state"] == "in_force"


def test_other_things_in_the_folder(site: ConfigSite) -> None:
    """A folder, a dangling link and a file that is still being written do not disturb either."""
    (site.folder.path / "folder.json").mkdir()
    (site.folder.path / "link.json").symlink_to("/nowhere")
    (site.folder.path / ".p9.json.part").write_text("{")
    site.look()
    site.look()
    assert site.folder.waiting() == []
    assert (site.folder.path / ".p9.json.part").exists()


def test_garbage_is_limited(site: ConfigSite) -> None:
    """Of what was no proposal only the newest few are kept."""
    for number in range(REFUSED_FILES_MAX + 5):
        (site.folder.path / f"x{number}.txt").write_text("")
    site.look()
    site.look()
    assert len(list((site.folder.path / "refused").iterdir())) == REFUSED_FILES_MAX


def test_many_at_once(site: ConfigSite) -> None:
    """More than a look takes are taken by the next, in the order in which they were written; none is lost."""
    for number in range(WAITING_MAX + 2):
        site.propose(SITE, {"recording": {"segment_s": number + 1}})
    site.look()
    assert len(site.folder.waiting()) == 2
    site.look()
    assert site.folder.waiting() == []
    assert len(site.folder.answers()) == WAITING_MAX + 2


def test_answers_that_nobody_fetches(site: ConfigSite) -> None:
    """They go after an hour, or when there are too many."""
    site.edit("camera-a", {"name": "X"})
    site.clock.advance(ANSWER_KEPT_NS - 1)
    site.look()
    assert len(site.folder.answers()) == 1
    site.clock.advance(2)
    site.look()
    assert site.folder.answers() == []
    for number in range(ANSWERS_MAX + 3):
        (site.folder.path / f"old{number}.answer.json").write_text("{}")
    site.look()
    assert len(site.folder.answers()) == ANSWERS_MAX


def test_conflict_is_told(site: ConfigSite) -> None:
    """An edit that gave way is named in log, report and shadow, until something new is wanted."""
    site.store.online = False
    site.edit("camera-a", {"name": "made here"})
    site.store.operate("camera-a", {"name": "made there"})
    site.store.operate(SITE, {"cameras": {"a": document_sha256(camera("made there"))}})
    site.store.online = True
    site.sweep()
    assert site.in_force("camera-a") == camera("made there")
    assert site.log.named("edit_lost")[0].fields["document"] == "camera-a"
    assert "another document" in site.report()["camera-a"]["lost"]
    assert site.store.reported("camera-a")["lost"] == site.report()["camera-a"]["lost"]
    site.start()
    site.sweep()
    assert site.store.reported("camera-a")["lost"]
    site.edit("camera-a", {"name": "made here again"})
    site.sweep()
    assert "lost" not in site.store.reported("camera-a")
    assert site.store.desired("camera-a")["name"] == "made here again"


def test_edit_over_a_pending_document(site: ConfigSite) -> None:
    """An edit made while the cloud's document waits for its hash replaces it: who edits now decides."""
    site.store.operate("camera-a", {"name": "half done"})
    site.hint("camera-a")
    site.sweep()
    assert site.report()["camera-a"]["state"] == "pending"
    assert site.edit("camera-a", {"name": "made here"})["state"] == "in_force"
    site.sweep()
    assert site.store.desired("camera-a") == camera("made here")
    assert site.report()["camera-a"]["state"] == "in_force"


def test_cloud_refuses_an_edit(site: ConfigSite) -> None:
    """A push that the cloud turns down for good stays in force here, is told, and is not tried all the time."""
    site.store.update_reported("camera-a", {"foreign": "x" * 7_950})
    site.hint("camera-a")
    site.exchange()
    site.edit("camera-a", {"name": "x" * 60, "motion": {"regions": {f"r{n}": "0,0 0,9 9,9 9,0" for n in range(8)}}})
    calls = len(site.store.calls)
    for _ in range(5):
        site.exchange()
    assert ("update_desired", "camera-a") in site.store.calls[calls:]
    assert site.store.calls[calls:].count(("update_desired", "camera-a")) == 1
    assert ("update_desired", SITE) not in site.store.calls[calls:], "the site would name what nobody has"
    assert site.log.named("edit_not_taken_by_cloud")
    assert (site.in_force("camera-a") or {})["name"] == "x" * 60
