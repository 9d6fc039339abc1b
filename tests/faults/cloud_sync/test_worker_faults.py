"""The real worker, as a process, against the embedded AWS: killed, cut off, robbed of answers, given bad files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from components.shared.catalogue.sync import SyncReader, UploadRow
from components.shared.errors import Transient
from tests.fakes.cloud_sync_site import THING
from tests.fakes.cloud_sync_worker import CloudSyncWorker
from tests.fakes.footage import FakeFootage, Recorded, key_of
from tests.fakes.s3_site import Site, running_site
from tests.fakes.slow_link import SlowLink
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

MB = 1_000_000
DRAINED_S_MAX = 120.0
KILLS = 20
LOST_SHARE = 0.25
LOST_MAX = 12


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("cloud")) as site:
        yield site


@pytest.fixture
def link(cloud: Site) -> Iterator[SlowLink]:
    address = urlsplit(cloud.endpoint_url)
    made = SlowLink((str(address.hostname), int(address.port or 0)))
    yield made
    made.close()


@pytest.fixture
def footage(tmp_path: Path, cloud: Site) -> Iterator[FakeFootage]:
    # The bucket is shared by all tests of this module: each records cameras of its own.
    made = FakeFootage(tmp_path, seed=random.Random(str(tmp_path)).randrange(2**32))
    yield made
    made.close()


def worker_on(data: Path, cloud: Site, link: SlowLink) -> CloudSyncWorker:
    return CloudSyncWorker(data, cloud.bucket, {**cloud.environment, "AWS_ENDPOINT_URL": link.url})


class Ledger:
    """sync.db as everybody else reads it; what is not there yet is empty."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._reader: SyncReader | None = None

    def _open(self) -> SyncReader | None:
        if self._reader is None:
            try:
                self._reader = SyncReader.open(self._data)
            except Transient:
                return None
        return self._reader

    def row(self, key: str) -> UploadRow | None:
        reader = self._open()
        return None if reader is None else reader.upload(key)

    def steps(self) -> int:
        """Grows with everything that was uploaded, a part or an object."""
        reader = self._open()
        return 0 if reader is None else sum(len(row.parts) + 3 * (row.state != "queued") for row in reader.uploads())

    def is_done(self, count: int) -> bool:
        reader = self._open()
        return reader is not None and len(reader.uploads()) == count and reader.backlog()[0] == 0


def assert_once(cloud: Site, ledger: Ledger, recorded: list[Recorded]) -> None:
    """Each is one version in the bucket with its bytes, and uploaded in sync.db; no upload was left unfinished."""
    for one in recorded:
        key = key_of(THING, one)
        row = ledger.row(key)
        assert row is not None
        assert row.state == "uploaded", row
        assert cloud.versions(key) == {key: 1}
        assert cloud.s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read() == one.data
    keys = {key_of(THING, one) for one in recorded}
    assert keys.isdisjoint(cloud.unfinished_uploads())


def bad(row: UploadRow | None) -> str:
    """Why an upload was refused."""
    assert row is not None
    assert row.state == "refused", row
    return row.last_error or ""


@pytest.mark.timeout(600)
def test_twenty_kills_leave_every_object_uploaded_once(
    cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path
) -> None:
    """Kill -9 at twenty random moments while thirty objects upload: each ends in the bucket exactly once."""
    link.bytes_per_s = 20 * MB
    moments = random.Random(20)
    ledger = Ledger(tmp_path)
    recorded: list[Recorded] = []
    for life in range(KILLS):
        size_bytes = 18 * MB if life % 4 == 0 else moments.randrange(100_000, 2 * MB)
        recorded.append(footage.segment(size_bytes, "cam-kill"))
        if life % 2:
            recorded.append(footage.thumbnail(recorded[-1], 20_000))
        kill_at = link.bytes_there + moments.randrange(1, 6 * MB)
        with worker_on(tmp_path, cloud, link) as worker:

            def is_time(worker: CloudSyncWorker = worker, kill_at: int = kill_at) -> bool:
                assert worker.process.poll() is None, worker.log()
                return link.bytes_there >= kill_at or ledger.is_done(len(recorded))

            eventually(is_time, DRAINED_S_MAX, "the moment of the kill")
            worker.kill()
    assert len(recorded) == 30
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: ledger.is_done(len(recorded)), DRAINED_S_MAX, "every object uploaded")
        assert worker.stop()[0] == 0
    assert_once(cloud, ledger, recorded)
    # What had arrived was not sent again: the link carried little more than the footage itself.
    footage_bytes = sum(len(one.data) for one in recorded)
    assert link.bytes_there < footage_bytes + KILLS * 2 * 9 * MB


def test_network_that_goes_away_and_comes_back_is_waited_for(
    cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path
) -> None:
    """Cut in the middle of a part, the worker stays up, says so once, and goes on when the network is back."""
    link.bytes_per_s = 10 * MB
    recorded = [footage.segment(size, "cam-net") for size in (18 * MB, 500_000, 18 * MB, 500_000)]
    ledger = Ledger(tmp_path)
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: link.bytes_there > 5 * MB, 30.0, "some bytes sent")
        link.cut()
        recorded.append(footage.segment(100_000, "cam-net"))
        eventually(lambda: ledger.row(key_of(THING, recorded[-1])) is not None, 30.0, "new footage queued")
        eventually(lambda: worker.records("store_away"), 30.0, "the absence noticed")
        away = [record for record in worker.records("store_away") if record["level"] == "WARNING"]
        assert len(away) == 1
        link.restore()
        eventually(lambda: ledger.is_done(len(recorded)), DRAINED_S_MAX, "every object uploaded")
        assert worker.records("store_back")
        assert worker.stop()[0] == 0
        assert not worker.records("worker_failed")
    assert_once(cloud, ledger, recorded)


