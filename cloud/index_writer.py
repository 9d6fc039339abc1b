"""Brings the index up to what S3 has at a key: one item at a time, through the clients given.

`index_object` does it at each event, under the event's mark; `cloud.index_reconcile` where the two differ, under the
mark that the item has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud.functions.index_object import core

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

STREAMS_KNOWN_MAX = 50_000  # some megabytes; more than a fleet has


@dataclass(frozen=True, slots=True)
class Doors:
    """What writing the index speaks to."""

    s3: S3Client
    dynamodb: DynamoDBClient
    table: str
    known: set[str] = field(default_factory=set)
    """Streams of which this process knows that the index lists them."""


@dataclass(frozen=True, slots=True)
class Written:
    """What S3 has at a key, and whether the index was to be told under that mark."""

    seen: core.Seen | None
    done: bool


def bring_up_to_date(bucket: str, key: str, mark: str, doors: Doors) -> Written:
    """Writes what S3 has at a key of footage now, unless a later mark wrote; Rejected when it is no such key."""
    seen = look(bucket, key, doors.s3)
    change = core.decide(key, mark, seen, int(time.time()))
    if seen is not None:
        list_stream(key, doors)
    return Written(seen, apply(change, doors))


def look(bucket: str, key: str, s3: S3Client) -> core.Seen | None:
    """What S3 has at a key now."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
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
