"""What was stored is there after a stop, and after a kill at any moment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running, Start
from tests.integration.aws.test_pipeline import put_segment, settled
from tests.integration.aws.test_resources import control

pytestmark = pytest.mark.slow
MIB = 1 << 20


def fill(aws: Running) -> dict[str, Any]:
    """Puts something of everything into a stand-in; what must be found again."""
    s3, queue = aws.client("s3"), aws.ready["resources"]["NormalizeDeadLetters"]
    first = s3.put_object(Bucket=aws.bucket, Key="k", Body=b"first")["VersionId"]
    s3.put_object(
        Bucket=aws.bucket,
        Key="k",
        Body=b"second",
        Metadata={"nvr-run": "7"},
        Tagging="a=1",
        ContentType="video/mp4",
        ChecksumAlgorithm="SHA256",
    )
    s3.put_object(Bucket=aws.bucket, Key="gone", Body=b"x")
    s3.delete_object(Bucket=aws.bucket, Key="gone")
    where = {"Bucket": aws.bucket, "Key": "parts"}
    upload = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"p" * 5 * MIB, ChecksumAlgorithm="SHA256")
    dynamodb = aws.client("dynamodb")
    for sk, value in (("1", "one"), ("2", "two"), ("3", "three")):
        dynamodb.put_item(TableName=aws.table, Item={"pk": {"S": "p"}, "sk": {"S": sk}, "v": {"S": value}})
    dynamodb.update_item(
        TableName=aws.table,
        Key={"pk": {"S": "p"}, "sk": {"S": "1"}},
        UpdateExpression="SET v = :v, n = :n",
        ExpressionAttributeValues={":v": {"S": "changed"}, ":n": {"N": "12345678901234567890"}},
    )
    dynamodb.delete_item(TableName=aws.table, Key={"pk": {"S": "p"}, "sk": {"S": "2"}})
    with contextlib.suppress(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": aws.table, "Item": {"pk": {"S": "p"}, "sk": {"S": "4"}}}},
                {
                    "ConditionCheck": {
                        "TableName": aws.table,
                        "Key": {"pk": {"S": "p"}, "sk": {"S": "9"}},
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )
    sqs = aws.client("sqs")
    for body in ("kept", "deleted"):
        attributes = {"a": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attributes)
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    (deleted,) = [message for message in got if message["Body"] == "deleted"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=deleted["ReceiptHandle"])
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="edgenvr/s/one", SecretString="old", Tags=[{"Key": "a", "Value": "1"}])
    secrets.put_secret_value(SecretId="edgenvr/s/one", SecretString="new")
    secrets.create_secret(Name="edgenvr/s/bytes", SecretBinary=b"\0\xff")
    secrets.create_secret(Name="edgenvr/s/gone", SecretString="x")
    secrets.delete_secret(SecretId="edgenvr/s/gone", ForceDeleteWithoutRecovery=True)
    aws.client("iot-data").update_thing_shadow(
        thingName="s", shadowName="site", payload=json.dumps({"state": {"desired": {"a": 1}}})
    )
    return {"first": first, "upload": upload, "etag": part["ETag"], "sum": part["ChecksumSHA256"]}


def check(aws: Running, left: dict[str, Any]) -> None:
    """Everything that `fill` put is there, and nothing that it took away."""
    s3, queue = aws.client("s3"), aws.ready["resources"]["NormalizeDeadLetters"]
    got = s3.get_object(Bucket=aws.bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (b"second", {"nvr-run": "7"}, 1)
    assert (got["ContentType"], "ChecksumSHA256" in got) == ("video/mp4", True)
    assert s3.get_object(Bucket=aws.bucket, Key="k", VersionId=left["first"])["Body"].read() == b"first"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=aws.bucket)["Contents"]] == ["k"]
    assert len(s3.list_object_versions(Bucket=aws.bucket)["DeleteMarkers"]) == 1
    part = {"PartNumber": 1, "ETag": left["etag"], "ChecksumSHA256": left["sum"]}
    where = {"Bucket": aws.bucket, "Key": "parts", "UploadId": left["upload"]}
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]})
    assert s3.get_object(Bucket=aws.bucket, Key="parts")["Body"].read() == b"p" * 5 * MIB
    s3.delete_object(Bucket=aws.bucket, Key="parts")
    items = aws.client("dynamodb").query(
        TableName=aws.table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
    )["Items"]
    assert [(item["sk"]["S"], item["v"]["S"]) for item in items] == [("1", "changed"), ("3", "three")]
    assert items[0]["n"] == {"N": "12345678901234567890"}
    got = aws.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    )
    (message,) = got["Messages"]
    assert (message["Body"], message["Attributes"]["ApproximateReceiveCount"]) == ("kept", "2")
    assert message["MessageAttributes"]["a"]["BinaryValue"] == b"\0\1"
    secrets = aws.client("secretsmanager")
    told = secrets.get_secret_value(SecretId="edgenvr/s/one")
    assert (told["SecretString"], told["VersionStages"]) == ("new", ["AWSCURRENT"])
    assert secrets.get_secret_value(SecretId="edgenvr/s/one", VersionStage="AWSPREVIOUS")["SecretString"] == "old"
    assert secrets.get_secret_value(SecretId=told["ARN"])["SecretString"] == "new"
    assert secrets.get_secret_value(SecretId="edgenvr/s/bytes")["SecretBinary"] == b"\0\xff"
    names = {one["Name"] for one in secrets.list_secrets()["SecretList"]}
    assert {name for name in names if "/" in name} == {"edgenvr/s/one", "edgenvr/s/bytes"}  # others are the template's
    told = aws.client("iot-data").get_thing_shadow(thingName="s", shadowName="site")
    assert json.load(told["payload"])["state"]["desired"] == {"a": 1}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_is_there_after_the_end(start: Start, end: str) -> None:
    """Objects, versions, uploads under way, items, messages, secrets and shadows outlive a stop and a kill."""
    aws = start()
    left = fill(aws)
    getattr(aws, end)()
    again = start()
    check(again, left)
    assert control(again, "/_local/stats")["start_s"] < 30


def test_a_start_does_not_tell_of_objects_again(start: Start) -> None:
    """Objects that were handled before leave no new events when the stand-in starts again."""
    aws = start()
    put_segment(aws, "site-a", 0)
    settled(aws)
    aws.stop()
    again = start()
    settled(again)
    stats = control(again, "/_local/stats")
    assert (stats["events"]["sent"], stats["functions"]["edgenvr-IndexObject"]["calls"]) == (0, 0)


def test_a_second_one_on_the_same_folder_is_refused(start: Start) -> None:
    """Two stand-ins never share a folder."""
    start()
    with pytest.raises(AssertionError, match="ended with 1"):
        start()


def bodies(aws: Running) -> int:
    return sum(1 for path in (aws.data / "bodies").rglob("*") if path.is_file())


def test_space_is_given_back(start: Start) -> None:
    """Bodies of removed versions, replaced parts and broken uploads do not stay on disk."""
    aws = start()
    s3 = aws.client("s3")
    version = s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x" * MIB)["VersionId"]
    where = {"Bucket": aws.bucket, "Key": "parts"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    for _ in range(3):
        s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"p")
    assert bodies(aws) == 2
    with pytest.raises(botocore.exceptions.ClientError):
        s3.put_object(Bucket=aws.bucket, Key="bad", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    s3.abort_multipart_upload(**where, UploadId=upload)
    s3.delete_object(Bucket=aws.bucket, Key="k", VersionId=version)
    assert bodies(aws) == 0


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_under_load_loses_nothing_that_was_answered(start: Start, seed: int) -> None:
    """Killed at a random moment while four clients upload: what was answered is whole, indexed once, and nothing
    else takes space.
    """
    chance = random.Random(seed)
    aws = start()
    answered: dict[str, bytes] = {}
    stop = threading.Event()

    def upload(client: int) -> None:
        numbers = random.Random(seed * 100 + client)
        for number in range(client * 1_000, client * 1_000 + 400):
            body = numbers.randbytes(numbers.randrange(1, 300_000))
            try:
                key = put_segment(aws, "site-k", number, body)
            except botocore.exceptions.BotoCoreError:
                return  # killed meanwhile: it may be there or not
            answered[key] = body
            if stop.is_set():
                return

    put_segment(aws, "site-k", 9_999)
    threads = [threading.Thread(target=upload, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    stop.wait(0.5 + chance.random())
    aws.kill()
    stop.set()
    for thread in threads:
        thread.join(20)
    again = start()
    settled(again, 90)
    s3 = again.client("s3")
    for key, body in answered.items():
        got = s3.get_object(Bucket=again.bucket, Key=key)
        assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(body).digest()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=again.bucket, Prefix="sites/site-k/")
    stored = {entry["Key"] for page in pages for entry in page["Contents"]}
    assert set(answered) <= stored
    scan = again.client("dynamodb").get_paginator("scan").paginate(TableName=again.table)
    items = [item for page in scan for item in page["Items"]]
    indexed = [item["object_key"]["S"] for item in items if "object_key" in item]  # others list streams
    assert sorted(indexed) == sorted(stored)
    assert bodies(again) == len(stored)


def test_memory_does_not_grow_with_what_is_stored(start: Start) -> None:
    """300 MB of objects, written and read, cost no memory of that order."""
    aws = start()
    s3, body = aws.client("s3"), random.Random(1).randbytes(10 * MIB)

    def rss_mb() -> float:
        return int(Path(f"/proc/{aws.process.pid}/statm").read_text().split()[1]) * 4_096 / MIB

    s3.put_object(Bucket=aws.bucket, Key="first", Body=body)
    before = rss_mb()
    for number in range(30):
        s3.put_object(Bucket=aws.bucket, Key=f"k{number}", Body=body)
        assert len(s3.get_object(Bucket=aws.bucket, Key=f"k{number}")["Body"].read()) == len(body)
    assert rss_mb() - before < 60


def test_an_idle_stand_in_sleeps(start: Start) -> None:
    """With nothing to do it takes less than 3 % of a core."""
    aws = start()
    put_segment(aws, "site-i", 0)
    settled(aws)

    def cpu_s() -> float:
        fields = Path(f"/proc/{aws.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    begin, cpu = time.monotonic(), cpu_s()
    eventually(lambda: time.monotonic() - begin > 5, 10)
    assert cpu_s() - cpu < 0.03 * (time.monotonic() - begin)