def test_lost_answers_make_no_second_version(cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path) -> None:
    """When answers of the store are lost or cut off on their way, each object is still there exactly once."""
    recorded = [footage.segment(size, "cam-lost") for size in (300_000, 18 * MB, 1, 300_000, 17 * MB, 40_000)]
    recorded += [footage.thumbnail(one, 10_000) for one in recorded[:3]]
    chance = random.Random(7)
    link.loses_answer = lambda: link.answers_lost < LOST_MAX and chance.random() < LOST_SHARE
    ledger = Ledger(tmp_path)
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: ledger.is_done(len(recorded)), DRAINED_S_MAX, "every object uploaded")
        assert worker.stop()[0] == 0
        assert not worker.records("worker_failed")
    assert link.answers_lost >= 3
    link.loses_answer = lambda: False
    assert_once(cloud, ledger, recorded)


def test_bad_files_are_refused_with_their_reason_and_hold_up_nobody(
    cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path
) -> None:
    """Truncated, damaged, lost and deleted files are refused, each with its reason; the others are uploaded."""
    truncated, damaged, damaged_large, lost, deleted = (
        footage.segment(size, "cam-bad") for size in (50_000, 50_000, 18 * MB, 50_000, 50_000)
    )
    sound = [footage.segment(60_000, "cam-bad"), footage.segment(17 * MB, "cam-bad")]
    truncated.path.write_bytes(truncated.data[:40_000])
    damaged.path.write_bytes(damaged.data[:-1] + bytes([damaged.data[-1] ^ 1]))
    damaged_large.path.write_bytes(bytes(100) + damaged_large.data[100:])
    lost.path.unlink()
    ledger = Ledger(tmp_path)
    link.stall()
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: ledger.row(key_of(THING, deleted)) is not None, 30.0, "everything queued")
        footage.delete(deleted)
        link.flow()
        eventually(lambda: ledger.is_done(7), DRAINED_S_MAX, "nothing waits")
        assert worker.stop()[0] == 0
        refused = {record["segment"] for record in worker.records("object_refused")}
    assert "40000 bytes" in bad(ledger.row(key_of(THING, truncated)))
    assert "damaged on disk" in bad(ledger.row(key_of(THING, damaged)))
    assert "damaged on disk" in bad(ledger.row(key_of(THING, damaged_large)))
    assert "is lost" in bad(ledger.row(key_of(THING, lost)))
    assert "deleted by retention" in bad(ledger.row(key_of(THING, deleted)))
    assert refused == {one.segment for one in (truncated, damaged, damaged_large, lost, deleted)}
    assert_once(cloud, ledger, sound)
    for one in (truncated, damaged, damaged_large, lost, deleted):
        assert cloud.versions(key_of(THING, one)) == {}
    assert key_of(THING, damaged_large) not in cloud.unfinished_uploads()


@pytest.mark.alone
def test_stopping_in_the_middle_of_a_part_takes_less_than_two_seconds(
    cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path
) -> None:
    """SIGTERM while a part is on its way closes its connection within 2 s; the next worker goes on after the last."""
    link.bytes_per_s = 5 * MB
    large = footage.segment(40 * MB, "cam-stop")
    ledger = Ledger(tmp_path)

    def parts() -> int:
        row = ledger.row(key_of(THING, large))
        return 0 if row is None else len(row.parts)

    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: parts() == 2, DRAINED_S_MAX, "two parts uploaded")
        sent = link.bytes_there
        eventually(lambda: link.bytes_there > sent + MB, 30.0, "a third part under way")
        code, took_s = worker.stop()
        assert code == 0
        assert took_s < 2.0
        eventually(lambda: link.connections == 0, 5.0, "the connection closed")
        assert worker.records("upload_stopped")
    link.bytes_per_s = 0
    sent = link.bytes_there
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: ledger.is_done(1), DRAINED_S_MAX, "uploaded")
        assert worker.stop()[0] == 0
    assert link.bytes_there - sent < 40 * MB - 2 * 8 * 1024 * 1024 + MB
    assert_once(cloud, ledger, [large])


@pytest.mark.alone
def test_stopping_while_the_store_is_silent_takes_less_than_two_seconds(
    cloud: Site, link: SlowLink, footage: FakeFootage, tmp_path: Path
) -> None:
    """SIGTERM while a request waits for an answer that does not come ends the process all the same."""
    one = footage.segment(3 * MB, "cam-mute")
    ledger = Ledger(tmp_path)
    link.stall()
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: link.connections > 0, 30.0, "a request under way")
        code, took_s = worker.stop()
        assert code == 0
        assert took_s < 2.0
    link.flow()
    with worker_on(tmp_path, cloud, link) as worker:
        eventually(lambda: ledger.is_done(1), DRAINED_S_MAX, "uploaded")
        assert worker.stop()[0] == 0
    assert_once(cloud, ledger, [one])
