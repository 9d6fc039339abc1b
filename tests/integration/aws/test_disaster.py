"""The account is lost: a fresh one is made from a backup and a replica of the bucket, and the site goes on.

The rehearsal of docs/operations/disaster-recovery.md, with the real commands, components and functions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from cli.cloud_stack import embedded_account
from cloud import index_rebuild
from cloud.backup_account import Account, list_items, list_objects
from cloud.backup_restore import Restored, restore
from cloud.backup_store import FolderStore
from cloud.backup_take import read_backup
from components.cloud_sync.s3_store import S3Store
from components.shared.errors import Rejected, Transient
from components.shared.wire.site_config import SITE, camera_shadow
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import THING, CloudSyncSite
from tests.fakes.credentials_endpoint import CredentialsEndpoint
from tests.fakes.footage import FakeFootage, key_of
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running, Start, start_aws
from tests.integration.aws.test_pipeline import settled
from tests.integration.site_config.site import Operator, SiteBox, camera

pytestmark = pytest.mark.slow

PASSWORD = "viewer:correct-horse-battery"
REPLICA = "edgenvr-replica"
WITHIN_S = 60.0
SUBSCRIBER = "http://127.0.0.1:9/alerts"


def ready_file(aws: Running) -> Path:
    return aws.data / "ready.json"


def account_of(aws: Running) -> Account:
    return embedded_account(ready_file(aws))


def footage_items(aws: Running) -> dict[str, dict[str, Any]]:
    """Every segment's item by its key, without what belongs to the copy: version, entity tag, marks."""
    found = {}
    for item in list_items(account_of(aws), "MediaTable"):
        if "object_key" in item:
            facts = {name: value for name, value in item["facts"]["M"].items() if name not in ("version_id", "etag")}
            kept = {name: value for name, value in item.items() if not name.endswith("_mark")}
            found[item["object_key"]["S"]] = {**kept, "facts": facts}
    return found


def keys(aws: Running, bucket: str, ending: str = "") -> set[str]:
    objects = list_objects(account_of(aws), bucket, "sites/")
    return {one["Key"] for one in objects if one["Key"].endswith(ending)}


def shadows(aws: Running, thing: str) -> dict[str, Any]:
    client = aws.client("iot-data")
    names = client.list_named_shadows_for_thing(thingName=thing)["results"]
    return {
        name: json.loads(client.get_thing_shadow(thingName=thing, shadowName=name)["payload"].read())["state"]
        for name in names
    }


def replicate(source: Running, target: Running) -> None:
    """What S3's replication keeps doing: each object with its metadata, in a bucket of another account."""
    s3, other = source.client("s3"), target.client("s3")
    other.create_bucket(Bucket=REPLICA, CreateBucketConfiguration={"LocationConstraint": target.ready["region"]})
    for key in keys(source, source.bucket):
        found = s3.get_object(Bucket=source.bucket, Key=key)
        other.put_object(
            Bucket=REPLICA,
            Key=key,
            Body=found["Body"].read(),
            Metadata=found["Metadata"],
            ContentType=found["ContentType"],
        )


def command(*arguments: object) -> int:
    return main(["cloud", *(str(argument) for argument in arguments)])


@pytest.fixture
def footage(tmp_path: Path) -> Iterator[FakeFootage]:
    made = FakeFootage(tmp_path / "site")
    yield made
    made.close()


@pytest.fixture
def credentials() -> Iterator[CredentialsEndpoint]:
    endpoint = CredentialsEndpoint()
    yield endpoint
    endpoint.stop()


def uploads(aws: Running, data: Path) -> CloudSyncSite:
    return CloudSyncSite(data, S3Store(lambda: aws.client("s3"), aws.bucket), FakeClock())


