"""How large a segment's item in the index is, as the indexer makes it and DynamoDB counts it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.functions.index_object import core as index
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs

BYTES_PER_MBIT = 1_000_000 / 8


def example_item(mbps: float, gop_s: float, object_bytes: float) -> Mapping[str, index.Value]:
    """A segment's item as the indexer itself makes it, for an object of that size."""
    length_s = object_bytes / (mbps * BYTES_PER_MBIT)
    gops = max(1, round(length_s / gop_s))
    gop_bytes, init_bytes = max(1, int(object_bytes) // gops), 800
    base = TimeBase(1, 90_000)
    start = WallNs(1_760_000_000 * NS_PER_S)
    size = init_bytes + gop_bytes * gops
    facts = SegmentFacts(
        start_ns=start,
        end_ns=WallNs(start + int(length_s * NS_PER_S)),
        run="r" * 16,
        codec="avc1.640028",
        width=1920,
        height=1080,
        frames=gops * 30,
        size_bytes=size,
        sha256="0" * 64,
        time_base=base,
        start_ticks=0,
        init_bytes=init_bytes,
        gops=tuple(Gop(init_bytes + number * gop_bytes, gop_bytes, int(gop_s * 90_000)) for number in range(gops)),
    )
    thing = "s" * 20
    key = object_key(thing, ObjectName("c" * 12, "main", start, "mp4"))
    seen = index.Seen(size, "e" * 32, "v" * 32, segment_metadata.encode(facts))
    change = index.decide(key, "0" * 40, seen, 0)
    return {"pk": change.pk, "sk": change.sk, "thumbnail_key": key, "jpg_mark": "0" * 40, **change.to_set}


def item_bytes(item: Mapping[str, index.Value]) -> int:
    """The size of an item as DynamoDB counts it: names and values, numbers at half a byte a digit."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: index.Value) -> int:
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.items())
    if isinstance(value, tuple):
        return 3 + sum(1 + _value_bytes(inner) for inner in value)
    return len(str(value)) // 2 + 2 if isinstance(value, int) else len(value.encode())
