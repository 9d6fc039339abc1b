"""Decides what a site's last connection is, from events that come twice and in any order. Pure.

IoT Core numbers the connections of a client (`versionNumber`; the two events of a connection have the same number) and
starts again at 0 for a client that was away for about an hour. Its timestamps are right within two minutes only
(developer guide, "Lifecycle events"). So of two connections the higher number is the later one, unless their times are
so far apart that the numbers may have started again; of one connection the end is later than the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.site_items import Presence
from components.shared.errors import Rejected

NUMBERED_MS = 30 * 60_000
"""Two events nearer than this belong to one count: less than the hour without, twice two minutes and a margin more."""

REASON_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class PresenceEvent:
    """A client's connection has begun or ended."""

    client: str
    presence: Presence


@dataclass(frozen=True, slots=True)
class Removal:
    """A thing was removed from the registry."""

    thing: str


def read_event(event: Mapping[str, Any], now_ms: int) -> PresenceEvent | Removal:
    """What IoT Core says, heard at `now_ms`. Rejected when it is none of the events that the rules select."""
    try:
        if event["eventType"] == "THING_EVENT" and event["operation"] == "DELETED":
            return Removal(_text(event["thingName"]))
        if event["eventType"] not in ("connected", "disconnected"):
            raise Rejected(f"event is of no known type: {str(event)[:500]}")
        presence = Presence(
            connected=event["eventType"] == "connected",
            session=_text(event["sessionIdentifier"]),
            version=int(event["versionNumber"]),
            at_ms=int(event["timestamp"]),
            noted_ms=now_ms,
            reason=str(event.get("disconnectReason", ""))[:REASON_CHARS_MAX],
        )
        return PresenceEvent(_text(event["clientId"]), presence)
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"event is not one of presence: {error!r} in {str(event)[:500]}") from error


def follows(new: Presence, known: Presence | None) -> bool:
    """Whether `new` is to take the place of what is known: it is later, and no copy."""
    if known is None:
        return True
    if new.session == known.session:
        return known.connected and not new.connected
    if new.version != known.version and abs(new.at_ms - known.at_ms) < NUMBERED_MS:
        return new.version > known.version
    return new.at_ms >= known.at_ms


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value
