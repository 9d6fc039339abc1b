"""Makes the index equal to the media bucket, after the table or the bucket's events were lost.

Every object that no item names is written as if its event had just come, under the mark of the object's own time: an
event that S3 sends of it later counts more. So it may run beside the indexer, be broken off, and run again; what is
right already is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloud.backup_account import BUCKET, Account, list_items, list_objects
from cloud.functions.index_object import core
from cloud.index_reconcile import objects_of
from cloud.index_writer import Doors, bring_up_to_date
from cloud.object_events import read_event
from components.shared.errors import Rejected

INDEX = "MediaTable"
FOOTAGE_PREFIX = "sites/"
WORKERS = 16
"""Objects at a time: far below the thousands of requests a second that one prefix of a bucket takes."""

BATCH = 1_000  # objects between two words of progress

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class IndexState:
    """Bucket and index beside each other: objects, those that no item names, and keys of items without an object."""

    objects: int
    missing: int
    left_over: int
    refused: tuple[str, ...] = ()
    """Keys below `sites/` that are no footage of ours; they are not indexed by anybody."""


def compare(account: Account) -> IndexState:
    """How index and bucket differ now."""
    indexed = indexed_keys(account)
    objects = missing = 0
    refused = []
    for key, _ in _footage(account):
        if not _is_footage(key):
            refused.append(key)
            continue
        objects += 1
        if key in indexed:
            indexed.discard(key)
        else:
            missing += 1
    return IndexState(objects, missing, len(indexed), tuple(refused))


def rebuild(account: Account, say: Say) -> IndexState:
    """Index what no item names, and take out what names no object; how they stand afterwards."""
    doors = Doors(account.clients("s3"), account.clients("dynamodb"), account.resource(INDEX))
    bucket = account.resource(BUCKET)
    indexed = indexed_keys(account)
    waiting: list[dict[str, Any]] = []
    done = 0
    with ThreadPoolExecutor(WORKERS) as workers:

        def index(body: dict[str, Any]) -> None:
            for event in read_event(body):
                bring_up_to_date(event.bucket, event.key, event.mark, doors)

        def work_off() -> None:
            for _ in workers.map(index, waiting):
                pass  # the first fault is raised here
            waiting.clear()

        for key, changed in _footage(account):
            if key in indexed:
                indexed.discard(key)
                continue
            if not _is_footage(key):
                continue
            waiting.append(_event(bucket, key, changed))
            done += 1
            if len(waiting) == BATCH:
                work_off()
                say(f"index: {done} objects taken in")
        work_off()
        # What was deleted after its event was lost: the indexer looks, and finds nothing there.
        waiting += [_event(bucket, key, datetime.now(UTC)) for key in sorted(indexed)]
        work_off()
    say(f"index: {done} objects taken in, {len(indexed)} taken out")
    return compare(account)


def indexed_keys(account: Account) -> set[str]:
    """The keys of all objects that items name."""
    return {key for item in list_items(account, INDEX) for key, _ in objects_of(item)}


def _footage(account: Account) -> Iterator[tuple[str, datetime]]:
    for one in list_objects(account, account.resource(BUCKET), FOOTAGE_PREFIX):
        if core.concerns(one["Key"]):
            yield str(one["Key"]), one["LastModified"]


def _is_footage(key: str) -> bool:
    """Whether the indexer would have an item for this key."""
    try:
        core.decide(key, "", None, 0)
    except Rejected:
        return False
    return True


def _event(bucket: str, key: str, changed: datetime) -> dict[str, Any]:
    """The event of an object in EventBridge's form, without a sequencer: it is ordered by its time."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "time": changed.isoformat(), "detail": detail}
