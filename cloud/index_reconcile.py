"""Compares the bucket with the index, stream by stream and day by day, and mends what differs. Through clients given.

Of a stream's day are read the listing of its prefix and its partitions, so that memory holds one day however much
there is. Days are those that the bucket has, and all from `since` on, in which the index may have what the bucket has
not. What differs is looked at again after a while before it is told: its event may have been on its way.

Mending writes what S3 has at the key then, under the mark that the item has (none: the lowest): an event that was
handled meanwhile has a later one, and is not written over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, get_args

from cloud.functions.index_object.core import prefix_of
from cloud.index_items import Item, item_key, partition
from cloud.index_queries import IndexReader
from cloud.index_writer import Doors, bring_up_to_date
from cloud.object_events import MARK_DIGITS
from components.shared.errors import Rejected
from components.shared.wire.object_keys import (
    Kind,
    StreamName,
    parse_object_key,
    site_prefix,
    split_stem,
    stream_stem,
)

SITES = "sites/"
LOWEST_MARK = "0" * MARK_DIGITS
TOLD_MAX = 1_000  # keys of each kind of difference; the figures count all


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A stream of a site."""

    thing: str
    camera: str
    stream: StreamName

    @property
    def prefix(self) -> str:
        """What all its keys begin with."""
        return f"{site_prefix(self.thing)}cameras/{stream_stem(self.camera, self.stream)}/"


@dataclass(frozen=True, slots=True)
class Held:
    """What one side says of an object; the index knows size and ETag of those that have an item of their own."""

    size_bytes: int | None = None
    etag: str | None = None

    def agrees_with(self, other: Held) -> bool:
        """Whether both say the same where both say something."""
        pairs = ((self.size_bytes, other.size_bytes), (self.etag, other.etag))
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


Figure = Literal["bucket_minus_index", "index_minus_bucket", "differing", "unreadable"]


@dataclass
class Reconciled:
    """What a comparison came to: figures, and the first keys that are behind each.

    `unreadable` are keys below a site's cameras that are none of footage: nobody indexes them, they are no difference.
    """

    objects: int = 0
    indexed: int = 0
    bucket_minus_index: int = 0
    index_minus_bucket: int = 0
    differing: int = 0
    unreadable: int = 0
    mended: int = 0
    keys: dict[Figure, list[str]] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        """How many objects differ."""
        return self.bucket_minus_index + self.index_minus_bucket + self.differing

    @property
    def is_equal(self) -> bool:
        """Whether bucket and index have the same."""
        return self.differences == 0

    def add(self, figure: Figure, keys: Sequence[str]) -> None:
        """Count keys."""
        setattr(self, figure, getattr(self, figure) + len(keys))
        told = self.keys.setdefault(figure, [])
        told += keys[: TOLD_MAX - len(told)]


