"""Decides what the index says of an object: one item, whatever the order, number and repetition of events. Pure.

Thumbnail (.jpg) and details (.json) of a segment (.mp4) are attributes of its item, found by their keys, so that they
may come before it. Objects of any other kind, clips say, have items of their own. The keys of all are those of
`cloud.index_items`. Attributes at the top are those that the indexes carry or questions choose by; the rest of what is
known is the map `facts`.

An item without `object_key` is a picture of its own, or what is left of a deleted object until `expires_s` (its marks
must outlive the events that may still come: SQS keeps them 14 days).

Invariants: an event is a hint. What is written is what S3 says of the key when the event is handled, under the mark
of that event, and only over an equal or older mark. The last event is handled after the last change, sees its result,
and nothing older can be written over it. So any order, duplicates and retries end in the same item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.index_items import CAMERAS, SEGMENT, day_of, item_key, place_in_index
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, parse_object_key, stream_stem

TOMBSTONE_S = 30 * 86_400  # how long marks outlive their segment: twice the 14 days that a message can wait

EVENT_METADATA = "nvr-event"
"""The id of the event that an object shows: what makes it one that is found by event and label. A clip tells it as the
reason why it was made."""

LABELS_METADATA = "nvr-labels"
"""What was seen in it, with commas between."""

LABELS_MAX = 32  # of one event; S3's 2 KB of metadata hold no more that mean anything

Value = str | int | Mapping[str, str | int] | tuple[str, ...]

_OF_OBJECT = ("camera", "stream", "start_ns", "end_ns", "object_key", "size_bytes", "facts")
_OF_SEGMENT = (*_OF_OBJECT, "by_time_pk", "by_time_sk", "expires_s")
_OF_OTHER = (*_OF_OBJECT, "kind", "event", "labels", "by_label_pk", "by_label_sk", "expires_s")
"""Every attribute that an object may give its item; those that it does not give are removed."""

_BESIDE = {"jpg": "thumbnail_key", "json": "details_key"}
"""Kinds that are an attribute of their segment's item."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as S3 has it now."""

    size_bytes: int
    etag: str
    version_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What to do to one item: set and remove attributes, unless `mark_name` holds a later mark."""

    pk: str
    sk: str
    mark_name: str
    mark: str
    to_set: Mapping[str, Value] = field(default_factory=dict)
    to_remove: tuple[str, ...] = ()


def concerns(key: str) -> bool:
    """Whether a key is one of footage; a site may keep other things beside it."""
    return key.startswith("sites/") and key.split("/", 3)[2:3] == ["cameras"]


def decide(key: str, mark: str, seen: Seen | None, now_s: int) -> Change:
    """The change that an event for `key` with `mark` leads to, S3 having `seen` there (None: nothing)."""
    thing, name = parse_object_key(key)
    return decide_of(thing, name, key, mark, seen, now_s)


def decide_of(thing: str, name: ObjectName, key: str, mark: str, seen: Seen | None, now_s: int) -> Change:
    """As `decide`, of a key that was parsed."""
    mark_name = f"{name.kind}_mark"
    if name.kind in _BESIDE:
        owned: tuple[str, ...] = (_BESIDE[name.kind],)
        to_set: dict[str, Value] = {_BESIDE[name.kind]: key} if seen is not None else {}
    else:
        owned = _OF_SEGMENT if name.kind == "mp4" else _OF_OTHER
        # What is left of an object goes by itself; the item of one that is there does not.
        to_set = {"expires_s": now_s + TOMBSTONE_S} if seen is None else _given(thing, key, name, seen)
    to_remove = tuple(attribute for attribute in owned if attribute not in to_set)
    pk, sk = item_key(prefix_of(name.kind), thing, name)
    return Change(pk, sk, mark_name, mark, {**to_set, mark_name: mark}, to_remove)


def prefix_of(kind: str) -> str:
    """What the partitions begin with in which objects of a kind have their items."""
    return SEGMENT if kind == "mp4" or kind in _BESIDE else kind.upper()


def stream_item(key: str) -> dict[str, dict[str, str]]:
    """The item that says that the stream of an object has had one."""
    thing, name = parse_object_key(key)
    stem = stream_stem(name.camera, name.stream)
    return {"pk": {"S": CAMERAS}, "sk": {"S": f"{thing}#{stem}"}, "camera": {"S": name.camera}}


def _given(thing: str, key: str, name: ObjectName, seen: Seen) -> dict[str, Value]:
    """What an object that is there gives its item."""
    start_ns, end_ns, facts = _told(name, seen)
    given: dict[str, Value] = {
        "camera": name.camera,
        "stream": name.stream,
        "start_ns": start_ns,
        "object_key": key,
        "size_bytes": seen.size_bytes,
        "facts": {"version_id": seen.version_id, "etag": seen.etag, **facts},
    }
    if end_ns is not None:
        given["end_ns"] = end_ns
    if name.kind == "mp4":
        return {**given, "by_time_pk": f"{thing}#{day_of(name.start_ns)}", "by_time_sk": place_in_index(name)}
    return {**given, "kind": name.kind, **_event(thing, name, seen.metadata)}


def _event(thing: str, name: ObjectName, metadata: Mapping[str, str]) -> dict[str, Value]:
    """What makes an object that shows an event be found by it."""
    is_made_for_event = metadata.get(segment_metadata.REASON_METADATA) == "event"
    reason = metadata.get(segment_metadata.REASON_ID_METADATA) if is_made_for_event else None
    event = metadata.get(EVENT_METADATA) or reason
    if not event:
        return {}
    labels = sorted({label.strip() for label in metadata.get(LABELS_METADATA, "").split(",")} - {""})
    return {
        "event": event,
        "labels": tuple(labels[:LABELS_MAX]),
        "by_label_pk": thing,
        "by_label_sk": place_in_index(name),
    }


def _told(name: ObjectName, seen: Seen) -> tuple[int, int | None, dict[str, str | int]]:
    """Start, end and other facts that the object's metadata tell.

    A segment with bad metadata is footage all the same: it is indexed by its name and says what is wrong.
    """
    metadata = seen.metadata
    told: dict[str, str | int] = {
        fact: metadata[field_name] for fact, field_name in _FOREIGN.items() if field_name in metadata
    }
    try:
        if "nvr-version" in metadata:
            facts = segment_metadata.decode(metadata, seen.size_bytes)
            told |= {
                "run": facts.run,
                "codec": facts.codec,
                "width": facts.width,
                "height": facts.height,
                "frames": facts.frames,
                "sha256": facts.sha256,
                "time_base": f"{facts.time_base.numerator}/{facts.time_base.denominator}",
                "start_ticks": facts.start_ticks,
                "init_bytes": facts.init_bytes,
                "gops": metadata["nvr-gops"],
            }
            return facts.start_ns, facts.end_ns, told
        if "nvr-end-ns" in metadata:
            return int(metadata["nvr-start-ns"]), int(metadata["nvr-end-ns"]), told
    except (Rejected, KeyError, ValueError) as error:
        told["metadata_fault"] = str(error)
    return name.start_ns, None, told


_FOREIGN = {
    "origin": "nvr-source",
    "time_zone": "nvr-time-zone",
    "time_zone_flags": "nvr-time-zone-flags",
    "trigger": "nvr-trigger",
}
"""Facts by the metadata that normalize_object writes."""
