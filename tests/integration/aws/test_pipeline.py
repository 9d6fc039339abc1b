"""From an upload to its item: S3, EventBridge, SQS, the real functions, DynamoDB."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs, parse_stamp
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import ROOT, Running, Start
from tests.integration.aws.test_resources import control

pytestmark = pytest.mark.slow
START = parse_stamp("20251020T140300.000Z")
QUICK = ("--parameter", "FunctionTimeoutSeconds=2", "--parameter", "RetrySeconds=2", "--parameter", "TriesMax=2")


def facts(start_ns: int, body: bytes) -> SegmentFacts:
    return SegmentFacts(
        start_ns=WallNs(start_ns),
        end_ns=WallNs(start_ns + 5 * NS_PER_S),
        run="r1",
        codec="avc1.640028",
        width=1280,
        height=720,
        frames=75,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        time_base=TimeBase(1, 90_000),
        start_ticks=0,
        init_bytes=800,
        gops=(Gop(800, len(body), 450_000),),
    )


def put_segment(aws: Running, thing: str, number: int, body: bytes = b"segment") -> str:
    start_ns = WallNs(START + number * 5 * NS_PER_S)
    key = object_key(thing, ObjectName("front", "main", start_ns, "mp4"))
    metadata = segment_metadata.encode(facts(start_ns, body))
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=body, Metadata=metadata, ContentType="video/mp4")
    return key


def items(aws: Running, thing: str) -> list[dict[str, Any]]:
    answer = aws.client("dynamodb").query(
        TableName=aws.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"SEG#{thing}#front#2025-10-20"}},
    )
    return [plain(item) for item in answer["Items"]]


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item's attributes without their types, those of `facts` among them."""
    values = {name: next(iter(value.values())) for name, value in item.items()}
    return values | {name: next(iter(value.values())) for name, value in values.pop("facts", {}).items()}


def waiting(aws: Running) -> int:
    stats = control(aws, "/_local/stats")
    queues = [stats["queues"][f"edgenvr-{name}"] for name in ("IndexQueue", "NormalizeQueue")]
    return int(stats["events"]["waiting"] + sum(queue["waiting"] + queue["in_flight"] for queue in queues))


def settled(aws: Running, within_s: float = 30.0) -> None:
    """Waits until nothing is on its way any more."""
    eventually(lambda: waiting(aws) == 0, within_s, f"the queues to drain: {aws.log}")


@pytest.fixture
def thing() -> str:
    return f"site-{uuid.uuid4().hex[:8]}"


def test_a_segment_is_indexed_with_its_thumbnail(aws: Running, thing: str) -> None:
    """A segment, its thumbnail and its details come to be one item, found by day and by time."""
    key = put_segment(aws, thing, 0)
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key=key.replace(".mp4", ".jpg"), Body=b"jpg")
    s3.put_object(Bucket=aws.bucket, Key=key.replace(".mp4", ".json"), Body=b"{}")
    settled(aws)
    (item,) = items(aws, thing)
    assert (item["object_key"], item["thumbnail_key"]) == (key, key.replace(".mp4", ".jpg"))
    assert item["details_key"] == key.replace(".mp4", ".json")
    assert (item["frames"], item["codec"], item["end_ns"]) == ("75", "avc1.640028", str(START + 5 * NS_PER_S))
    by_time = aws.client("dynamodb").query(
        TableName=aws.table,
        IndexName="by-time",
        KeyConditionExpression="by_time_pk = :day",
        ExpressionAttributeValues={":day": {"S": f"{thing}#2025-10-20"}},
    )
    assert [one["object_key"]["S"] for one in by_time["Items"]] == [key]


def test_a_deleted_segment_leaves_the_index(aws: Running, thing: str) -> None:
    """After a delete the item is no segment any more; a segment put again is one again."""
    key = put_segment(aws, thing, 0)
    settled(aws)
    aws.client("s3").delete_object(Bucket=aws.bucket, Key=key)
    settled(aws)
    (item,) = items(aws, thing)
    assert "object_key" not in item
    assert "by_time_pk" not in item
    put_segment(aws, thing, 0, b"again")
    settled(aws)
    (item,) = items(aws, thing)
    assert (item["size_bytes"], "expires_s" in item) == ("5", False)


def test_an_old_version_that_expires_changes_nothing(aws: Running, thing: str) -> None:
    """The removal of an old version, by lifecycle say, leaves the segment as it is."""
    key = put_segment(aws, thing, 0, b"old")
    s3 = aws.client("s3")
    old = s3.head_object(Bucket=aws.bucket, Key=key)["VersionId"]
    put_segment(aws, thing, 0, b"newer")
    s3.delete_object(Bucket=aws.bucket, Key=key, VersionId=old)
    settled(aws)
    (item,) = items(aws, thing)
    assert (item["size_bytes"], item["object_key"]) == ("5", key)


