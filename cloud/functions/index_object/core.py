"""Decides what the index says of a segment: one item, whatever the order, number and repetition of events.

    pk  SEG#{thing}#{camera}#{yyyy-mm-dd}     the UTC day on which the segment starts
    sk  {stream}#{start}                      main or sub, start as in its key: sorts by time within a stream

Attributes at the top are those that the indexes carry; the rest of what is known of a segment is the map `facts`.

Thumbnail (.jpg) and details (.json) of a segment are attributes of the same item, found by their keys, so that they
may come before it. An item without `object_key` is not a segment: a picture of its own, or what is left of a deleted
segment until `expires_s` (its marks must outlive the events that may still come: SQS keeps them 14 days).

Invariants: an event is a hint. What is written is what S3 says of the key when the event is handled, under the mark
of that event, and only over an equal or older mark. The last event is handled after the last change, sees its result,
and nothing older can be written over it. So any order, duplicates and retries end in the same item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import Kind, ObjectName, parse_object_key, stream_stem
from components.shared.wire.units import format_iso, format_stamp

TOMBSTONE_S = 30 * 86_400  # how long marks outlive their segment: twice the 14 days that a message can wait

Value = str | int | Mapping[str, str | int]

_OF_SEGMENT = (
    "camera",
    "stream",
    "start_ns",
    "end_ns",
    "object_key",
    "size_bytes",
    "facts",
    "by_time_pk",
    "by_time_sk",
)
"""Every attribute that a segment may give its item; those that it does not give are removed."""


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
    mark_name = f"{name.kind}_mark"
    pk, sk = item_key(thing, name)
    if name.kind == "mp4":
        given = _segment(thing, key, name, seen) if seen is not None else {}
        # A tombstone goes by itself; the item of a segment that is there does not.
        expiry: dict[str, Value] = {} if seen is not None else {"expires_s": now_s + TOMBSTONE_S}
        owned: tuple[str, ...] = (*_OF_SEGMENT, "expires_s")
    else:
        given = {_ATTRIBUTE[name.kind]: key} if seen is not None else {}
        expiry = {}
        owned = (_ATTRIBUTE[name.kind],)
    to_set = {**given, **expiry}
    to_remove = tuple(attribute for attribute in owned if attribute not in to_set)
    return Change(pk, sk, mark_name, mark, {**to_set, mark_name: mark}, to_remove)


_ATTRIBUTE: dict[Kind, str] = {"jpg": "thumbnail_key", "json": "details_key"}


def item_key(thing: str, name: ObjectName) -> tuple[str, str]:
    """The keys of the item that an object belongs to."""
    day = format_iso(name.start_ns)[:10]
    return f"SEG#{thing}#{name.camera}#{day}", f"{name.stream}#{format_stamp(name.start_ns)}"


def _segment(thing: str, key: str, name: ObjectName, seen: Seen) -> dict[str, Value]:
    start_ns, end_ns, facts = _told(name, seen)
    given: dict[str, Value] = {
        "camera": name.camera,
        "stream": name.stream,
        "start_ns": start_ns,
        "object_key": key,
        "size_bytes": seen.size_bytes,
        "facts": {"version_id": seen.version_id, "etag": seen.etag, **facts},
        "by_time_pk": f"{thing}#{format_iso(name.start_ns)[:10]}",
        "by_time_sk": f"{format_stamp(name.start_ns)}#{stream_stem(name.camera, name.stream)}",
    }
    return given if end_ns is None else {**given, "end_ns": end_ns}


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
