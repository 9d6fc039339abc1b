"""Called by Lambda with messages of S3 events: brings the item of each object up to what S3 has now."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cloud.function_log import about, about_message, tell
from cloud.functions.index_object import core
from cloud.object_events import read_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

COMPONENT = "index_object"
STREAMS_KNOWN_MAX = 50_000  # some megabytes; more than a fleet has
CALL_S_MAX = 10  # of one call to AWS; the function has longer, and the message comes again


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to."""

    s3: S3Client
    dynamodb: DynamoDBClient
    table: str
    known: set[str] = field(default_factory=set)
    """Streams of which this process knows that the index lists them."""


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    config = Config(connect_timeout=CALL_S_MAX, read_timeout=CALL_S_MAX, retries={"total_max_attempts": 3})
    return Doors(boto3.client("s3", config=config), boto3.client("dynamodb", config=config), os.environ["TABLE_NAME"])


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handles a batch; names the messages that failed, so that only they come again."""
    failures = []
    for record in event["Records"]:
        try:
            index_message(json.loads(record["body"]), doors())
        except Exception:  # noqa: BLE001 - a message must not take its neighbours to the dead letters
            tell(COMPONENT, logging.ERROR, "object_not_indexed", about_message(record), with_error=True)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def index_message(body: dict[str, Any], doors: Doors) -> None:
    """Brings the items of the objects in one message up to date."""
    for event in read_event(body):
        if not core.concerns(event.key):
            tell(COMPONENT, logging.INFO, "object_ignored", about(event.key))
            continue
        seen = look(event.bucket, event.key, doors.s3)
        change = core.decide(event.key, event.mark, seen, int(time.time()))
        if seen is not None:
            list_stream(event.key, doors)
        done = apply(change, doors)
        fields = about(event.key, seen.metadata if seen is not None else None)
        tell(COMPONENT, logging.INFO, "object_indexed", {**fields, "present": seen is not None, "written": done})


def look(bucket: str, key: str, s3: S3Client) -> core.Seen | None:
    """What S3 has at a key now."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return core.Seen(head["ContentLength"], head["ETag"].strip('"'), head.get("VersionId", "null"), head["Metadata"])


def list_stream(key: str, doors: Doors) -> None:
    """Sees to it that the stream of an object is listed, before the object is."""
    item = core.stream_item(key)
    if item["sk"]["S"] in doors.known:
        return
    doors.dynamodb.update_item(
        TableName=doors.table,
        Key={"pk": item["pk"], "sk": item["sk"]},
        UpdateExpression="SET camera = :camera",
        ExpressionAttributeValues={":camera": item["camera"]},
    )
    if len(doors.known) >= STREAMS_KNOWN_MAX:
        doors.known.clear()
    doors.known.add(item["sk"]["S"])


def apply(change: core.Change, doors: Doors) -> bool:
    """Writes a change unless a later one was written before; whether it was written."""
    names = {f"#s{index}": name for index, name in enumerate(change.to_set)}
    values = {f":s{index}": _typed(value) for index, value in enumerate(change.to_set.values())}
    removed = {f"#r{index}": name for index, name in enumerate(change.to_remove)}
    update = "SET " + ", ".join(f"#s{index} = :s{index}" for index in range(len(change.to_set)))
    if removed:
        update += " REMOVE " + ", ".join(removed)
    try:
        doors.dynamodb.update_item(
            TableName=doors.table,
            Key={"pk": {"S": change.pk}, "sk": {"S": change.sk}},
            UpdateExpression=update,
            ConditionExpression="attribute_not_exists(#mark) OR #mark <= :mark",
            ExpressionAttributeNames={**names, **removed, "#mark": change.mark_name},
            ExpressionAttributeValues={**values, ":mark": {"S": change.mark}},
        )
    except doors.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _typed(value: core.Value) -> Any:
    if isinstance(value, Mapping):
        return {"M": {name: _typed(inner) for name, inner in value.items()}}
    if isinstance(value, tuple):
        return {"L": [{"S": inner} for inner in value]}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
