"""Takes a backup of the cloud side: reads everything that does not follow from the bucket, writes it file by file.

The manifest comes last, so that one that broke off is no backup. Nothing is stopped meanwhile: each shadow and item is
as it was at some moment of the backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cloud import backup_manifest as layout
from cloud.backup_account import (
    BUCKET,
    TABLES,
    Account,
    list_items,
    list_secrets,
    list_shadows,
    list_subscriptions,
    list_things,
    shadow_state,
)
from cloud.backup_manifest import BackupFile, Manifest
from cloud.backup_store import BackupStore

PROGRESS_SHADOWS = 100

Say = Callable[[str], None]


def take_backup(account: Account, store: BackupStore, name: str, say: Say) -> Manifest:
    """Write a backup under `name`; the manifest of what was written."""
    files: list[BackupFile] = []
    counts: dict[str, int] = {}

    def keep(path: str, value: Any) -> None:
        data = layout.encode(value)
        store.put(f"{name}/{path}", data)
        files.append(layout.described(path, data))

    stack = {"parameters": account.parameters, "outputs": account.outputs, "resources": account.resources}
    keep(layout.STACK, {part: dict(values) for part, values in stack.items()})
    things = list_things(account)
    keep(layout.THINGS, things)
    counts["things"] = len(things)
    say(f"registry: {len(things)} things")
    counts["shadows"] = 0
    for thing in things:
        for path, state in _shadows(account, str(thing["name"])):
            keep(path, state)
            counts["shadows"] += 1
            if counts["shadows"] % PROGRESS_SHADOWS == 0:
                say(f"shadows: {counts['shadows']} so far")
    say(f"shadows: {counts['shadows']}")
    for table in TABLES:
        counts[f"items_{table}"] = 0
        for number, items in enumerate(_chunks(account, table)):
            keep(layout.table_path(table, number), items)
            counts[f"items_{table}"] += len(items)
        say(f"{table}: {counts[f'items_{table}']} items that do not follow from the bucket")
    secrets = list_secrets(account)
    keep(layout.SECRETS, secrets)
    counts["secrets"] = len(secrets)
    say(f"secrets: {len(secrets)} names, no value")
    subscriptions = list_subscriptions(account)
    keep(layout.SUBSCRIPTIONS, subscriptions)
    counts["subscriptions"] = len(subscriptions)
    say(f"alerts: {len(subscriptions)} subscriptions")
    bucket = account.resource(BUCKET)
    manifest = Manifest(layout.FORMAT, name, account.region, account.number, bucket, tuple(files), counts)
    store.put(f"{name}/{layout.MANIFEST}", layout.encode_manifest(manifest))
    return manifest


def read_backup(store: BackupStore, name: str) -> tuple[Manifest, dict[str, bytes]]:
    """A backup with all its files, each of which is what the manifest says; Rejected when one is not."""
    manifest = layout.decode_manifest(store.get(f"{layout.check_name(name)}/{layout.MANIFEST}"))
    files = {file.path: layout.check_file(file, store.get(f"{name}/{file.path}")) for file in manifest.files}
    return manifest, files


def _shadows(account: Account, thing: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for shadow in list_shadows(account, thing):
        state = shadow_state(account, thing, shadow)
        if state is not None:  # deleted meanwhile
            yield layout.shadow_path(thing, shadow), state


def _chunks(account: Account, table: str) -> Iterator[list[dict[str, Any]]]:
    waiting: list[dict[str, Any]] = []
    for item in list_items(account, table):
        if layout.is_kept(item):
            waiting.append(item)
        if len(waiting) == layout.ITEMS_PER_FILE:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
