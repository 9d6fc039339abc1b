"""What is put in force and how every document stands, decided on plain values."""

from __future__ import annotations

from typing import Any

import pytest

from components.shared.wire.site_config import SITE, document_sha256
from components.site_config.core.documents import Desired, Edit, Held, Picture
from components.site_config.core.merge import decide, secret_names

CAMERA = {"schema": 1, "name": "Yard", "source": {"url": "rtsp://192.0.2.1/1"}}
NEW = {**CAMERA, "name": "Back yard"}


def desired(raw: dict[str, Any] | None, version: int = 5) -> Desired:
    return Desired(raw, version, version, document_sha256(raw) if raw is not None else "")


def held(raw: dict[str, Any], version: int = 1) -> Held:
    return Held(raw, version, document_sha256(raw))


def site(**cameras: Any) -> dict[str, Any]:
    """A site's document that names these cameras' documents."""
    return {
        "schema": 1,
        "cameras": {name: raw if isinstance(raw, str) else document_sha256(raw) for name, raw in cameras.items()},
    }


def test_cameras_come_before_the_site() -> None:
    """What the site names is there before the site names it; what it does not name any more goes after it."""
    picture = Picture(
        {SITE: desired(site(b=CAMERA, a=CAMERA)), "camera-a": desired(CAMERA), "camera-b": desired(CAMERA)},
        {SITE: held(site(c=CAMERA)), "camera-c": held(CAMERA)},
    )
    decision = decide(picture)
    assert [name for name, _ in decision.put] == ["camera-a", "camera-b", SITE]
    assert decision.remove == ("camera-c",)


def test_what_is_in_force_is_not_put_again() -> None:
    """The same content is nothing new, whatever its version."""
    picture = Picture(
        {SITE: desired(site(a=CAMERA)), "camera-a": desired(CAMERA, 9)},
        {SITE: held(site(a=CAMERA)), "camera-a": held(CAMERA)},
    )
    decision = decide(picture)
    assert (decision.put, decision.remove, decision.push) == ((), (), ())
    assert decision.states["camera-a"].version == 1


def test_hash_does_not_match() -> None:
    """A camera's document that the site does not name by its hash is pending, and the reason shows both hashes."""
    picture = Picture(
        {SITE: desired(site(a=CAMERA)), "camera-a": desired(NEW)},
        {SITE: held(site(a=CAMERA)), "camera-a": held(CAMERA)},
    )
    state = decide(picture).states["camera-a"]
    assert (state.state, state.in_force_sha256) == ("pending", document_sha256(CAMERA))
    assert document_sha256(CAMERA)[:12] in str(state.error)
    assert document_sha256(NEW)[:12] in str(state.error)
    assert decide(picture).put == ()


def test_any_takes_whatever_the_shadow_holds() -> None:
    """With `any` for its hash a camera's valid document is in force as it comes."""
    picture = Picture(
        {SITE: desired(site(a="any")), "camera-a": desired(NEW)},
        {SITE: held(site(a="any")), "camera-a": held(CAMERA)},
    )
    assert [name for name, _ in decide(picture).put] == ["camera-a"]


def test_bad_site_keeps_the_last_good_one() -> None:
    """A site's document that is not valid changes nothing, not even which cameras there are."""
    picture = Picture(
        {SITE: desired({"schema": 1, "cameras": {}, "time_zone": "Atlantis/Capital"}), "camera-a": desired(NEW)},
        {SITE: held(site(a="any")), "camera-a": held(CAMERA)},
    )
    decision = decide(picture)
    assert decision.states[SITE].state == "refused"
    assert "time_zone" in str(decision.states[SITE].error)
    assert [name for name, _ in decision.put] == ["camera-a"]
    assert decision.remove == ()


@pytest.mark.parametrize("gone", [SITE, "camera-a"])
def test_shadow_that_is_gone(gone: str) -> None:
    """What has no desired state any more stays in force and is told as pending."""
    shadows = {SITE: desired(site(a="any")), "camera-a": desired(CAMERA)}
    shadows[gone] = desired(None, 0)
    picture = Picture(shadows, {SITE: held(site(a="any")), "camera-a": held(CAMERA)})
    decision = decide(picture)
    assert decision.states[gone].state == "pending"
    assert "stays in force" in str(decision.states[gone].error)
    assert (decision.put, decision.remove) == ((), ())


def test_nothing_at_all() -> None:
    """A new box whose shadows nobody has written has nothing to do and nothing to say."""
    decision = decide(Picture({SITE: desired(None, 0)}))
    assert decision.states == {}
    assert decision.put == ()


def test_unfetched_camera_is_left_alone() -> None:
    """Of what was not fetched yet nothing is said and nothing is changed."""
    picture = Picture({SITE: desired(site(a=NEW))}, {SITE: held(site(a=CAMERA)), "camera-a": held(CAMERA)})
    decision = decide(picture)
    assert "camera-a" not in decision.states
    assert [name for name, _ in decision.put] == [SITE]


def test_newer_schema_is_in_force_and_told() -> None:
    """What a newer release says beyond this one's words is ignored by name; the document counts."""
    picture = Picture({SITE: desired({"schema": 99, "cameras": {}, "tides": {"high": 1}})})
    state = decide(picture).states[SITE]
    assert (state.state, state.ignored) == ("in_force", ("tides",))


