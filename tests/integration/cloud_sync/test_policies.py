"""Upload policies of cameras in force: what is uploaded, what is left out, and what comes of changing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.cloud_sync.policies import GoneFootage
from components.shared.catalogue.sync_choice import held_after, policies
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import THING, CloudSyncSite
from tests.fakes.footage import FakeFootage, Recorded, key_of
from tests.fakes.object_store import FakeObjectStore


@pytest.fixture
def store() -> FakeObjectStore:
    return FakeObjectStore()


@pytest.fixture
def site(tmp_path: Path, store: FakeObjectStore) -> Iterator[CloudSyncSite]:
    made = CloudSyncSite(tmp_path, store, FakeClock())
    yield made
    made.close()


@pytest.fixture
def footage(tmp_path: Path) -> Iterator[FakeFootage]:
    made = FakeFootage(tmp_path)
    yield made
    made.close()


def uploaded(store: FakeObjectStore, *recorded: Recorded) -> list[bool]:
    return [store.versions_of(key_of(THING, one)) == 1 for one in recorded]


def test_only_cameras_that_upload_are_uploaded(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Footage and pictures of a camera with `none` stay at the site, what was queued before included."""
    before = footage.segment(camera="cam-1"), footage.segment(camera="cam-2")
    site.sweep()
    site.configure({"cam-1": "none", "cam-2": "all"})
    after = footage.segment(camera="cam-1"), footage.segment(camera="cam-2")
    pictures = footage.thumbnail(after[0]), footage.thumbnail(after[1])
    site.sweep()
    site.drain()
    assert uploaded(store, *before, *after, *pictures) == [False, True, False, True, False, True]
    assert site.ledger.backlog() == (0, 0)
    assert site.ledger.held("left_out")[0] == 3


def test_a_policy_changed_back_uploads_what_is_still_there(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Footage that was left out and is deleted by now is forgotten without an error; the rest is uploaded."""
    site.configure({"cam-1": "none"})
    gone, there = footage.segment(), footage.segment()
    site.sweep()
    footage.delete(gone)
    site.configure({"cam-1": "all"})
    site.drain()
    assert uploaded(store, gone, there) == [False, True]
    assert site.log.named("object_refused") == []
    assert site.ledger.upload(key_of(THING, gone)) is None


def test_a_policy_outlives_a_restart_and_a_camera_that_is_removed(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, tmp_path: Path
) -> None:
    """What is found by the next process is held without a document, and the documents of others do not change it."""
    site.configure({"cam-1": "none"})
    site.close()
    second = CloudSyncSite(tmp_path, store, FakeClock())
    one = footage.segment()
    second.sweep()
    second.configure({"cam-2": "all"})
    second.drain()
    assert uploaded(store, one) == [False]
    assert policies(second.ledger) == {"cam-1": "none"}
    second.close()


@pytest.mark.slow
def test_left_out_footage_that_is_deleted_is_forgotten_in_rounds(
    footage: FakeFootage, site: CloudSyncSite, tmp_path: Path
) -> None:
    """The catalogue does not grow with footage that came and went without an upload."""
    site.configure({"cam-1": "none"})
    made = [footage.segment(10) for _ in range(410)]
    site.sweep()
    for one in made[:5] + made[-5:]:
        footage.delete(one)
    gone = GoneFootage(tmp_path, site.ledger)
    assert [gone.look() for _ in range(4)] == [5, 0, 5, 0]
    assert len(held_after(site.ledger, 0, 999)) == 400