def test_an_upload_in_parts_is_indexed_once(aws: Running, thing: str) -> None:
    """An upload in parts leaves one event and one item, with its metadata."""
    start_ns = WallNs(START)
    key = object_key(thing, ObjectName("front", "main", start_ns, "mp4"))
    body = b"x" * (6 << 20)
    where = {"Bucket": aws.bucket, "Key": key}
    s3 = aws.client("s3")
    sent = control(aws, "/_local/stats")["events"]["sent"]
    where["UploadId"] = s3.create_multipart_upload(**where, Metadata=segment_metadata.encode(facts(start_ns, body)))[
        "UploadId"
    ]
    etag = s3.upload_part(**where, PartNumber=1, Body=body)["ETag"]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    settled(aws)
    (item,) = items(aws, thing)
    assert (item["size_bytes"], item["frames"]) == (str(6 << 20), "75")
    assert control(aws, "/_local/stats")["events"]["sent"] == sent + 1


def test_an_amcrest_upload_is_moved_and_indexed(aws: Running, thing: str) -> None:
    """An FTP drop comes to its canonical key, read in its site's own zone, its source gone, its item complete."""
    aws.client("iot").create_thing(thingName=thing)
    document = {"state": {"desired": {"schema": 1, "time_zone": "Europe/Berlin", "cameras": {}}}}
    aws.client("iot-data").update_thing_shadow(
        thingName=thing, shadowName="site", payload=json.dumps(document).encode()
    )
    where = {"TableName": aws.ready["resources"]["AlertsTable"], "Key": {"pk": {"S": "SITE"}, "sk": {"S": thing}}}
    eventually(lambda: "Item" in aws.client("dynamodb").get_item(**where), 30, "the site's item")
    source = f"drop/{thing}/front/2025-10-20/001/dav/16/16.03.00-16.06.00[M][0@0][0].mp4"
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key=source, Body=b"foreign", ContentType="video/mp4", Tagging="a=1")
    target = f"sites/{thing}/cameras/front/2025/10/20/14/front_20251020T140300.000Z.mp4"
    eventually(lambda: [one["object_key"] for one in items(aws, thing)] == [target], 30, str(aws.log))
    (item,) = items(aws, thing)
    assert (item["origin"], item["trigger"], item["time_zone"]) == (source, "motion", "Europe/Berlin")
    assert item["end_ns"] == str(START + 180 * NS_PER_S)
    got = s3.get_object(Bucket=aws.bucket, Key=target)
    assert (got["Body"].read(), got["ContentType"], got["TagCount"]) == (b"foreign", "video/mp4", 1)
    settled(aws)
    assert s3.list_objects_v2(Bucket=aws.bucket, Prefix=f"drop/{thing}/")["KeyCount"] == 0


def test_two_uploads_of_one_second_are_both_kept(aws: Running, thing: str) -> None:
    """Two different files that begin in the same second get keys of their own; the same file twice is one."""
    s3 = aws.client("s3")
    for flags, body in (("[M]", b"one"), ("[R]", b"two"), ("[M]", b"one")):
        source = f"drop/{thing}/front/2025-10-20/001/dav/14/14.03.00-14.06.00{flags}[0@0][0].mp4"
        s3.put_object(Bucket=aws.bucket, Key=source, Body=body)
        settled(aws)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=aws.bucket, Prefix=f"sites/{thing}/")["Contents"]]
    assert [key[-13:] for key in keys] == ["0300.000Z.mp4", "0300.001Z.mp4"]
    bodies = {s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read() for key in keys}
    assert bodies == {b"one", b"two"}
    assert len(items(aws, thing)) == 2


