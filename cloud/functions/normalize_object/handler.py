"""Called by Lambda with messages of S3 events under `drop/`: moves each upload to its canonical key.

Copy, look at the copy, then delete the source, and only the source that was copied: each step may be repeated, and a
death between two of them loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloud import aws_clients
from cloud.function_log import Call, about, begin, tell
from cloud.functions.normalize_object import core
from cloud.message_batch import handle_each
from cloud.object_events import read_event
from cloud.site_items import SITE
from components.shared.errors import Rejected, Transient
from components.shared.wire.segment_metadata import TRACE_METADATA
from components.shared.wire.trace import FIELD as TRACE_ID

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

COMPONENT = "normalize_object"
COPY_S_MAX = 55  # of one copy; S3 copies some 100 MB/s, and the function itself is killed after 60 s


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to."""

    s3: S3Client
    dynamodb: DynamoDBClient
    table: str


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(aws_clients.s3(COPY_S_MAX), aws_clients.dynamodb(), aws_clients.table())


def handle(event: dict[str, Any], context: Call) -> dict[str, Any]:
    """Handles a batch; names the messages that failed, so that only they come again."""
    begin(context)
    return handle_each(event, COMPONENT, "upload_not_moved", lambda body: normalize_message(body, doors()))


def normalize_message(body: Mapping[str, Any], doors: Doors) -> None:
    """Moves the uploads that one message names."""
    for change in read_event(body):
        normalize(change.bucket, change.key, doors)


def normalize(bucket: str, key: str, doors: Doors) -> str | None:
    """Moves the upload at `key`; its new key, None when there is nothing to move."""
    if core.is_canonical(key):
        return None
    head = look(bucket, key, doors.s3)
    if head is None:
        tell(
            COMPONENT, logging.INFO, "upload_gone", about(key)
        )  # moved by an earlier delivery of this message, or taken back
        return None
    upload = core.Upload(key, head["ETag"].strip('"'), head["ContentLength"], head["Metadata"])
    move = core.plan(upload, time_zone(core.site_of(key), doors))
    target = copy(bucket, upload, move, head.get("ContentType", "binary/octet-stream"), doors.s3)
    delete(bucket, upload, doors.s3)
    tell(COMPONENT, logging.INFO, "upload_moved", {**about(target), "moved_from": key})
    return target


def time_zone(site: str, doors: Doors) -> str | None:
    """The time zone of the site's item, None when it has none."""
    answer = doors.dynamodb.get_item(
        TableName=doors.table,
        Key={"pk": {"S": SITE}, "sk": {"S": site}},
        ProjectionExpression="time_zone",
    )
    return answer.get("Item", {}).get("time_zone", {}).get("S")


def copy(bucket: str, upload: core.Upload, move: core.Move, content_type: str, s3: S3Client) -> str:
    """Copies the upload to the first key of `move` that is free or has it already; that key, the copy verified."""
    for slot in range(core.SLOTS_MAX):
        target = move.key(slot)
        head = look(bucket, target, s3) or copied(bucket, upload, move, target, content_type, s3)
        if not core.was_moved(upload, head["Metadata"]):
            continue  # somebody else's: the next millisecond
        if not core.is_whole_copy(upload, head["ETag"].strip('"'), head["ContentLength"], head["Metadata"]):
            raise Transient(f"upload {upload.key}: its copy {target} is not whole, the source is kept")
        return target
    raise Rejected(f"upload {upload.key}: {core.SLOTS_MAX} objects begin in its second, it is kept where it is")


def copied(
    bucket: str, upload: core.Upload, move: core.Move, target: str, content_type: str, s3: S3Client
) -> HeadObjectOutputTypeDef:
    """Copies to `target` unless something has come there meanwhile; what is there then."""
    try:
        s3.copy_object(
            Bucket=bucket,
            Key=target,
            CopySource={"Bucket": bucket, "Key": upload.key},
            CopySourceIfMatch=upload.etag,
            IfNoneMatch="*",
            MetadataDirective="REPLACE",
            Metadata=traced(move.metadata, target),
            ContentType=content_type,
        )
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {409, 412}:
            raise
    head = look(bucket, target, s3)
    if head is None:
        raise Transient(f"upload {upload.key}: it changed while it was copied to {target}")
    return head


def traced(metadata: Mapping[str, str], target: str) -> dict[str, str]:
    """The metadata of a copy with its trace, if there is room for it: the fields of a foreign upload may be long."""
    both = {**metadata, TRACE_METADATA: about(target)[TRACE_ID]}
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in both.items())
    return both if size_bytes <= core.METADATA_BYTES_MAX else dict(metadata)


def delete(bucket: str, upload: core.Upload, s3: S3Client) -> None:
    """Deletes the upload as it was copied; one that was replaced meanwhile stays, and its own event will move it."""
    try:
        s3.delete_object(Bucket=bucket, Key=upload.key, IfMatch=upload.etag)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {404, 412}:
            raise
        tell(COMPONENT, logging.WARNING, "upload_replaced_meanwhile", about(upload.key))


def look(bucket: str, key: str, s3: S3Client) -> HeadObjectOutputTypeDef | None:
    """What S3 has at a key now."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
