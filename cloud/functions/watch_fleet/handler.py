"""Called every minute for all sites, and a moment after a site's connection has changed for that one.

What is to be told of a site is written down before it is told, and told again until that is done: a run that dies
leaves it to the next. Two runs at once do no harm: only one writes a site's item, and a notice is told once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from cloud import aws_clients, function_log
from cloud.alert_telling import Context, TellingDoors, tell
from cloud.function_log import begin
from cloud.functions.watch_fleet import core
from cloud.functions.watch_fleet.watch_item import watch_item, watch_of
from cloud.message_batch import handle_each
from cloud.site_items import PRESENCE, SEEN, WATCH, Item, presence_of, revision_of, seen_of
from components.shared.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

COMPONENT = "watch_fleet"


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to, and how long a break is forgiven."""

    telling: TellingDoors
    grace_ms: int

    @property
    def dynamodb(self) -> DynamoDBClient:
        """Where the items of sites are."""
        return self.telling.dynamodb

    @property
    def table(self) -> str:
        """The table of alerts."""
        return self.telling.table


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(aws_clients.telling(), int(os.environ["GRACE_SECONDS"]) * 1000)


def handle(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Looks at the sites that messages name, else at all; names the messages whose sites could not be looked at."""
    begin(context)

    def look_at(things: Sequence[str] | None) -> None:
        check(things, doors(), int(time.time() * 1000), context.get_remaining_time_in_millis())

    if "Records" in event:
        return handle_each(event, COMPONENT, "message_not_handled", lambda body: look_at([body["thing"]]))
    look_at(None)
    return {}


def check(things: Sequence[str] | None, doors: Doors, now_ms: int, left_ms: int) -> None:
    """Look at these sites, or at all, and tell what is to be told; Transient when a site could not be looked at."""
    seen, presence, watch = (_items(kind, things, doors) for kind in (SEEN, PRESENCE, WATCH))
    failed = []
    for thing in sorted(seen.keys() | watch.keys()):
        try:
            _check_site(thing, seen.get(thing), presence.get(thing), watch.get(thing), doors, now_ms, left_ms)
        except Exception:  # noqa: BLE001 - one site's bad item must not keep the others' alerts back, whatever is wrong with it
            function_log.tell(COMPONENT, logging.ERROR, "site_not_checked", {"site": thing}, with_error=True)
            failed.append(thing)
    if failed:
        raise Transient(f"sites could not be checked: {' '.join(failed)}")


def _check_site(
    thing: str, seen: Item | None, presence: Item | None, item: Item | None, doors: Doors, now_ms: int, left_ms: int
) -> None:
    revision = revision_of(item) if item else 0
    before = watch_of(item) if item else core.Watch()
    signs = core.Signs(seen_of(seen) if seen else None, presence_of(presence) if presence else None)
    watch = core.look(thing, signs, before, now_ms, doors.grace_ms)
    if watch != before:
        if not _put(thing, watch, revision, doors):
            function_log.tell(COMPONENT, logging.INFO, "site_checked_by_another_run", {"site": thing})
            return
        revision += 1
    if watch.untold and _tell(watch, doors, now_ms, left_ms):
        _put(thing, replace(watch, untold=()), revision, doors)


def _tell(watch: core.Watch, doors: Doors, now_ms: int, left_ms: int) -> bool:
    """Tell what is to be told, in order; False when another run is at it."""
    return all(tell(notice, doors.telling, now_ms, left_ms) != "under_way" for notice in watch.untold)


def _put(thing: str, watch: core.Watch, revision: int, doors: Doors) -> bool:
    """Write a site's item over the revision that was read; whether nobody else had written it."""
    try:
        doors.dynamodb.put_item(
            TableName=doors.table,
            Item=watch_item(thing, watch, revision + 1),
            ConditionExpression="attribute_not_exists(revision) OR revision = :revision",
            ExpressionAttributeValues={":revision": {"N": str(revision)}},
        )
    except doors.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _items(kind: str, things: Sequence[str] | None, doors: Doors) -> dict[str, Item]:
    """The items of a kind by their things: of those that are named, else of all."""
    if things is None:
        pages = doors.dynamodb.get_paginator("query").paginate(
            TableName=doors.table,
            KeyConditionExpression="pk = :kind",
            ExpressionAttributeValues={":kind": {"S": kind}},
            ConsistentRead=True,
        )
        return {item["sk"]["S"]: item for page in pages for item in page["Items"]}
    found: dict[str, Item] = {}
    for thing in things:
        key = {"pk": {"S": kind}, "sk": {"S": thing}}
        item = doors.dynamodb.get_item(TableName=doors.table, Key=key, ConsistentRead=True).get("Item")
        if item is not None:
            found[thing] = item
    return found
