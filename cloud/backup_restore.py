"""Restores the cloud side from a backup into a fresh stack: what is not there is made, nothing replaced.

Order, so that at no moment anything says more than is there:

    1 the mark that a restore of this backup has begun     only where nothing is; whoever finds it goes on
    2 registry                                             a shadow belongs to a thing
    3 footage, copied from a replica if one is given       before anything asks for it
    4 items                                                time zones of sites, what was told of alerts
    5 shadows, a site's cameras before the site itself     a camera exists when the site names it
    6 subscriptions                                        people hear of what comes now
    7 index, made again from the bucket
    8 everything read back

Each step looks before it makes, so that all of it may be broken off and repeated. What is there and differs is kept and
told: after a restore the sites go on, and their newer word must not be lost.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cloud import backup_manifest as layout
from cloud.backup_account import (
    BUCKET,
    TABLES,
    TOPIC,
    Account,
    list_items,
    list_objects,
    list_secrets,
    list_subscriptions,
    list_things,
    shadow_state,
)
from cloud.backup_manifest import Manifest
from cloud.index_rebuild import FOOTAGE_PREFIX, WORKERS, IndexState, rebuild
from components.shared.errors import Rejected
from components.shared.wire.site_config import SITE

MARKS = "restores/"
"""Where the media bucket keeps which restore was begun."""

COPY_BYTES_MAX = 5 << 30  # of one CopyObject; a segment has at most ten minutes of footage
PROGRESS = 500

Say = Callable[[str], None]


@dataclass(slots=True)
class Restored:
    """What was made, what was there already, what is there and differs, and what people still have to do."""

    made: dict[str, int] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    secrets_missing: list[str] = field(default_factory=list)
    index: IndexState = field(default_factory=lambda: IndexState(0, 0, 0))

    def note(self, kind: str, is_made: bool) -> None:
        """Count one thing of a kind."""
        counted = self.made if is_made else self.present
        counted[kind] = counted.get(kind, 0) + 1

    @property
    def ok(self) -> bool:
        """Whether the account has everything now that the backup and the bucket have."""
        return not self.faults and not self.index.missing and not self.index.left_over


def restore(
    account: Account,
    manifest: Manifest,
    files: Mapping[str, bytes],
    say: Say,
    replica: str | None = None,
    into_used: bool = False,
) -> Restored:
    """Restore a backup that was read; `replica` is a bucket with the footage.

    Rejected when the account is in use and this is not a restore that was broken off, unless `into_used`.
    """
    _begin(account, manifest.name, say, into_used)
    done = Restored()
    things = json.loads(files[layout.THINGS])
    _restore_things(account, things, done)
    say(f"registry: {done.made.get('things', 0)} of {len(things)} things made")
    if replica is not None:
        _restore_footage(account, replica, done, say)
    for path in sorted(files):
        if path.startswith(layout.TABLES):
            _restore_items(account, layout.table_of(path), json.loads(files[path]), done)
            say(f"{path}: done")
    shadows = sorted((layout.shadow_of(path) for path in files if path.startswith(layout.SHADOWS)), key=_site_last)
    for number, (thing, shadow) in enumerate(shadows, 1):
        _restore_shadow(account, thing, shadow, json.loads(files[layout.shadow_path(thing, shadow)]), done)
        if number % PROGRESS == 0:
            say(f"shadows: {number} of {len(shadows)}")
    say(f"shadows: {done.made.get('shadows', 0)} of {len(shadows)} made")
    _restore_subscriptions(account, json.loads(files[layout.SUBSCRIPTIONS]), done)
    done.index = rebuild(account, say)
    _read_back(account, files, done)
    there = set(list_secrets(account))
    done.secrets_missing = [name for name in json.loads(files[layout.SECRETS]) if name not in there]
    return done


def in_use(account: Account) -> str | None:
    """What shows that an account is in use, in words; None when nothing does. Footage alone is a replica."""
    things = list_things(account)
    if things:
        return f"{len(things)} things are registered, {things[0]['name']} among them"
    for table in TABLES:
        for item in list_items(account, table):
            if layout.is_kept(item):
                return f"table {table} holds the item {item['pk']['S']} {item['sk']['S']}"
    return None


def _begin(account: Account, name: str, say: Say, into_used: bool) -> None:
    s3, bucket = account.clients("s3"), account.resource(BUCKET)
    marks = {one["Key"].removeprefix(MARKS) for one in list_objects(account, bucket, MARKS)}
    if name in marks:
        say(f"a restore of {name} was begun here before: it goes on")
        return
    found = in_use(account)
    if found is not None and not into_used:
        raise Rejected(
            f"this account is in use: {found}. Restore into a fresh stack, or say --into-used: what is there is kept"
        )
    s3.put_object(Bucket=bucket, Key=MARKS + name, Body=b"")


def _restore_things(account: Account, things: list[dict[str, Any]], done: Restored) -> None:
    iot = account.clients("iot")
    there = {thing["name"]: thing for thing in list_things(account)}
    for kind in sorted({thing["type"] for thing in things} - {None}):
        with contextlib.suppress(iot.exceptions.ResourceAlreadyExistsException):
            iot.create_thing_type(thingTypeName=kind)
    for thing in things:
        found = there.get(thing["name"])
        done.note("things", found is None)
        if found is None:
            kind = {"thingTypeName": thing["type"]} if thing["type"] else {}
            iot.create_thing(thingName=thing["name"], attributePayload={"attributes": thing["attributes"]}, **kind)
        elif found != thing:
            done.kept.append(f"thing {thing['name']}: its attributes or type are others than in the backup")


def _restore_footage(account: Account, replica: str, done: Restored, say: Say) -> None:
    there = {one["Key"]: one["Size"] for one in list_objects(account, account.resource(BUCKET), FOOTAGE_PREFIX)}
    waiting: list[dict[str, Any]] = []
    with ThreadPoolExecutor(WORKERS) as workers:

        def copy_all() -> None:
            for _ in workers.map(lambda one: _copy(account, replica, one), waiting):
                done.note("objects", is_made=True)  # the first fault is raised here
            waiting.clear()
            say(
                f"footage: {done.made.get('objects', 0)} objects copied, {done.present.get('objects', 0)} there already"
            )

        for one in list_objects(account, replica, FOOTAGE_PREFIX):
            key, size_bytes = one["Key"], one["Size"]
            if there.get(key) == size_bytes:
                done.note("objects", is_made=False)
            elif key in there:
                done.kept.append(f"object {key}: {there[key]} bytes, {size_bytes} in the replica")
            elif size_bytes > COPY_BYTES_MAX:
                done.faults.append(
                    f"object {key}: its {size_bytes} bytes are more than one copy takes; copy it by hand"
                )
            else:
                waiting.append(one)
            if len(waiting) == PROGRESS:
                copy_all()
        copy_all()


def _copy(account: Account, replica: str, one: Mapping[str, Any]) -> None:
    """Copy an object within S3, metadata and class with it."""
    account.clients("s3").copy_object(
        Bucket=account.resource(BUCKET),
        Key=one["Key"],
        CopySource={"Bucket": replica, "Key": one["Key"]},
        StorageClass=one.get("StorageClass", "STANDARD"),
    )


def _restore_items(account: Account, table: str, items: list[dict[str, Any]], done: Restored) -> None:
    dynamodb = account.clients("dynamodb")
    for item in items:
        try:
            dynamodb.put_item(
                TableName=account.resource(table), Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            done.note("items", is_made=False)
        else:
            done.note("items", is_made=True)


def _site_last(named: tuple[str, str]) -> tuple[str, bool, str]:
    thing, shadow = named
    return thing, shadow == SITE, shadow


def _restore_shadow(account: Account, thing: str, shadow: str, state: dict[str, Any], done: Restored) -> None:
    there = shadow_state(account, thing, shadow)
    done.note("shadows", there is None)
    if there is None:
        payload = json.dumps({"state": state}, ensure_ascii=False, separators=(",", ":")).encode()
        account.clients("iot-data").update_thing_shadow(thingName=thing, shadowName=shadow, payload=payload)
    elif there.get("desired") != state.get("desired"):
        done.kept.append(f"shadow {shadow} of {thing}: something else is desired than in the backup")


def _restore_subscriptions(account: Account, wanted: list[dict[str, str]], done: Restored) -> None:
    there = list_subscriptions(account)
    for one in wanted:
        done.note("subscriptions", one not in there)
        if one not in there:
            account.clients("sns").subscribe(
                TopicArn=account.resource(TOPIC), Protocol=one["protocol"], Endpoint=one["endpoint"]
            )


def _read_back(account: Account, files: Mapping[str, bytes], done: Restored) -> None:
    """Compares the account with the backup; what differs and was not there before is a fault."""
    known = {one.partition(":")[0] for one in done.kept}
    there = {thing["name"] for thing in list_things(account)}
    for thing in json.loads(files[layout.THINGS]):
        if thing["name"] not in there:
            done.faults.append(f"thing {thing['name']} is not there")
    for path in files:
        if path.startswith(layout.SHADOWS):
            name, shadow = layout.shadow_of(path)
            found = shadow_state(account, name, shadow)
            told = f"shadow {shadow} of {name}"
            if (found or {}).get("desired") != json.loads(files[path]).get("desired") and told not in known:
                done.faults.append(f"{told} does not desire what the backup says")
    for table in TABLES:
        keys = {(item["pk"]["S"], item["sk"]["S"]) for item in list_items(account, table)}
        for path in files:
            if path.startswith(f"{layout.TABLES}{table}/"):
                for item in json.loads(files[path]):
                    if (item["pk"]["S"], item["sk"]["S"]) not in keys:
                        done.faults.append(f"item {item['pk']['S']} {item['sk']['S']} of {table} is not there")