def test_edit_counts_until_it_has_arrived() -> None:
    """An edit made at the site is in force, and sent as the change that makes the shadow the same."""
    edits = {"camera-a": Edit(CAMERA, NEW, 6, ("p1",)), SITE: Edit(site(a=CAMERA), site(a=NEW), 6, ("p1",))}
    in_force = {SITE: held(site(a=CAMERA)), "camera-a": held(CAMERA)}
    offline = decide(Picture({}, in_force, edits))
    assert [(name, one.raw) for name, one in offline.put] == [("camera-a", NEW), (SITE, site(a=NEW))]
    assert offline.push == ()
    online = decide(Picture({SITE: desired(site(a=CAMERA)), "camera-a": desired(CAMERA)}, in_force, edits))
    assert [(push.document, push.patch, push.version) for push in online.push] == [
        ("camera-a", {"name": "Back yard"}, 5),
        (SITE, {"cameras": {"a": document_sha256(NEW)}}, 5),
    ]
    arrived = decide(Picture({SITE: desired(site(a=NEW)), "camera-a": desired(NEW)}, in_force, edits))
    assert (arrived.edits, arrived.push, arrived.lost) == ({}, (), ())


def test_cloud_wins_a_camera() -> None:
    """A camera that the cloud has changed since the edit is the cloud's, as a whole, and the edit is told as lost."""
    theirs = {**CAMERA, "name": "Garden"}
    edits = {"camera-a": Edit(CAMERA, NEW, 6, ("p1",)), SITE: Edit(site(a=CAMERA), site(a=NEW), 6, ("p1",))}
    in_force = {SITE: held(site(a=NEW)), "camera-a": held(NEW)}
    decision = decide(Picture({SITE: desired(site(a=theirs)), "camera-a": desired(theirs)}, in_force, edits))
    assert decision.edits == {}
    assert [item.document for item in decision.lost] == ["camera-a"]
    assert dict(decision.put)["camera-a"].raw == theirs


def test_edit_goes_on_top_of_what_others_changed() -> None:
    """In the site's document each side keeps the members that it alone has changed."""
    edits = {SITE: Edit(site(a=CAMERA), {**site(a=CAMERA), "time_zone": "Asia/Tokyo"}, 6, ("p1",))}
    theirs = {**site(a=CAMERA), "recording": {"segment_s": 60}}
    decision = decide(Picture({SITE: desired(theirs)}, {SITE: held(site(a=CAMERA))}, edits))
    assert decision.lost == ()
    assert decision.push[0].patch == {"time_zone": "Asia/Tokyo"}
    assert dict(decision.put)[SITE].raw == {**theirs, "time_zone": "Asia/Tokyo"}


def test_good_edit_replaces_a_bad_document() -> None:
    """What was refused wins against nothing: an edit made at the site mends the shadow."""
    bad = {**CAMERA, "naem": "x"}
    edits = {"camera-a": Edit(CAMERA, NEW, 6, ("p1",))}
    in_force = {SITE: held(site(a="any")), "camera-a": held(CAMERA)}
    decision = decide(Picture({SITE: desired(site(a="any")), "camera-a": desired(bad)}, in_force, edits))
    assert decision.lost == ()
    assert decision.push[0].patch == {"name": "Back yard", "naem": None}


def test_edit_of_a_camera_that_the_cloud_has_removed() -> None:
    """The site says which cameras there are: an edit of one that it names no more is lost, and told."""
    edits = {"camera-a": Edit(CAMERA, NEW, 6, ("p1",)), SITE: Edit(site(a=CAMERA), site(a=NEW), 6, ("p1",))}
    in_force = {SITE: held(site(a=NEW)), "camera-a": held(NEW)}
    decision = decide(Picture({SITE: desired(site()), "camera-a": desired(CAMERA)}, in_force, edits))
    assert decision.edits == {}
    assert "camera-a" in {item.document for item in decision.lost}
    assert decision.remove == ("camera-a",)


def test_what_we_sent_is_not_a_conflict() -> None:
    """A push whose answer was lost is found in the shadow: it is ours, and what was edited since goes on top."""
    newer = {**CAMERA, "name": "Front"}
    edit = Edit(CAMERA, newer, 7, ("p1", "p2"), sent=(document_sha256(NEW),))
    in_force = {SITE: held(site(a="any")), "camera-a": held(newer)}
    decision = decide(Picture({SITE: desired(site(a="any")), "camera-a": desired(NEW)}, in_force, {"camera-a": edit}))
    assert decision.lost == ()
    assert decision.push[0].patch == {"name": "Front"}


def test_edit_that_was_taken_back_while_it_was_sent() -> None:
    """As long as something that was sent may still arrive, the edit that took it back is not dropped."""
    edit = Edit(CAMERA, CAMERA, 7, ("p1", "p2"), sent=(document_sha256(NEW),))
    in_force = {SITE: held(site(a="any")), "camera-a": held(CAMERA)}
    before = decide(Picture({SITE: desired(site(a="any")), "camera-a": desired(CAMERA)}, in_force, {"camera-a": edit}))
    assert [(push.patch, push.version) for push in before.push] == [({}, 5)]
    after = decide(Picture({SITE: desired(site(a="any")), "camera-a": desired(NEW)}, in_force, {"camera-a": edit}))
    assert [push.patch for push in after.push] == [{"name": "Yard"}]


def test_secrets_of_cameras_in_force_and_wanted() -> None:
    """The secret of a camera that is not in force yet is fetched too: it should be there when the camera is."""
    one = {**CAMERA, "source": {"url": "rtsp://192.0.2.1/1", "secret": "one"}}
    two = {**CAMERA, "source": {"url": "rtsp://192.0.2.1/1", "secret": "two"}}
    assert secret_names(Picture({"camera-a": desired(two)}, {"camera-a": held(one)})) == ("one", "two")