Differences = tuple[list[str], list[str], list[str]]
"""Keys that only the bucket has, that only the index has, and of which the two say different things."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares a bucket with its index. `wait` gives events that are on their way the time to come."""

    bucket: str
    doors: Doors
    wait: Callable[[], None]
    seen_day: Callable[[Place, date], None]

    def run(self, since: date, until: date, *, mend: bool) -> Reconciled:
        """Compare all; the index is asked for the UTC days from `since` to `until` besides those that are in S3."""
        account = Reconciled()
        doubtful: list[tuple[Place, date, Differences]] = []
        for place in sorted(self._places_in_bucket(account) | self._places_in_index()):
            days = {since + timedelta(days=number) for number in range((until - since).days + 1)}
            for day in sorted(days | set(self._days_in_bucket(place))):
                self.seen_day(place, day)
                in_bucket, unreadable = self._in_bucket(place, day)
                in_index = self._in_index(place, day)
                account.objects += len(in_bucket)
                account.indexed += len(in_index)
                account.add("unreadable", unreadable)
                if any(found := compare(in_bucket, in_index)):
                    doubtful.append((place, day, found))
        if doubtful:
            self.wait()
        for place, day, before in doubtful:
            self._look_again(place, day, before, account, mend)
        return account

    def _look_again(self, place: Place, day: date, before: Differences, account: Reconciled, mend: bool) -> None:
        """What differs still, and is no object that came or went meanwhile."""
        now = compare(self._in_bucket(place, day)[0], self._in_index(place, day))
        only_in_bucket, only_in_index, different = (
            sorted(set(first) & set(second)) for first, second in zip(before, now, strict=True)
        )
        account.add("bucket_minus_index", only_in_bucket)
        account.add("index_minus_bucket", only_in_index)
        account.add("differing", different)
        if mend:
            account.mended += sum(map(self._mend, (*only_in_bucket, *only_in_index, *different)))

    def _mend(self, key: str) -> bool:
        thing, name = parse_object_key(key)
        pk, sk = item_key(prefix_of(name.kind), thing, name)
        answer = self.doors.dynamodb.get_item(
            TableName=self.doors.table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        mark = answer.get("Item", {}).get(f"{name.kind}_mark", {}).get("S", LOWEST_MARK)
        return bring_up_to_date(self.bucket, key, mark, self.doors).done

    def _places_in_bucket(self, account: Reconciled) -> set[Place]:
        found = set()
        for site in self._folders(SITES):
            for folder in self._folders(f"{site}cameras/"):
                try:
                    found.add(Place(site.split("/")[1], *split_stem(folder.split("/")[3])))
                except Rejected:
                    account.add("unreadable", [folder])
        return found

    def _places_in_index(self) -> set[Place]:
        reader = IndexReader(self.doors.dynamodb, self.doors.table)
        return {Place(one.thing, one.camera, one.stream) for one in reader.streams()}

    def _days_in_bucket(self, place: Place) -> Iterator[date]:
        for year in self._folders(place.prefix):
            for month in self._folders(year):
                for day in self._folders(month):
                    numbers = day.removeprefix(place.prefix).split("/")
                    try:
                        yield date(*(int(number) for number in numbers[:3]))
                    except ValueError:
                        continue  # no folder of ours: no key below it is one of footage, nor is in the index

    def _folders(self, prefix: str) -> Iterator[str]:
        pages = self.doors.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            for folder in page.get("CommonPrefixes", ()):
                yield folder["Prefix"]

    def _in_bucket(self, place: Place, day: date) -> tuple[dict[str, Held], list[str]]:
        """The objects of a stream's day, and keys that are none of footage."""
        held: dict[str, Held] = {}
        unreadable = []
        pages = self.doors.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{place.prefix}{day:%Y/%m/%d}/"
        )
        for page in pages:
            for about in page.get("Contents", ()):
                try:
                    parse_object_key(about["Key"])
                except Rejected:
                    unreadable.append(about["Key"])
                else:
                    held[about["Key"]] = Held(about["Size"], about["ETag"].strip('"'))
        return held, unreadable

    def _in_index(self, place: Place, day: date) -> dict[str, Held]:
        held: dict[str, Held] = {}
        for prefix in sorted({prefix_of(kind) for kind in get_args(Kind)}):
            pages = self.doors.dynamodb.get_paginator("query").paginate(
                TableName=self.doors.table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :stream)",
                ExpressionAttributeValues={
                    ":pk": {"S": partition(prefix, place.thing, place.camera, day.isoformat())},
                    ":stream": {"S": f"{place.stream}#"},
                },
                ConsistentRead=True,
            )
            for page in pages:
                for item in page["Items"]:
                    held.update(objects_of(item))
        return held


def compare(in_bucket: Mapping[str, Held], in_index: Mapping[str, Held]) -> Differences:
    """How the two sides differ."""
    both = in_bucket.keys() & in_index.keys()
    return (
        sorted(in_bucket.keys() - both),
        sorted(in_index.keys() - both),
        sorted(key for key in both if not in_bucket[key].agrees_with(in_index[key])),
    )


def objects_of(item: Item) -> Iterator[tuple[str, Held]]:
    """The objects that an item stands for: its own, and those beside it."""
    if "object_key" in item:
        etag = item["facts"]["M"].get("etag", {}).get("S")
        yield item["object_key"]["S"], Held(int(item["size_bytes"]["N"]), etag)
    for attribute in ("thumbnail_key", "details_key"):
        if attribute in item:
            yield item[attribute]["S"], Held()