def configured(aws: Running) -> Operator:
    """A site with two cameras, a time zone, a password, somebody who hears of alerts, and a registry entry."""
    operator = Operator(aws, THING)
    aws.client("iot").update_thing(thingName=THING, attributePayload={"attributes": {"town": "Ulm"}})
    operator.configure({"yard": camera("Hof: Süd"), "door": camera("Door")}, time_zone="Europe/Berlin")
    operator.set_secret("yard", PASSWORD)
    aws.client("sns").subscribe(TopicArn=aws.ready["outputs"]["AlertTopicArn"], Protocol="http", Endpoint=SUBSCRIBER)
    site = {"pk": {"S": f"SITE#{THING}"}, "sk": {"S": "SITE"}, "time_zone": {"S": "Europe/Berlin"}}
    aws.client("dynamodb").put_item(TableName=aws.table, Item=site)
    seen = {"pk": {"S": "SEEN"}, "sk": {"S": THING}, "seen_ms": {"N": "1760000000000"}, "telemetry_s": {"N": "60"}}
    there = {"pk": {"S": "PRESENCE"}, "sk": {"S": THING}, "connected": {"BOOL": True}}
    for item in (seen, there):
        aws.client("dynamodb").put_item(TableName=aws.ready["resources"]["AlertsTable"], Item=item)
    return operator


