"""What SiteConfig may rely on in a shadow store, whichever it is."""

from __future__ import annotations

import pytest

from components.shared.errors import Rejected, Transient
from components.shared.wire.site_config import SHADOW_BYTES_MAX
from components.site_config.shadow_store import ShadowStore, TooLarge, VersionConflict
from tests.contract.shadow_store.conftest import Subject


def test_no_shadow(store: ShadowStore) -> None:
    """A shadow that was never written is None, not an error."""
    assert store.get("site") is None


def test_first_update_makes_the_shadow(store: ShadowStore) -> None:
    """Version 0 means that there is no shadow yet; the answer's version is the shadow's."""
    version = store.update_desired("site", {"name": "Straße", "cameras": {"a": "any"}}, 0)
    found = store.get("site")
    assert found is not None
    assert found.desired == {"name": "Straße", "cameras": {"a": "any"}}
    assert found.reported is None
    assert found.version == version


def test_update_is_a_merge_patch(store: ShadowStore) -> None:
    """Members are set, null removes, all else stays; the version grows."""
    first = store.update_desired("site", {"a": 1, "b": {"c": 1, "d": 2}}, 0)
    second = store.update_desired("site", {"a": None, "b": {"c": 3}}, first)
    found = store.get("site")
    assert found is not None
    assert found.desired == {"b": {"c": 3, "d": 2}}
    assert second > first


def test_update_on_another_version_changes_nothing(store: ShadowStore) -> None:
    """A change made on a version that is not the shadow's is a conflict."""
    version = store.update_desired("site", {"a": 1}, 0)
    store.update_desired("site", {"a": 2}, version)
    with pytest.raises(VersionConflict, match="site"):
        store.update_desired("site", {"a": 3}, version)
    found = store.get("site")
    assert found is not None
    assert found.desired == {"a": 2}


def test_reported_is_another_section(store: ShadowStore) -> None:
    """A report needs no version, moves it, and leaves the desired state as it is; an emptied report is gone."""
    version = store.update_desired("site", {"a": 1}, 0)
    reported = store.update_reported("site", {"state": "in_force", "error": "x"})
    assert reported == version + 1
    assert store.update_reported("site", {"error": None}) == version + 2
    found = store.get("site")
    assert found is not None
    assert (found.desired, found.reported) == ({"a": 1}, {"state": "in_force"})
    store.update_reported("site", {"state": None})
    found = store.get("site")
    assert found is not None
    assert found.reported is None


def test_shadows_of_a_thing_do_not_touch(store: ShadowStore) -> None:
    """Each name is a shadow of its own."""
    store.update_desired("camera-a", {"name": "a"}, 0)
    store.update_reported("health", {"ok": True})
    assert store.get("camera-b") is None
    found = store.get("health")
    assert found is not None
    assert found.desired is None


def test_too_large(store: ShadowStore) -> None:
    """What would make the shadow larger than its limit is refused as such, and changes nothing."""
    version = store.update_desired("site", {"name": "x" * (SHADOW_BYTES_MAX - 200)}, 0)
    with pytest.raises(TooLarge):
        store.update_desired("site", {"more": "x" * 200}, version)
    with pytest.raises(TooLarge):
        store.update_reported("site", {"error": "x" * 200})
    found = store.get("site")
    assert found is not None
    assert found.version == version


def test_refused(store: ShadowStore) -> None:
    """What a shadow cannot hold is refused for good, with the shadow's name in the text."""
    with pytest.raises(Rejected, match="site"):
        store.update_desired("site", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}, 0)


def test_offline(subject: Subject) -> None:
    """Without a network every call is Transient; when it is back, so is everything."""
    version = subject.store.update_desired("site", {"a": 1}, 0)
    subject.set_online(False)
    with pytest.raises(Transient, match="site"):
        subject.store.get("site")
    with pytest.raises(Transient, match="site"):
        subject.store.update_desired("site", {"a": 2}, version)
    with pytest.raises(Transient, match="site"):
        subject.store.update_reported("site", {"a": 2})
    subject.set_online(True)
    found = subject.store.get("site")
    assert found is not None
    assert found.desired == {"a": 1}
