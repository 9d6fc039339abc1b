"""From closed segments to objects: real catalogues and files, a store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from components.cloud_sync.core.parts import Sizes
from components.cloud_sync.object_store import Held, NewObject, StoreAway
from components.shared.catalogue.sync import SyncReader
from components.shared.wire import segment_metadata
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import THING, CloudSyncSite
from tests.fakes.footage import FakeFootage, Recorded, key_of
from tests.fakes.object_store import FakeObjectStore, Fault, Version, no_fault

SIZES = Sizes(single_put_bytes_max=2_000, part_bytes=1_000)
DAY_NS = 86_400 * NS_PER_S


@pytest.fixture
def footage(tmp_path: Path) -> Iterator[FakeFootage]:
    made = FakeFootage(tmp_path, part_bytes=SIZES.part_bytes)
    yield made
    made.close()


@pytest.fixture
def store() -> FakeObjectStore:
    return FakeObjectStore()


@pytest.fixture
def site(tmp_path: Path, store: FakeObjectStore) -> Iterator[CloudSyncSite]:
    made = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    yield made
    made.close()


def assert_uploaded_once(store: FakeObjectStore, site: CloudSyncSite, *recorded: Recorded) -> None:
    """Each is in the store once, with its bytes, and sync.db says so."""
    for one in recorded:
        key = key_of(THING, one)
        assert store.versions_of(key) == 1
        assert store.data_of(key) == one.data
        assert site.ledger.state_of(key) == "uploaded"


def operations(store: FakeObjectStore) -> list[str]:
    return [operation for operation, _ in store.requests]


def test_segments_and_thumbnails_become_objects(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """A sweep queues every closed segment and thumbnail, and each becomes one object with its metadata."""
    small, large = footage.segment(1_500), footage.segment(4_100, "cam-2", "sub")
    picture = footage.thumbnail(small)
    assert site.sweep() == 3
    assert site.sweep() == 0
    site.drain()
    assert_uploaded_once(store, site, small, large, picture)
    newest = store.versions[key_of(THING, large)][-1]
    assert newest.new.content_type == "video/mp4"
    assert segment_metadata.decode(newest.new.metadata, 4_100) == footage.row(large).facts
    assert store.versions[key_of(THING, picture)][-1].new.content_type == "image/jpeg"
    assert site.status.report("CloudSync", "0").backlog == 0


def test_nothing_is_begun_while_uploads_are_held_back(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Under a pause nobody asks the store for anything, and nothing counts as failed; afterwards all is uploaded."""
    recorded = footage.segment(1_500)
    site.sweep()
    site.pacer.follow(SyncSection(paused=True), UTC)
    assert not site.uploader.try_one()
    assert site.uploader.next_due_ns() <= NS_PER_S
    assert operations(store) == []
    site.pacer.follow(SyncSection(), UTC)
    site.drain()
    assert_uploaded_once(store, site, recorded)


