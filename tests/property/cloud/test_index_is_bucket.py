"""The index is what the bucket is, after events that come twice, late, in any order, and fail on their way.

The function's own code, on a bucket with versions and a table that moto keeps, through real boto3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.functions.index_object.handler import index_message
from cloud.index_reconcile import Reconciled, Reconciler
from cloud.index_writer import Doors
from cloud.message_batch import handle_each
from components.shared.wire.object_keys import Kind, ObjectName, object_key
from components.shared.wire.units import NS_PER_S, WallNs, parse_stamp
from tests.fakes.index_in_moto import BUCKET, index_in_moto, plain

pytestmark = pytest.mark.slow
START = parse_stamp("20251020T140300.000Z")
DAY = date(2025, 10, 20)
TRIES_MAX = 3
KINDS: tuple[Kind, ...] = ("mp4", "jpg", "json")
KEYS = [
    object_key("site-1", ObjectName("front", "main", WallNs(START + number * 180 * NS_PER_S), kind))
    for number in range(2)
    for kind in KINDS
]


class Died(BaseException):
    """The function's process ends in the middle."""


class Fault(Exception):  # noqa: N818 - what AWS throws is an exception of many names
    """A call to AWS that came to nothing, as far as the caller knows."""


@dataclass
class Failing:
    """A client some of whose calls fail, before or after AWS has done them; or the process dies with them."""

    client: Any
    plan: Iterator[str]

    def __getattr__(self, name: str) -> Any:
        done = getattr(self.client, name)
        if name not in ("head_object", "update_item"):
            return done

        def call(**arguments: Any) -> Any:
            what = next(self.plan, "well")
            if what == "before":
                raise Fault("no answer")
            answer = done(**arguments)
            if what == "after":
                raise Fault("the answer got lost")
            if what == "dies":
                raise Died
            return answer

        return call


@dataclass
class World:
    """A bucket whose changes leave events, a queue that delivers them, dead letters."""

    doors: Doors
    tails: Iterator[str]
    shapes: Iterator[bool]
    faults: list[str]
    queue: list[tuple[str, str, int]] = field(default_factory=list)  # id, body, deliveries so far
    dead: list[str] = field(default_factory=list)
    changes: int = 0

    def change(self, key: str, what: str) -> None:
        """One change of the bucket; what it leaves is in the queue."""
        s3 = self.doors.s3
        self.changes += 1
        kind = "Object Deleted"
        if what == "put":
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"x" * self.changes, Metadata={"nvr-source": str(self.changes)})
            kind = "Object Created"
        elif what == "delete":
            s3.delete_object(Bucket=BUCKET, Key=key)
        else:  # an old version expires, or the newest goes: the deletion, or the overwriting, is undone
            listed = s3.list_object_versions(Bucket=BUCKET, Prefix=key)
            held = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
            newest_first = sorted(held, key=lambda one: (one["IsLatest"], one["LastModified"]), reverse=True)
            if not newest_first:
                return
            version = newest_first[-1 if what == "expire" else 0]["VersionId"]
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
        self.send(self.event(key, kind))

    def event(self, key: str, kind: str) -> dict[str, Any]:
        """The event of the last change, in one of the two shapes, its sequencer as long as AWS likes."""
        sequencer = f"{1_760_000_000 + self.changes:010X}" + next(self.tails)
        moment = "2025-10-20T14:05:00Z"
        if next(self.shapes):
            about = {"key": key, "sequencer": sequencer}
            return {"time": moment, "detail-type": kind, "detail": {"bucket": {"name": BUCKET}, "object": about}}
        name = "ObjectCreated:Put" if kind == "Object Created" else "ObjectRemoved:Delete"
        about = {"key": key, "sequencer": sequencer}
        return {
            "Records": [{"eventName": name, "eventTime": moment, "s3": {"bucket": {"name": BUCKET}, "object": about}}]
        }

    def send(self, body: Mapping[str, Any] | str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.queue.append((f"m{len(self.queue)}-{self.changes}", text, 0))

    def deliver(self, picked: list[int], keep: bool) -> None:
        """A batch: what failed comes again, up to a number of times; with `keep` so does what was done."""
        batch = [self.queue[index] for index in sorted(set(picked)) if index < len(self.queue)]
        if not batch:
            return
        plan = iter([self.faults.pop() for _ in range(min(len(self.faults), 4))])
        s3: Any = Failing(self.doors.s3, plan)
        dynamodb: Any = Failing(self.doors.dynamodb, plan)
        failing = replace(self.doors, s3=s3, dynamodb=dynamodb)
        records = [{"messageId": name, "body": body} for name, body, _ in batch]
        try:
            answer = handle_each(
                {"Records": records}, "index_object", "object_not_indexed", lambda body: index_message(body, failing)
            )
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        except Died:
            failed = {name for name, _, _ in batch}
        for message in batch:
            name, body, tries = message
            if name in failed or keep:
                self.queue[self.queue.index(message)] = (name, body, tries + (name in failed))
            else:
                self.queue.remove(message)

    def bury(self) -> None:
        """What failed too often is a dead letter."""
        self.dead += [body for _, body, tries in self.queue if tries >= TRIES_MAX]
        self.queue = [message for message in self.queue if message[2] < TRIES_MAX]

    def settle(self) -> None:
        """AWS is well again, dead letters are sent anew: all that waits is delivered until it is done."""
        self.faults.clear()
        for body in self.dead:
            self.send(body)
        self.dead.clear()
        while self.queue:
            self.deliver(list(range(10)), keep=False)
            self.bury()


def index(doors: Doors) -> dict[str, Any]:
    """What the index has: version and size by key, each key once."""
    found: dict[str, Any] = {}
    for raw in doors.dynamodb.scan(TableName=doors.table)["Items"]:
        if raw["pk"]["S"] == "CAMERAS":
            continue
        item = {name: plain(value) for name, value in raw.items()}
        held = {}
        if "object_key" in item:
            held[item["object_key"]] = (item["facts"]["version_id"], item["size_bytes"])
            assert item["facts"]["origin"] == str(item["size_bytes"]), "facts and object are of one version"
            assert "expires_s" not in item, "an item that stands for something does not expire"
        held |= {item[name]: None for name in ("thumbnail_key", "details_key") if name in item}
        assert not held.keys() & found.keys(), "one item per object"
        found |= held
    return found


def bucket(doors: Doors) -> dict[str, Any]:
    """What the bucket has now."""
    listed = doors.s3.list_object_versions(Bucket=BUCKET).get("Versions", ())
    return {
        one["Key"]: (one["VersionId"], one["Size"]) if one["Key"].endswith(".mp4") else None
        for one in listed
        if one["IsLatest"]
    }


def reconciled(doors: Doors, *, mend: bool = False) -> Reconciled:
    return Reconciler(BUCKET, doors, lambda: None, lambda _place, _day: None).run(DAY, DAY, mend=mend)


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    with index_in_moto(monkeypatch) as made:
        yield made


def emptied(doors: Doors) -> Doors:
    """The same with nothing in them: making clients anew takes longer than an example."""
    listed = doors.s3.list_object_versions(Bucket=BUCKET)
    for one in (*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())):
        doors.s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    for item in doors.dynamodb.scan(TableName=doors.table)["Items"]:
        doors.dynamodb.delete_item(TableName=doors.table, Key={name: item[name] for name in ("pk", "sk")})
    return replace(doors, known=set())


