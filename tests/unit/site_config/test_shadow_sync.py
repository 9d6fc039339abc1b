"""The exchange with the shadows: what is fetched when, what is reported, and what an unreliable network does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.shared.wire.messages import ConfigApplied
from components.shared.wire.site_config import SHADOW_BYTES_MAX, SITE, document_sha256
from components.shared.wire.units import NS_PER_S
from components.site_config.core.fetches import FIRST_SWEEP_NS, MATCHING_SWEEP_NS, SWEEP_NS
from components.site_config.core.propose import Proposal
from tests.fakes.config_site import ConfigSite, camera

pytestmark = pytest.mark.slow  # real files with real syncs


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    """A site with two cameras, in touch with the cloud and quiet."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"a": camera("A"), "b": camera("B")})
    site.sweep()
    site.store.calls.clear()
    return site


def gets(site: ConfigSite) -> list[str]:
    """The shadows that were fetched since the last look."""
    found = [name for operation, name in site.store.calls if operation == "get"]
    site.store.calls.clear()
    return found


def applied(site: ConfigSite, document: str, state: Any = "in_force", error: str | None = None) -> None:
    """Capture answers for the document that is in force."""
    raw = site.in_force(document) or {}
    body = ConfigApplied(
        component="Capture", document=document, version=1, sha256=document_sha256(raw), state=state, error=error
    )
    site.reporting.heard(body)


def test_quiet_site_asks_little(site: ConfigSite) -> None:
    """A minute costs one fetch of the site's shadow; a camera that has the hash the site names is looked at rarely."""
    site.clock.advance(SWEEP_NS)
    site.exchange()
    assert gets(site) == [SITE]
    site.clock.advance(MATCHING_SWEEP_NS)
    site.exchange()
    assert gets(site) == [SITE, "camera-a", "camera-b"]


def test_only_answers_are_work_done(site: ConfigSite) -> None:
    """A round in which nothing is due does nothing; a sweep that is due is overdue until the cloud has answered it."""
    before = site.sync.answers
    site.exchange()
    assert (site.sync.answers, site.sync.is_overdue()) == (before, False)
    site.store.online = False
    site.clock.advance(SWEEP_NS)
    site.exchange()
    assert (site.sync.answers, site.sync.is_overdue()) == (before, True)
    site.store.online = True
    site.exchange()
    assert (site.sync.answers > before, site.sync.is_overdue()) == (True, False)


def test_first_configuration_is_waited_for(tmp_path: Path) -> None:
    """While there is no site at all the cloud is asked every two seconds."""
    site = ConfigSite(tmp_path / "data").start()
    site.exchange()
    assert gets(site) == [SITE]
    site.clock.advance(FIRST_SWEEP_NS)
    site.exchange()
    assert gets(site) == [SITE]
    site.store.configure({"a": camera("A")})
    site.clock.advance(FIRST_SWEEP_NS)
    site.exchange()
    assert site.in_force("camera-a") == camera("A")


def test_camera_that_does_not_match_is_looked_at_every_minute(site: ConfigSite) -> None:
    """A camera that waits for its document, or takes any, is fetched with the site."""
    site.store.operate(SITE, {"cameras": {"a": "any", "b": "0" * 64}})
    site.sweep()
    gets(site)
    site.clock.advance(SWEEP_NS)
    site.exchange()
    assert gets(site) == [SITE, "camera-a", "camera-b"]


def test_hint_is_followed_at_once(site: ConfigSite) -> None:
    """A delta has its shadow fetched now; one of a version that is known already, or of a stranger, has not."""
    site.store.operate(SITE, {"recording": {"segment_s": 9}})
    site.hint(SITE)
    site.exchange()
    assert gets(site) == [SITE]
    assert (site.in_force(SITE) or {})["recording"] == {"segment_s": 9}
    site.hint(SITE, version=site.configuration.shadow_version(SITE))
    site.hint("camera-stranger")
    site.broker.from_cloud("$aws/things/site-1/shadow/name/camera-a/update/delta", b"\xff not JSON")
    site.exchange()
    assert gets(site) == ["camera-a"]


def test_nothing_counts_before_all_is_fetched(site: ConfigSite) -> None:
    """A look for edits in the middle of a fetch does not bring the site in force before its cameras."""
    site.store.configure({"a": camera("A2"), "c": camera("C")})
    get = site.store.get
    seen: list[bool] = []

    def get_and_look(name: str) -> Any:
        found = get(name)
        if name == SITE:
            site.look()
            seen.append((site.in_force(SITE) or {}) == site.store.desired(SITE))
        return found

    site.store.get = get_and_look  # type: ignore[method-assign]  # the other task, at the worst moment
    site.sweep()
    assert seen[0] is False
    assert site.in_force("camera-c") == camera("C")
    assert site.in_force(SITE) == site.store.desired(SITE)