def dead_letters(aws: Running, name: str) -> list[dict[str, Any]]:
    answer = aws.client("sqs").receive_message(
        QueueUrl=aws.ready["resources"][name], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_name_that_nobody_understands_ends_in_the_dead_letters(start: Start, thing: str) -> None:
    """An unparseable upload stays where it is, and its key is in the dead-letter queue after its tries."""
    aws = start(*QUICK)
    source = f"drop/{thing}/front/holiday pictures+1.mp4"
    aws.client("s3").put_object(Bucket=aws.bucket, Key=source, Body=b"frames")
    put_segment(aws, thing, 0)
    eventually(lambda: dead_letters(aws, "NormalizeDeadLetters"), 120, str(aws.log))
    (letter,) = dead_letters(aws, "NormalizeDeadLetters")
    assert letter["detail"]["object"]["key"] == source
    assert aws.client("s3").get_object(Bucket=aws.bucket, Key=source)["Body"].read() == b"frames"
    assert "holiday pictures+1.mp4" in (aws.data / "logs" / "edgenvr-NormalizeObject.log").read_text()
    eventually(lambda: len(items(aws, thing)) == 1, 60, "a bad upload holds nobody else up")


FAULTY = """
import json, os, signal, threading

def handle(event, context):
    for record in event["Records"]:
        key = json.loads(record["body"])["detail"]["object"]["key"]
        if "/crash/" in key:
            os.kill(os.getpid(), signal.SIGKILL)
        if "/raise/" in key:
            raise KeyError("nothing")
        if "/sleep/" in key:
            threading.Event().wait()
"""


def with_handler(tmp_path: Path, code: str) -> Path:
    """A template like the product's, its index function replaced."""
    folder = tmp_path / "project"
    package = folder / "cloud" / "functions" / "index_object"
    package.mkdir(parents=True)
    (package / "handler.py").write_text(code)
    template = folder / "cloud" / "template.yaml"
    template.write_text((ROOT / "cloud" / "template.yaml").read_text())
    return template


def test_a_function_that_fails_is_retried_then_given_up(start: Start, tmp_path: Path, thing: str) -> None:
    """Whether it dies, raises or takes too long: its message comes again, then goes to the dead letters, the fault is
    in the figures, and the next message finds a function that works.
    """
    aws = start(*QUICK, template=with_handler(tmp_path, FAULTY))
    told = {"crash": "ended with -9", "raise": "KeyError: 'nothing'", "sleep": "timed out after 2.00 seconds"}
    for number, (fault, expected) in enumerate(told.items(), 1):
        aws.client("s3").put_object(Bucket=aws.bucket, Key=f"sites/{thing}/{fault}/x", Body=b"")
        eventually(lambda: len(dead_letters(aws, "IndexDeadLetters")) == number, 40, str(aws.log))  # noqa: B023
        figures = control(aws, "/_local/stats")["functions"]["edgenvr-IndexObject"]
        assert (figures["calls"], figures["messages_failed"]) == (2 * number, 2 * number)
        assert expected in figures["faults"][-1]
    put_segment(aws, thing, 0)
    settled(aws)
    assert control(aws, "/_local/stats")["functions"]["edgenvr-IndexObject"]["messages_done"] == 1


def test_a_function_that_cannot_be_loaded_is_told(start: Start, tmp_path: Path, thing: str) -> None:
    """A handler whose import fails fails its messages, and the reason is in the figures."""
    aws = start(*QUICK, template=with_handler(tmp_path, "import nothing_of_that_name"))
    put_segment(aws, thing, 0)
    eventually(lambda: dead_letters(aws, "IndexDeadLetters"), 40, str(aws.log))
    figures = control(aws, "/_local/stats")["functions"]["edgenvr-IndexObject"]
    assert "cannot be loaded: ModuleNotFoundError" in figures["faults"][0]


def test_only_what_a_function_names_comes_again(start: Start, tmp_path: Path, thing: str) -> None:
    """Of a batch, the messages named as failed come again and the others are done."""
    code = (
        "import json\n"
        "def handle(event, context):\n"
        "    assert context.get_remaining_time_in_millis() > 1000\n"
        "    bad = [r['messageId'] for r in event['Records']\n"
        "           if json.loads(r['body'])['detail']['object']['key'].endswith('.json')]\n"
        "    return {'batchItemFailures': [{'itemIdentifier': one} for one in bad]}\n"
    )
    aws = start(*QUICK, template=with_handler(tmp_path, code))
    key = put_segment(aws, thing, 0)
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key.replace(".mp4", ".json"), Body=b"{}")
    eventually(lambda: dead_letters(aws, "IndexDeadLetters"), 40, str(aws.log))
    assert [letter["detail"]["object"]["key"][-5:] for letter in dead_letters(aws, "IndexDeadLetters")] == [".json"]
    figures = control(aws, "/_local/stats")["functions"]["edgenvr-IndexObject"]
    assert (figures["messages_done"], figures["messages_failed"]) == (1, 2)


def test_the_cloud_goes_on_when_the_site_is_offline(start: Start, thing: str) -> None:
    """What reached the cloud before the site's network went is indexed while it is off."""
    aws = start()
    put_segment(aws, thing, 0)
    control(aws, "/_local/network", {"online": False})
    settled(aws)
    control(aws, "/_local/network", {"online": True})
    assert len(items(aws, thing)) == 1


def test_nothing_is_lost_to_kill_9(start: Start, thing: str) -> None:
    """Killed at once after uploads, with events and messages under way, a new start indexes all of them, once each."""
    aws = start()
    keys = [put_segment(aws, thing, number) for number in range(20)]
    aws.kill()
    again = start()
    settled(again, 60)
    assert [item["object_key"] for item in items(again, thing)] == keys