def test_the_account_is_lost_and_the_site_goes_on(
    start: Start,
    tmp_path: Path,
    footage: FakeFootage,
    credentials: CredentialsEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the backup and the replica: index = bucket, shadows and configuration as before, and both ways go on."""
    lost = start(data=tmp_path / "lost")
    operator = configured(lost)
    for name, value in credentials.environment(str(lost.ready["endpoint_url"])).items():
        monkeypatch.setenv(name, value)
    box = SiteBox(tmp_path / "site", THING)
    box.start()
    eventually(lambda: box.in_force(SITE) == operator.desired(SITE), WITHIN_S)
    box.capture_answers()
    eventually(lambda: "components" in operator.reported(SITE), WITHIN_S)
    box.stop()
    recorded = [footage.segment(size, camera) for size in (1_000, 2_000) for camera in ("yard", "door")]
    footage.thumbnail(recorded[0])
    sync = uploads(lost, tmp_path / "site")
    sync.sweep()
    sync.drain()
    sync.close()
    settled(lost)
    before, items_before = shadows(lost, THING), footage_items(lost)
    assert set(items_before) == {key_of(THING, one) for one in recorded}

    fresh = start(data=tmp_path / "fresh")
    replicate(lost, fresh)
    late = footage.segment(4_000, "door")
    sync = uploads(lost, tmp_path / "site")
    sync.sweep()
    sync.drain()
    sync.close()
    assert command("backup", "--embedded", ready_file(lost), "--to", tmp_path / "backups") == 0
    lost.kill()
    shutil.rmtree(lost.data)

    capsys.readouterr()
    asked = ("restore", "--embedded", ready_file(fresh), "--from", tmp_path / "backups", "--replica", REPLICA, "--json")
    assert command(*asked) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["secrets_missing"] == [f"edgenvr/{THING}/yard"]
    assert (answer["objects"], answer["bucket_minus_index"], answer["index_minus_bucket"]) == (5, 0, 0)
    settled(fresh)
    assert keys(fresh, fresh.bucket, ".mp4") == set(items_before)
    assert footage_items(fresh) == items_before
    assert {name: state.get("desired") for name, state in shadows(fresh, THING).items()} == {
        name: state.get("desired") for name, state in before.items()
    }
    assert shadows(fresh, THING)[SITE]["reported"] == before[SITE]["reported"]
    (thing,) = fresh.client("iot").list_things()["things"]
    assert (thing["thingName"], thing["attributes"]) == (THING, {"town": "Ulm"})
    topic = fresh.client("sns").list_subscriptions_by_topic(TopicArn=fresh.ready["outputs"]["AlertTopicArn"])
    assert [one["Endpoint"] for one in topic["Subscriptions"]] == [SUBSCRIBER]
    signs = {(item["pk"]["S"], item["sk"]["S"]) for item in list_items(account_of(fresh), "AlertsTable")}
    assert ("SEEN", THING) in signs  # so that its silence is told
    assert ("PRESENCE", THING) not in signs  # nobody is connected to a broker that is new

    assert command(*asked) == 0
    assert json.loads(capsys.readouterr().out)["made"] == {}

    for name, value in credentials.environment(str(fresh.ready["endpoint_url"])).items():
        monkeypatch.setenv(name, value)
    operator = Operator(fresh, THING)
    operator.set_secret("yard", PASSWORD)
    operator.configure({"yard": camera("Renamed"), "door": camera("Door")}, time_zone="Europe/Berlin")
    box = SiteBox(tmp_path / "site", THING)
    box.start()
    eventually(lambda: (box.in_force(camera_shadow("yard")) or {}).get("name") == "Renamed", WITHIN_S)
    box.capture_answers()
    eventually(lambda: operator.reported(SITE).get("sha256") != before[SITE]["reported"]["sha256"], WITHIN_S)
    box.stop()
    more = footage.segment(3_000, "yard")
    # What the replica did not get in time is still at the site; without its ledger, CloudSync looks for everything.
    for ledger in (tmp_path / "site" / "catalogue").glob("sync.db*"):
        ledger.rename(ledger.with_name(f"old-{ledger.name}"))
    sync = uploads(fresh, tmp_path / "site")
    sync.sweep()
    sync.drain()
    sync.close()
    settled(fresh)
    assert set(footage_items(fresh)) == {key_of(THING, one) for one in (*recorded, late, more)}
    versions = fresh.client("s3").list_object_versions(Bucket=fresh.bucket, Prefix="sites/")["Versions"]
    assert len(versions) == 7  # what was there was not sent again


def test_no_value_of_a_secret_is_in_a_backup(start: Start, tmp_path: Path) -> None:
    """A backup names secrets; their values are in none of its files."""
    aws = start()
    configured(aws)
    assert command("backup", "--embedded", ready_file(aws), "--to", tmp_path / "backups") == 0
    files = [path for path in (tmp_path / "backups").rglob("*") if path.is_file()]
    whole = b"".join(path.read_bytes() for path in files)
    assert f"edgenvr/{THING}/yard".encode() in whole
    assert PASSWORD.partition(":")[2].encode() not in whole
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_backup_in_a_bucket_of_the_account_itself_is_read_back(start: Start, tmp_path: Path) -> None:
    """A bucket serves as a folder does, the newest backup is taken, a damaged file stops it."""
    aws = start()
    configured(aws)
    aws.client("s3").create_bucket(
        Bucket="backups", CreateBucketConfiguration={"LocationConstraint": aws.ready["region"]}
    )
    assert command("backup", "--embedded", ready_file(aws), "--to", "s3://backups/edgenvr") == 0
    assert command("backup", "--embedded", ready_file(aws), "--to", "s3://backups/edgenvr") == 0
    account = account_of(aws)
    names = sorted({one["Key"].split("/")[1] for one in list_objects(account, "backups", "edgenvr/")})
    assert len(names) == 2
    asked = ("restore", "--embedded", ready_file(aws), "--from", "s3://backups/edgenvr", "--into-used")
    assert command(*asked) == 0
    marks = [one["Key"] for one in list_objects(account, aws.bucket, "restores/")]
    assert marks == [f"restores/{names[1]}"]
    shadow = f"edgenvr/{names[1]}/shadows/{THING}/site.json"
    aws.client("s3").put_object(Bucket="backups", Key=shadow, Body=b"{}")
    assert command(*asked) == 2


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a backup of an account, which is gone."""
    folder = tmp_path_factory.mktemp("disaster")
    aws = start_aws(folder / "aws")
    configured(aws)
    assert command("backup", "--embedded", ready_file(aws), "--to", folder / "backups") == 0
    aws.stop()
    yield folder / "backups"


def test_an_account_in_use_is_refused(start: Start, backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A restore does nothing where somebody is at home; --into-used keeps what is there, and tells what differs."""
    aws = start()
    operator = Operator(aws, THING)
    operator.update(SITE, {"schema": 1, "time_zone": "Asia/Tokyo"})
    asked = ("restore", "--embedded", ready_file(aws), "--from", backup)
    assert command(*asked) == 2
    assert "this account is in use: 1 things are registered" in capsys.readouterr().err
    assert set(shadows(aws, THING)) == {SITE}
    assert command(*asked, "--into-used", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["kept"] == [
        f"thing {THING}: its attributes or type are others than in the backup",
        f"shadow site of {THING}: something else is desired than in the backup",
    ]
    assert operator.desired(SITE)["time_zone"] == "Asia/Tokyo"
    assert {"site", "camera-yard", "camera-door"} <= set(shadows(aws, THING))


class Failing:
    """Clients whose writes fail, every third one, after or before they were done: the network on a bad day."""

    WRITES = frozenset(
        {"create_thing", "put_item", "update_thing_shadow", "subscribe", "put_object", "copy_object", "update_item"}
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self.count = 0
        self.failed = 0

    def __call__(self, service: str) -> Any:
        client = self._account.clients(service)
        outer = self

        class Client:
            def __getattr__(self, name: str) -> Any:
                found = getattr(client, name)
                return outer.wrap(found) if name in outer.WRITES else found

        return Client()

    def wrap(self, call: Any) -> Any:
        def called(**arguments: Any) -> Any:
            self.count += 1
            if self.count % 6 == 0:
                self.failed += 1
                raise Transient("cut before it was sent")
            answer = call(**arguments)
            if self.count % 6 == 3:
                self.failed += 1
                raise Transient("cut before the answer came")
            return answer

        return called


def test_a_restore_that_is_broken_off_goes_on(start: Start, backup: Path) -> None:
    """Cut at every third write, said again until it is through: everything is there once, nothing is refused."""
    aws = start()
    account = account_of(aws)
    failing = Failing(account)
    shaky = Account(failing, account.region, account.number, account.resources, account.outputs)
    (name,) = FolderStore(backup).names()
    manifest, files = read_backup(FolderStore(backup), name)
    done: Restored | None = None
    for _ in range(50):
        try:
            done = restore(shaky, manifest, files, lambda _: None)
            break
        except Transient:
            continue
    assert done is not None
    assert done.ok
    assert failing.failed >= 2
    assert not done.kept
    assert {"site", "camera-yard", "camera-door"} <= set(shadows(aws, THING))
    topic = aws.client("sns").list_subscriptions_by_topic(TopicArn=aws.ready["outputs"]["AlertTopicArn"])
    assert len(topic["Subscriptions"]) == 1


def test_the_table_is_lost(start: Start, footage: FakeFootage, tmp_path: Path) -> None:
    """An index whose items are gone, or name what is not there, is made equal to the bucket again."""
    aws = start()
    recorded = [footage.segment(1_000, "yard") for _ in range(3)]
    footage.thumbnail(recorded[0])
    sync = uploads(aws, tmp_path / "site")
    sync.sweep()
    sync.drain()
    sync.close()
    settled(aws)
    account, before = account_of(aws), footage_items(aws)
    dynamodb = aws.client("dynamodb")
    items = list(list_items(account, "MediaTable"))
    for item in items:
        dynamodb.delete_item(TableName=aws.table, Key={"pk": item["pk"], "sk": item["sk"]})
    gone = next(item for item in items if item.get("object_key", {}).get("S") == key_of(THING, recorded[0]))
    elsewhere = {name: value for name, value in gone.items() if name != "thumbnail_key" and not name.endswith("_mark")}
    stale = key_of(THING, recorded[0]).replace("yard", "gone")
    dynamodb.put_item(
        TableName=aws.table,
        Item={**elsewhere, "pk": {"S": gone["pk"]["S"].replace("yard", "gone")}, "object_key": {"S": stale}},
    )
    state = index_rebuild.compare(account)
    assert (state.objects, state.missing, state.left_over) == (4, 4, 1)
    said: list[str] = []
    state = index_rebuild.rebuild(account, said.append)
    assert (state.objects, state.missing, state.left_over) == (4, 0, 0)
    assert footage_items(aws) == before
    assert said[-1] == "index: 4 objects taken in, 1 taken out"
    # And once more: nothing is to be done.
    assert index_rebuild.rebuild(account, said.append).missing == 0
    assert said[-1] == "index: 0 objects taken in, 0 taken out"


def test_a_stack_that_lacks_the_resource_is_told() -> None:
    """Who restores into an account without the stack learns what to deploy."""
    empty = Account(lambda service: None, "eu-central-1", "1", {})
    with pytest.raises(Rejected, match="deploy"):
        empty.resource("MediaBucket")