def test_what_is_held_back_under_way_goes_on_by_its_parts(
    tmp_path: Path, footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """A pause in the middle of an object is no failure: the parts that arrived are not sent again."""

    def hold(operation: str, key: str) -> Fault:
        if operations(store).count("upload_part") == 2:
            store.faults = no_fault
            raise Held("uploads are held back (paused)")
        return Fault.NONE

    recorded = footage.segment(4_100)
    site.sweep()
    store.faults = hold
    assert site.uploader.try_one()
    row = site.ledger.upload(key_of(THING, recorded))
    assert row is not None
    assert (row.attempts, row.last_error, len(row.parts)) == (0, None, 2)
    assert site.uploader.try_one()
    assert operations(store).count("upload_part") == 5
    assert_uploaded_once(store, site, recorded)


def test_objects_are_kept_by_the_policy_of_their_kind(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Segments and thumbnails have their own storage class and tags; a change is for what is begun after it."""
    before = footage.segment(100)
    site.sweep()
    site.drain()
    section = {"segment": {"storage_class": "GLACIER_IR", "tags": {"a": "b"}}, "thumbnail": {"tags": {"c": ""}}}
    site.transfer.follow(SyncSection.model_validate(section))
    small, large = footage.segment(100), footage.segment(4_100)
    picture = footage.thumbnail(small)
    site.sweep()
    site.drain()

    def kept(recorded: Recorded) -> tuple[str, dict[str, str]]:
        new = store.versions[key_of(THING, recorded)][-1].new
        return new.storage_class, dict(new.tags)

    assert kept(before) == ("STANDARD", {})
    assert kept(small) == kept(large) == ("GLACIER_IR", {"a": "b"})
    assert kept(picture) == ("STANDARD", {"c": ""})


def test_new_objects_cost_one_request_each(footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite) -> None:
    """An object that appeared while this process ran is sent without looking for it first."""
    site.sweep()
    footage.segment(100)
    site.sweep()
    site.drain()
    assert operations(store) == ["put_object"]


def test_thumbnails_go_first_and_then_the_oldest(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Thumbnails before segments, and the oldest first among each, whichever camera they are of."""
    segments = [footage.segment(100, camera) for camera in ("cam-2", "cam-1", "cam-3")]
    pictures = [footage.thumbnail(segments[index]) for index in (2, 0)]
    site.sweep()
    site.drain()
    puts = [key for operation, key in store.requests if operation == "put_object"]
    assert puts == [key_of(THING, one) for one in (*pictures[::-1], *segments)]


def test_restart_after_the_answer_sends_nothing_twice(
    footage: FakeFootage, store: FakeObjectStore, tmp_path: Path
) -> None:
    """Killed between the store's answer and its own note, CloudSync finds the object and only notes it."""
    made = [footage.segment(100), footage.segment(3_500)]

    class Killed(BaseException):
        """The process ends here."""

    def die(operation: str, key: str) -> None:
        if operation in {"put_object", "complete_upload"}:
            raise Killed

    store.after = die
    for _ in made:
        site = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
        site.sweep()
        with pytest.raises(Killed):
            site.drain()
        site.close()
    store.after = lambda operation, key: None
    store.requests.clear()
    site = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    site.drain()
    assert "put_object" not in operations(store)
    assert "upload_part" not in operations(store)
    assert_uploaded_once(store, site, *made)
    site.close()


def test_multipart_goes_on_after_the_last_part(footage: FakeFootage, store: FakeObjectStore, tmp_path: Path) -> None:
    """After a restart only the parts that had not arrived are sent, into the same upload."""
    large = footage.segment(4_500)
    sent = 0

    def fail_after_three(operation: str, key: str) -> Fault:
        nonlocal sent
        sent += operation == "upload_part"
        return Fault.BEFORE if sent > 3 else Fault.NONE

    store.faults = fail_after_three
    site = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    site.sweep()
    assert site.uploader.try_one()
    row = site.ledger.upload(key_of(THING, large))
    assert row is not None
    assert (row.state, row.upload_id, sorted(row.parts)) == ("queued", "upload-1", [1, 2, 3])
    site.close()
    store.faults = lambda operation, key: Fault.NONE
    store.requests.clear()
    site = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    site.drain()
    assert operations(store) == ["head", "list_parts", "upload_part", "upload_part", "complete_upload"]
    assert_uploaded_once(store, site, large)
    site.close()


def test_part_that_arrived_unnoted_is_not_sent_again(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """A part whose answer was lost is found in the store's own list."""
    large = footage.segment(4_500)
    sent = 0

    def lose_the_second_answer(operation: str, key: str) -> Fault:
        nonlocal sent
        sent += operation == "upload_part"
        return Fault.AFTER if operation == "upload_part" and sent == 2 else Fault.NONE

    store.faults = lose_the_second_answer
    site.sweep()
    site.drain()
    assert operations(store).count("upload_part") == 5
    assert_uploaded_once(store, site, large)


def test_upload_begun_and_not_noted_is_taken_over(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """An upload whose id was lost with the answer is found by its key; none is left behind."""
    large = footage.segment(4_500)
    store.faults = lambda operation, key: Fault.AFTER if operation == "create_upload" else Fault.NONE
    site.sweep()
    assert site.uploader.try_one()
    store.faults = lambda operation, key: Fault.NONE
    site.drain()
    assert operations(store).count("create_upload") == 1
    assert store.uploads == {}
    assert_uploaded_once(store, site, large)


def test_expired_upload_is_begun_anew(footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite) -> None:
    """An upload that the bucket's lifecycle ended is begun again from its first part."""
    large = footage.segment(4_500)
    sent = 0

    def fail_after_three(operation: str, key: str) -> Fault:
        nonlocal sent
        sent += operation == "upload_part"
        return Fault.BEFORE if sent > 3 else Fault.NONE

    store.faults = fail_after_three
    site.sweep()
    assert site.uploader.try_one()
    store.expire_uploads()
    store.faults = lambda operation, key: Fault.NONE
    site.drain()
    assert operations(store).count("create_upload") == 2
    assert_uploaded_once(store, site, large)


@pytest.mark.slow
def test_half_a_day_without_a_network_loses_nothing(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """While the network is away little is tried; when it is back everything is uploaded within minutes, in order."""
    made = [footage.segment(1_000) for _ in range(20)] + [footage.segment(5_000)]
    attempts = 0

    def away(operation: str, key: str) -> Fault:
        nonlocal attempts
        attempts += 1
        return Fault.BEFORE

    store.faults = away
    site.sweep()
    end_ns = site.clock.monotonic_ns() + DAY_NS // 2
    while site.clock.monotonic_ns() < end_ns:
        if not site.uploader.try_one():
            site.clock.advance(site.uploader.next_due_ns())
    assert 720 / 2 < attempts < 720 * 2.5
    assert [record.level for record in site.log.named("store_away")].count("WARNING") == 1
    store.faults = lambda operation, key: Fault.NONE
    back_ns = site.clock.monotonic_ns()
    site.drain()
    assert site.clock.monotonic_ns() - back_ns <= 120 * NS_PER_S
    assert_uploaded_once(store, site, *made)


def test_wall_clock_set_back_delays_nothing(footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite) -> None:
    """An upload that failed is tried again soon, although the wall clock was set back by a year meanwhile."""
    one = footage.segment(1_000)
    store.faults = lambda operation, key: Fault.BEFORE
    site.sweep()
    assert site.uploader.try_one()
    store.faults = lambda operation, key: Fault.NONE
    site.clock.step_wall(-365 * DAY_NS)
    before_ns = site.clock.monotonic_ns()
    site.drain()
    assert site.clock.monotonic_ns() - before_ns <= 60 * NS_PER_S
    assert_uploaded_once(store, site, one)


def test_poisoned_object_does_not_hold_up_the_others(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """An object on which the store always fails is passed over; the others are uploaded, it is tried for ever."""
    poisoned, *others = [footage.segment(1_000) for _ in range(5)]
    key = key_of(THING, poisoned)
    store.faults = lambda operation, asked: Fault.BEFORE if asked == key else Fault.NONE
    site.sweep()
    for _ in range(400):
        if not site.uploader.try_one():
            site.clock.advance(site.uploader.next_due_ns())
    assert_uploaded_once(store, site, *others)
    row = site.ledger.upload(key)
    assert row is not None
    assert row.state == "queued"
    assert row.attempts > 5
    store.faults = lambda operation, asked: Fault.NONE
    site.drain()
    assert_uploaded_once(store, site, poisoned)


def test_file_deleted_by_retention_is_refused_with_the_reason(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """A segment that retention deleted before its upload is refused, told, and never tried again."""
    gone, kept = footage.segment(), footage.segment()
    site.sweep()
    footage.delete(gone)
    site.drain()
    row = site.ledger.upload(key_of(THING, gone))
    assert row is not None
    assert row.state == "refused"
    assert "deleted by retention" in (row.last_error or "")
    assert [record.fields["segment"] for record in site.log.named("object_refused")] == [gone.segment]
    assert "deleted by retention" in (site.status.report("CloudSync", "0").last_error or "")
    assert_uploaded_once(store, site, kept)


def test_lost_file_is_refused_as_lost(footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite) -> None:
    """A file that is gone although the catalogue has it is refused, and the message says where to look."""
    lost, kept = footage.segment(), footage.segment()
    lost.path.unlink()
    site.sweep()
    site.drain()
    row = site.ledger.upload(key_of(THING, lost))
    assert row is not None
    assert row.state == "refused"
    assert "catalogue check" in (row.last_error or "")
    assert_uploaded_once(store, site, kept)


def test_volume_that_is_not_mounted_is_waited_for(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, tmp_path: Path
) -> None:
    """While nothing is where a volume should be, its uploads wait; once it is back they are made."""
    one = footage.segment()
    site.sweep()
    footage.root.rename(tmp_path / "unplugged")
    footage.root.mkdir()
    for _ in range(20):
        if not site.uploader.try_one():
            site.clock.advance(site.uploader.next_due_ns())
    row = site.ledger.upload(key_of(THING, one))
    assert row is not None
    assert row.state == "queued"
    assert "mount it" in (row.last_error or "")
    footage.root.rmdir()
    (tmp_path / "unplugged").rename(footage.root)
    site.drain()
    assert_uploaded_once(store, site, one)


def test_truncated_file_is_refused(footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite) -> None:
    """A file that is shorter than its row says is refused before anything is sent."""
    short = footage.segment(4_500)
    short.path.write_bytes(short.data[:4_000])
    site.sweep()
    site.drain()
    row = site.ledger.upload(key_of(THING, short))
    assert row is not None
    assert row.state == "refused"
    assert "4000 bytes" in (row.last_error or "")
    assert operations(store) == ["head"]


@pytest.mark.parametrize("size_bytes", [1_500, 4_500])
def test_damaged_file_is_refused_as_damaged(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, size_bytes: int
) -> None:
    """A file whose bytes are not those that were recorded is told as damaged; nothing of it stays in the store."""
    damaged = footage.segment(size_bytes)
    damaged.path.write_bytes(damaged.data[:-1] + bytes([damaged.data[-1] ^ 1]))
    site.sweep()
    site.drain()
    row = site.ledger.upload(key_of(THING, damaged))
    assert row is not None
    assert row.state == "refused"
    assert "damaged on disk" in (row.last_error or "")
    assert store.versions_of(key_of(THING, damaged)) == 0
    assert store.uploads == {}


@pytest.mark.parametrize("size_bytes", [1_500, 4_500])
def test_bytes_damaged_on_their_way_are_sent_again(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, size_bytes: int
) -> None:
    """When the store refuses the bytes and the file is sound, the upload is tried again."""
    one = footage.segment(size_bytes)
    first = iter([Fault.DAMAGED])
    store.faults = lambda operation, key: (
        next(first, Fault.NONE) if operation in {"put_object", "upload_part"} else Fault.NONE
    )
    site.sweep()
    assert site.drain() == 2
    assert_uploaded_once(store, site, one)


def test_wrong_hashes_of_parts_are_measured_again(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """A sound file whose parts' hashes are wrong on record is uploaded with those that its bytes have."""
    one = footage.segment(4_500, part_sha256s=False)
    site.sweep()
    site.drain()
    assert_uploaded_once(store, site, one)
    assert store.uploads == {}


def test_another_object_at_the_key_is_left_alone(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """Where something else has the key, nothing is overwritten; the upload is refused and told."""
    for size_bytes in (1_500, 4_500):
        one = footage.segment(size_bytes)
        key = key_of(THING, one)
        new = NewObject(key, "video/mp4")
        store.versions[key] = [Version(b"foreign", new, hashlib.sha256(b"foreign").hexdigest(), '"e"')]
        site.sweep()
        site.drain()
        row = site.ledger.upload(key)
        assert row is not None
        assert row.state == "refused"
        assert "another object" in (row.last_error or "")
        assert store.data_of(key) == b"foreign"
        assert store.uploads == {}


def test_object_sent_in_other_parts_is_recognised(footage: FakeFootage, store: FakeObjectStore, tmp_path: Path) -> None:
    """An object whose parts have other hashes than those on record is recognised by the file itself."""
    one = footage.segment(4_500, part_sha256s=False)
    key = key_of(THING, one)
    first = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    first.sweep()
    store.faults = lambda operation, key: Fault.AFTER if operation == "complete_upload" else Fault.NONE
    assert first.uploader.try_one()
    assert store.versions_of(key) == 1
    first.drain()
    assert_uploaded_once(store, first, one)
    first.close()


def test_segments_of_a_rebuilt_catalogue_are_found(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, tmp_path: Path
) -> None:
    """When capture.db was lost and rebuilt, its new segments are uploaded and the old ones are not sent again."""
    before = [footage.segment() for _ in range(5)]
    site.sweep()
    site.drain()
    footage.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "catalogue" / f"capture.db{suffix}").unlink(missing_ok=True)
    rebuilt = FakeFootage(tmp_path, seed=2, part_bytes=SIZES.part_bytes)
    after = [rebuilt.segment(camera="cam-9") for _ in range(2)]
    assert site.sweep() == 2
    site.drain()
    assert_uploaded_once(store, site, *before, *after)
    rebuilt.close()


def test_lost_sync_catalogue_sends_nothing_twice(footage: FakeFootage, store: FakeObjectStore, tmp_path: Path) -> None:
    """When sync.db was lost, everything is swept again, found in the store, and only noted."""
    made = [footage.segment(100), footage.segment(4_500)]
    first = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    first.sweep()
    first.drain()
    first.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "catalogue" / f"sync.db{suffix}").unlink(missing_ok=True)
    store.requests.clear()
    second = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    second.sweep()
    second.drain()
    assert operations(store) == ["head", "head"]
    assert_uploaded_once(store, second, *made)
    second.close()


@pytest.mark.slow
def test_sweep_goes_on_where_it_was(footage: FakeFootage, store: FakeObjectStore, tmp_path: Path) -> None:
    """A restarted sweep begins at its cursor; more rows than a batch are all found."""
    for _ in range(3):
        footage.segment(10)
    first = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    assert first.sweep() == 3
    first.close()
    for _ in range(205):
        footage.segment(10)
    second = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    assert second.sweep() == 205
    assert second.ledger.cursor("capture") == 208
    second.close()


def test_waiting_for_the_first_catalogues_is_no_error(store: FakeObjectStore, tmp_path: Path) -> None:
    """Before anything was ever recorded there is nothing to sweep and nothing wrong."""
    site = CloudSyncSite(tmp_path, store, FakeClock(), sizes=SIZES)
    assert site.sweep() == 0
    assert site.status.report("CloudSync", "0").last_error is None
    site.close()


def test_readers_see_what_became_of_an_upload(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite, tmp_path: Path
) -> None:
    """Retention and health read the state and the backlog from sync.db."""
    one, two = footage.segment(), footage.segment()
    site.sweep()
    reader = SyncReader.open(tmp_path)
    assert reader.backlog()[0] == 2
    assert site.uploader.try_one()
    assert reader.state_of(key_of(THING, one)) == "uploaded"
    assert reader.state_of(key_of(THING, two)) == "queued"
    assert reader.backlog()[0] == 1
    reader.close()


def test_store_error_is_told_once_and_its_end_too(
    footage: FakeFootage, store: FakeObjectStore, site: CloudSyncSite
) -> None:
    """The store going away is one warning with its reason, its return one line."""
    footage.segment()

    def refused(operation: str, key: str) -> Fault:
        raise StoreAway("S3 answers 403 AccessDenied: the role must allow s3:PutObject")

    store.faults = refused
    site.sweep()
    for _ in range(30):
        if not site.uploader.try_one():
            site.clock.advance(site.uploader.next_due_ns())
    told = [record for record in site.log.named("store_away") if record.level == "WARNING"]
    assert len(told) == 1
    assert "s3:PutObject" in (site.status.report("CloudSync", "0").last_error or "")
    store.faults = lambda operation, key: Fault.NONE
    site.drain()
    assert len(site.log.named("store_back")) == 1
