"""Whatever the order, repetition and interruption of events, the index ends as S3 is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.functions.index_object.core import Change, Seen, Value, decide
from cloud.object_events import mark_of
from components.shared.wire.object_keys import Kind, ObjectName, object_key
from components.shared.wire.units import WallNs

START = WallNs(1_760_968_980_000_000_000)
KINDS: tuple[Kind, ...] = ("mp4", "jpg", "json")


def key_of(kind: Kind) -> str:
    return object_key("site-1", ObjectName("front", "main", START, kind))


@dataclass
class Bucket:
    """A versioned bucket: every change has a sequencer and leaves an event."""

    versions: dict[str, list[tuple[int, Seen | None]]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0

    def change(self, kind: Kind, what: str) -> None:
        key = key_of(kind)
        held = self.versions.setdefault(key, [])
        self.count += 1
        if what == "put":
            held.append((self.count, Seen(self.count, f"etag{self.count}", f"v{self.count}", {})))
        elif what == "delete":
            held.append((self.count, None))
        elif held:  # an older version, or the newest, is removed for good
            held.pop(0 if what == "expire" else -1)
        self.events.append((key, mark_of(f"{self.count:04X}", "")))

    def look(self, key: str) -> Seen | None:
        held = self.versions.get(key)
        return held[-1][1] if held else None


@dataclass
class Table:
    """A table with DynamoDB's conditional update."""

    items: dict[tuple[str, str], dict[str, Value]] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        item = self.items.get((change.pk, change.sk), {})
        held = item.get(change.mark_name)
        if held is not None and str(held) > change.mark:
            return
        kept = {name: value for name, value in item.items() if name not in change.to_remove}
        self.items[change.pk, change.sk] = {**kept, **change.to_set}


def truth(bucket: Bucket) -> dict[str, Value | None]:
    """What the one item must say in the end."""
    segment, picture, details = (bucket.look(key_of(kind)) for kind in KINDS)
    return {
        "object_key": key_of("mp4") if segment else None,
        "version_id": segment.version_id if segment else None,
        "size_bytes": segment.size_bytes if segment else None,
        "by_time_pk": "site-1#2025-10-20" if segment else None,
        "thumbnail_key": key_of("jpg") if picture else None,
        "details_key": key_of("json") if details else None,
    }


def found(table: Table) -> dict[str, Value | None]:
    assert len(table.items) == 1, "one item per segment"
    (item,) = table.items.values()
    facts = item.get("facts", {})
    assert isinstance(facts, Mapping)
    names = ("object_key", "size_bytes", "by_time_pk", "thumbnail_key", "details_key")
    return {"version_id": facts.get("version_id")} | {name: item.get(name) for name in names}


CHANGE = st.tuples(
    st.sampled_from(("mp4", "mp4", "mp4", "jpg", "json")),
    st.sampled_from(("put", "put", "delete", "expire", "remove_newest")),
)
CHANGES = st.lists(CHANGE, min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(changes=CHANGES, data=st.data())
def test_any_order_and_duplicates_after_the_changes(changes: Sequence[tuple[Kind, str]], data: st.DataObject) -> None:
    """All events handled after the last change, in any order, each as often as you like: the item is the truth."""
    bucket, table = Bucket(), Table()
    for kind, what in changes:
        bucket.change(kind, what)
    repeats = data.draw(st.lists(st.sampled_from(bucket.events), max_size=6))
    for key, mark in data.draw(st.permutations([*bucket.events, *repeats])):
        table.apply(decide(key, mark, bucket.look(key), 0))
    assert found(table) == truth(bucket)


ATTEMPTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=2)
"""Of one event: each attempt looks so many steps after the change, and writes so many steps after it has looked."""


@settings(max_examples=400, deadline=None)
@given(changes=st.lists(st.tuples(CHANGE, ATTEMPTS, st.booleans()), min_size=1, max_size=8))
def test_events_handled_while_things_change(
    changes: Sequence[tuple[tuple[Kind, str], Sequence[tuple[int, int]], bool]],
) -> None:
    """Handlers look and write at different moments, overlap, die between the two and are tried again: all the same."""
    bucket, table = Bucket(), Table()
    looks: list[tuple[int, int, bool, int]] = []  # when, how long until the write, whether it dies before, which event
    writes: list[tuple[int, Change]] = []
    for moment in range(len(changes) + 12):
        if moment < len(changes):
            (kind, what), attempts, dies = changes[moment]
            bucket.change(kind, what)
            looks += [
                (moment + wait, delay, dies and index + 1 < len(attempts), moment)
                for index, (wait, delay) in enumerate(attempts)
            ]
        for _, delay, dies, number in [look for look in looks if look[0] == moment]:
            key, mark = bucket.events[number]
            change = decide(key, mark, bucket.look(key), 0)
            if not dies:
                writes.append((moment + delay, change))
        for _, change in [write for write in writes if write[0] == moment]:
            table.apply(change)
    assert found(table) == truth(bucket)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_late_creation_does_not_bring_a_deleted_segment_back(order: tuple[int, int]) -> None:
    """A handler that looked before the deletion and writes after it changes nothing."""
    bucket, table = Bucket(), Table()
    bucket.change("mp4", "put")
    key, mark = bucket.events[0]
    slow = decide(key, mark, bucket.look(key), 0)
    bucket.change("mp4", "delete")
    deletion = decide(key, bucket.events[1][1], bucket.look(key), 0)
    for index in order:
        table.apply((slow, deletion)[index])
    assert found(table)["object_key"] is None