STEP = st.one_of(
    st.tuples(
        st.just("change"),
        st.sampled_from([KEYS[0], KEYS[0], *KEYS]),
        st.sampled_from(("put", "put", "delete", "expire", "undo")),
    ),
    st.tuples(st.just("deliver"), st.lists(st.integers(0, 9), min_size=1, max_size=5), st.booleans()),
    st.tuples(st.just("poison"), st.sampled_from(("{", "[]", '{"detail": 3}')), st.none()),
)
FAULTS = st.lists(st.sampled_from(("well", "well", "before", "after", "dies")), max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=3, max_size=25), faults=FAULTS, data=st.data())
def test_the_index_is_the_bucket(
    steps: list[tuple[str, Any, Any]], faults: list[str], data: st.DataObject, doors: Doors
) -> None:
    """Whatever came in between: one item per object and object per item, of the version that is there; the rest is
    dead letters, and they are the poisoned messages and no other.
    """
    tails = (data.draw(st.text("0123456789ABCDEF", min_size=6, max_size=10)) for _ in iter(int, 1))
    shapes = (data.draw(st.booleans()) for _ in iter(int, 1))
    poison = sorted(what for step, what, _ in steps if step == "poison")
    doors = emptied(doors)
    world = World(doors, tails, shapes, list(faults))
    for step, what, how in steps:
        if step == "change":
            world.change(what, how)
        elif step == "deliver":
            world.deliver(what, how)
            world.bury()
        else:
            world.send(what)
    world.settle()
    assert index(doors) == bucket(doors)
    assert sorted(world.dead) == poison
    compared = reconciled(doors)
    assert (compared.objects, compared.indexed) == (len(bucket(doors)),) * 2
    assert compared.is_equal


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(KEYS), st.sampled_from(("put", "put", "delete", "undo")), st.booleans())
    ),
    late=st.booleans(),
)
def test_events_that_were_lost_are_found_and_mended(
    changes: list[tuple[str, str, bool]], late: bool, doors: Doors
) -> None:
    """Differences are counted as they are, mending leaves none, and what comes late after it breaks nothing."""
    doors = emptied(doors)
    world = World(doors, (f"{number:06X}" for number in range(1_000)), iter([True, False] * 500), [])
    lost: list[tuple[str, str, int]] = []
    for key, how, is_lost in changes:
        world.change(key, how)
        if is_lost:
            lost += world.queue
            world.queue.clear()
        else:
            world.settle()
    there, known = bucket(doors), index(doors)
    found = reconciled(doors)
    # The keys of pictures and details say nothing of versions, and a listing says nothing of versions' names.
    assert found.bucket_minus_index == len(there.keys() - known.keys())
    assert found.index_minus_bucket == len(known.keys() - there.keys())
    assert found.differing == sum(there[key] != known[key] for key in there.keys() & known.keys())
    mended = reconciled(doors, mend=True)
    assert (mended.mended, mended.differences) == (found.differences,) * 2
    assert reconciled(doors).is_equal
    if late:
        world.queue = lost
        world.settle()
    assert index(doors) == bucket(doors)