def test_connection_lost_in_the_middle(site: ConfigSite) -> None:
    """Half of what was fetched counts for nothing; when the network is back only the rest is fetched."""
    site.store.configure({"a": camera("A2"), "b": camera("B2")})
    get = site.store.get

    def get_until_a(name: str) -> Any:
        found = get(name)
        site.store.online = name != "camera-a"
        return found

    before = site.in_force("camera-a")
    site.store.get = get_until_a  # type: ignore[method-assign]  # the network goes after camera-a
    site.clock.advance(SWEEP_NS)
    assert not site.exchange()
    assert site.in_force("camera-a") == before
    site.store.get = get  # type: ignore[method-assign]
    site.store.online = True
    site.store.calls.clear()
    site.exchange()
    assert gets(site) == ["camera-b"]
    assert site.in_force("camera-a") == camera("A2")
    assert site.in_force("camera-b") == camera("B2")


def test_answers_of_components_are_one_update(site: ConfigSite) -> None:
    """Answers within a second go in one update; a component that refuses shows with its reason."""
    applied(site, "camera-a", "refused", "codec not supported")
    site.reporting.heard(
        ConfigApplied(component="CloudSync", document="camera-a", version=1, sha256="0" * 64, state="in_force")
    )
    site.sweep()
    reported = site.store.reported("camera-a")
    assert reported["state"] == "in_force"
    assert reported["error"] == "Capture refuses it: codec not supported"
    assert reported["components"]["Capture"]["state"] == "refused"
    assert reported["components"]["CloudSync"]["sha256"] == "0" * 64
    assert site.store.calls.count(("update_reported", "camera-a")) == 1


def test_repeated_answers_are_not_repeated_in_the_shadow(site: ConfigSite) -> None:
    """What the shadow says already is not sent again, after a restart either."""
    applied(site, "camera-a")
    site.sweep()
    site.store.calls.clear()
    site.start()
    for _ in range(3):
        site.sweep()
        applied(site, "camera-a")
    assert [operation for operation, _ in site.store.calls if operation != "get"] == []
    assert site.store.reported("camera-a")["components"]["Capture"]["state"] == "in_force"


def test_refusal_is_reported_once(site: ConfigSite) -> None:
    """A bad document is told once, with its version, however long it stays and however often we start."""
    version = site.store.operate(SITE, {"recording": {"segment_s": "long"}})
    site.sweep()
    reported = site.store.reported(SITE)
    assert (reported["state"], reported["version"]) == ("refused", version)
    assert "recording.segment_s" in reported["error"]
    assert reported["in_force_sha256"] == document_sha256(site.in_force(SITE))
    site.store.calls.clear()
    for _ in range(3):
        site.sweep()
        site.start()
    site.sweep()
    assert [call for call in site.store.calls if call[0] != "get"] == []
    site.store.operate(SITE, {"recording": {"segment_s": 60}})
    site.sweep()
    assert site.store.reported(SITE)["state"] == "in_force"
    assert "error" not in site.store.reported(SITE)


def test_refusal_is_known_offline(site: ConfigSite) -> None:
    """After a restart without a network the operator's report still tells what was refused."""
    site.store.operate("camera-a", {"naem": "x"})
    site.hint("camera-a")
    site.sweep()
    site.store.online = False
    site.start()
    site.look()
    assert site.report()["camera-a"]["state"] == "refused"
    assert "naem" in site.report()["camera-a"]["error"]
    assert site.in_force("camera-a") == camera("A")


def test_shadow_deleted(site: ConfigSite) -> None:
    """A shadow that disappears takes nothing with it, and that it is gone is told."""
    site.store.delete(SITE)
    site.sweep()
    assert site.in_force("camera-a") == camera("A")
    assert site.store.reported(SITE)["state"] == "pending"
    assert site.log.named("desired_state_gone")[0].fields["document"] == SITE


def test_report_of_a_removed_camera_is_cleared(site: ConfigSite) -> None:
    """A camera that is gone is not reported as in force for ever; a shadow that is gone too is not made again."""
    site.store.operate(SITE, {"cameras": {"a": None, "b": None}})
    site.store.delete("camera-b")
    site.sweep()
    assert site.store.reported("camera-a") == {}
    assert site.store.look("camera-b") is None


