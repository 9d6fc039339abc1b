"""What the cloud keeps of each site, most of it to see from outside whether it is there: as texts and numbers. Pure.

    pk  SEEN      sk  {thing}    when its telemetry came last: written by a rule of IoT Core, no function between
    pk  PRESENCE  sk  {thing}    its last connection: written by note_presence
    pk  WATCH     sk  {thing}    what is told of it: written by watch_fleet
    pk  SITE      sk  {thing}    its time zone: written by a rule of IoT Core when its configuration names one

A site is watched if and only if it has an item SEEN, so from its first telemetry on; clients of the message broker that
are no sites have none. An item with a `revision` is written only over the revision that was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEEN = "SEEN"
PRESENCE = "PRESENCE"
WATCH = "WATCH"
SITE = "SITE"

TELEMETRY_S = 60
"""How often a site sends telemetry that does not say how often: the default of its configuration."""

TELEMETRY_S_MAX = 3600  # the longest that a site's configuration allows

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB gives it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """When a site's telemetry came last, and how often it comes."""

    seen_ms: int
    telemetry_s: int


@dataclass(frozen=True, slots=True)
class Presence:
    """The last connection of a client. `at_ms` is the broker's word, `noted_ms` when we heard of it."""

    connected: bool
    session: str
    version: int
    at_ms: int
    noted_ms: int
    reason: str = ""


def seen_of(item: Item) -> Seen:
    """What the rule wrote; a period that makes no sense counts as the default."""
    told = item.get("telemetry_s", {}).get("N", "")
    telemetry_s = int(told) if str(told).isdecimal() else TELEMETRY_S
    return Seen(int(item["seen_ms"]["N"]), telemetry_s if 1 <= telemetry_s <= TELEMETRY_S_MAX else TELEMETRY_S)


def presence_of(item: Item) -> Presence:
    """What note_presence wrote."""
    return Presence(
        connected=bool(item["connected"]["BOOL"]),
        session=item["session"]["S"],
        version=int(item["version"]["N"]),
        at_ms=int(item["at_ms"]["N"]),
        noted_ms=int(item["noted_ms"]["N"]),
        reason=item["reason"]["S"],
    )


def presence_item(thing: str, presence: Presence, revision: int, expires_s: int) -> dict[str, dict[str, Any]]:
    """What note_presence writes."""
    return {
        "pk": {"S": PRESENCE},
        "sk": {"S": thing},
        "revision": {"N": str(revision)},
        "connected": {"BOOL": presence.connected},
        "session": {"S": presence.session},
        "version": {"N": str(presence.version)},
        "at_ms": {"N": str(presence.at_ms)},
        "noted_ms": {"N": str(presence.noted_ms)},
        "reason": {"S": presence.reason},
        "expires_s": {"N": str(expires_s)},
    }


def revision_of(item: Item) -> int:
    """How often an item was written."""
    return int(item["revision"]["N"])
