"""Called by IoT Core's rules when a client connects or disconnects, and when a thing is removed.

Writes down the last connection and asks watch_fleet, by a message that waits as long as a short break is forgiven, to
look at the site. The message is a hint: watch_fleet looks at all sites every minute anyway.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cloud import aws_clients
from cloud.function_log import Call, begin, tell
from cloud.functions.note_presence import core
from cloud.site_items import PRESENCE, SEEN, Presence, presence_item, presence_of, revision_of
from components.shared.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

COMPONENT = "note_presence"
WRITES_MAX = 5  # an item that somebody else writes each time is left to Lambda's next try
KEPT_S = 30 * 86_400  # clients that are no sites are forgotten; of a site that was silent for so long SEEN is enough
MARGIN_S = 1  # a message that comes a moment before the break is long enough would find nothing


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to, and how long a break is forgiven."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    table: str
    queue_url: str
    grace_s: int


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(
        aws_clients.dynamodb(),
        aws_clients.sqs(),
        aws_clients.table(),
        os.environ["QUEUE_URL"],
        int(os.environ["GRACE_SECONDS"]),
    )


def handle(event: dict[str, Any], context: Call) -> None:
    """Handles one event."""
    begin(context)
    note(event, doors(), int(time.time() * 1000))


def note(event: dict[str, Any], doors: Doors, now_ms: int) -> None:
    """Write down what an event says; Rejected when it says nothing that is known."""
    told = core.read_event(event, now_ms)
    if isinstance(told, core.Removal):
        _forget(told.thing, doors)
        _ask_for_look(told.thing, 0, doors)
        return
    if _write(told.client, told.presence, now_ms, doors):
        _ask_for_look(told.client, doors.grace_s + MARGIN_S, doors)


def _write(client: str, presence: Presence, now_ms: int, doors: Doors) -> bool:
    """Whether this is the last connection of a client; then it is written down."""
    for _ in range(WRITES_MAX):
        key = {"pk": {"S": PRESENCE}, "sk": {"S": client}}
        item = doors.dynamodb.get_item(TableName=doors.table, Key=key, ConsistentRead=True).get("Item")
        if not core.follows(presence, presence_of(item) if item else None):
            fields = {"client": client, "connected": presence.connected, "session": presence.session}
            tell(COMPONENT, logging.INFO, "presence_ignored", fields)
            return False
        revision = revision_of(item) if item else 0
        if _put(presence_item(client, presence, revision + 1, now_ms // 1000 + KEPT_S), revision, doors):
            fields = {"client": client, "connected": presence.connected, "reason": presence.reason}
            tell(COMPONENT, logging.INFO, "presence_noted", fields)
            return True
    raise Transient(f"presence of {client} is written by somebody else all the time")


def _put(item: dict[str, dict[str, Any]], revision: int, doors: Doors) -> bool:
    try:
        doors.dynamodb.put_item(
            TableName=doors.table,
            Item=item,
            ConditionExpression="attribute_not_exists(revision) OR revision = :revision",
            ExpressionAttributeValues={":revision": {"N": str(revision)}},
        )
    except doors.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _forget(thing: str, doors: Doors) -> None:
    for kind in (SEEN, PRESENCE):
        doors.dynamodb.delete_item(TableName=doors.table, Key={"pk": {"S": kind}, "sk": {"S": thing}})
    tell(COMPONENT, logging.INFO, "site_removed", {"site": thing})


def _ask_for_look(thing: str, delay_s: int, doors: Doors) -> None:
    doors.sqs.send_message(QueueUrl=doors.queue_url, MessageBody=json.dumps({"thing": thing}), DelaySeconds=delay_s)