def test_document_that_leaves_no_room_for_a_report(site: ConfigSite) -> None:
    """A desired state that fills the shadow is refused here and told at the site; the others are reported."""
    site.store.operate(SITE, {"padding": "x" * (SHADOW_BYTES_MAX - 1_100)})
    site.store.operate("camera-a", {"naem": "x"})
    site.hint("camera-a")
    site.sweep()
    assert site.report()[SITE]["state"] == "refused"
    assert "bytes" in site.report()[SITE]["error"]
    assert site.store.reported("camera-a")["state"] == "refused"
    assert site.store.calls.count(("update_reported", SITE)) == 1, "not at every round"
    site.store.operate(SITE, {"padding": "x" * 6_000})
    site.sweep()
    assert site.store.reported(SITE)["state"] == "refused", "there is room now"


def test_report_is_sent_until_it_is_answered(site: ConfigSite) -> None:
    """Offline reports wait, only the newest is sent, and a lost answer does no harm."""
    site.store.online = False
    applied(site, "camera-a", "refused", "one")
    site.sweep()
    applied(site, "camera-a", "refused", "two")
    site.store.online = True
    site.store.answers_lost = 1
    site.store.calls.clear()
    site.sweep()
    assert site.store.reported("camera-a")["components"]["Capture"]["error"] == "two"


def test_offline_start(tmp_path: Path) -> None:
    """A start without a network has the last good documents, and nothing is replaced by nothing."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"a": camera("A")})
    site.sweep()
    site.store.online = False
    files = {path.name: path.read_bytes() for path in (site.data / "config").glob("*.json")}
    site.start()
    for _ in range(3):
        site.look()
        site.sweep()
    assert {path.name: path.read_bytes() for path in (site.data / "config").glob("*.json")} == files


def test_settles_while_somebody_changes_the_shadow_all_the_time(site: ConfigSite) -> None:
    """A push that always finds another version is decided anew each time, and gets through when it may."""
    update = site.store.update_desired
    left = [3]

    def update_late(name: str, patch: Any, version: int) -> int:
        if left[0]:
            left[0] -= 1
            site.store.operate(SITE, {"recording": {"segment_s": 100 + left[0]}})
        return update(name, patch, version)

    site.store.update_desired = update_late  # type: ignore[method-assign]  # an operator who is always a bit faster
    site.edit(SITE, {"time_zone": "Asia/Tokyo"})
    for _ in range(6):
        site.exchange()
    assert site.store.desired(SITE)["time_zone"] == "Asia/Tokyo"
    assert site.store.desired(SITE)["recording"] == {"segment_s": 100}
    assert site.in_force(SITE) == site.store.desired(SITE)


def test_unnamed_time(site: ConfigSite) -> None:
    """Nothing depends on the wall clock: a jump of years changes nothing."""
    site.clock.step_wall(-10 * 365 * 86_400 * NS_PER_S)
    site.store.operate(SITE, {"recording": {"segment_s": 60}})
    site.sweep()
    assert site.in_force(SITE) == site.store.desired(SITE)


def test_edit_after_a_lost_answer(site: ConfigSite) -> None:
    """What was sent without an answer is known as ours after a restart: the next edit goes on top, nothing is lost."""
    site.edit("camera-a", {"name": "first"})
    site.store.answers_lost = 1
    assert not site.exchange()
    assert site.store.desired("camera-a")["name"] == "first"
    site.edit("camera-a", {"name": "second"})
    site.start()
    site.sweep()
    assert site.store.desired("camera-a")["name"] == "second"
    assert site.log.named("edit_lost") == []


def test_change_in_the_cloud_just_before_a_report(site: ConfigSite) -> None:
    """A report moves the version over a change that was not seen: the shadow is fetched before anything is sent."""
    site.store.operate(SITE, {"recording": {"segment_s": 9}})
    applied(site, SITE)
    site.exchange()
    site.clock.advance(2 * NS_PER_S)
    site.exchange()
    assert site.store.calls.count(("update_reported", SITE)) == 1
    site.edit(SITE, {"recording": {"segment_s": 5}})
    site.exchange()
    assert site.store.desired(SITE)["recording"] == {"segment_s": 9}
    assert "recording" in str(site.log.named("edit_lost")[0].fields["reason"])


def test_edit_is_made_on_what_was_just_fetched(site: ConfigSite) -> None:
    """An edit that comes between a fetch and its consequences takes the fetched document for its base."""
    site.store.operate(SITE, {"recording": {"segment_s": 9}})
    site.configuration.fetched(SITE, site.store.look(SITE))
    site.configuration.all_fetched()
    site.configuration.propose(Proposal("p1", SITE, {"time_zone": "Asia/Tokyo"}))
    site.configuration.settle()
    assert (site.in_force(SITE) or {})["recording"] == {"segment_s": 9}
    assert (site.in_force(SITE) or {})["time_zone"] == "Asia/Tokyo"
