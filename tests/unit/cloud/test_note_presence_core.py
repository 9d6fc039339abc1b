"""Which event of a connection counts, whatever the order in which they come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cloud.functions.note_presence.core import NUMBERED_MS, PresenceEvent, Removal, follows, read_event
from cloud.site_items import Presence
from components.shared.errors import Rejected

T = 1_760_000_000_000


def at(connected: bool, session: str, version: int, at_ms: int) -> Presence:
    return Presence(connected, session, version, at_ms, at_ms)


def last(events: tuple[Presence, ...]) -> Presence | None:
    known = None
    for event in events:
        if follows(event, known):
            known = event
    return known


def test_any_order_and_copies_end_in_the_last_connection() -> None:
    """Two connections' events in all orders, each of them twice: the last state is that of the last connection."""
    story = (at(True, "a", 4, T), at(False, "a", 4, T + 9_000), at(True, "b", 5, T + 10_000))
    for order in itertools.permutations(story * 2):
        assert last(order) == story[-1]
    ended = (*story[1:], at(False, "b", 5, T + 90_000))
    for order in itertools.permutations(ended):
        assert last(order) == ended[-1]


def test_the_number_decides_against_a_wrong_time() -> None:
    """Times are right within two minutes: a connection with a higher number is later, whatever its time says."""
    ended, begun = at(False, "a", 4, T + 120_000), at(True, "b", 5, T)
    assert last((ended, begun)) == begun
    assert last((begun, ended)) == begun


@pytest.mark.parametrize(("apart_ms", "is_later"), [(NUMBERED_MS - 1, False), (NUMBERED_MS, True)])
def test_numbers_that_began_again_are_not_compared(apart_ms: int, is_later: bool) -> None:
    """A client that was away for an hour is counted from 0 again: then the time decides."""
    assert follows(at(True, "b", 0, T + apart_ms), at(False, "a", 7, T)) is is_later


def test_an_old_event_after_an_hour_is_ignored() -> None:
    """Where numbers cannot be compared, an event of long ago does not undo what is known."""
    assert not follows(at(False, "a", 7, T), at(True, "b", 0, T + NUMBERED_MS))


def test_a_late_beginning_does_not_undo_an_end() -> None:
    """The two events of a connection have one number: its end is later than its beginning, even if heard before."""
    begun, ended = at(True, "a", 4, T), at(False, "a", 4, T)
    assert last((ended, begun)) == ended
    assert last((begun, ended, begun)) == ended


def event(**changed: Any) -> dict[str, Any]:
    return {
        "clientId": "site-1",
        "timestamp": T,
        "eventType": "disconnected",
        "sessionIdentifier": "a",
        "principalIdentifier": "p",
        "clientInitiatedDisconnect": False,
        "disconnectReason": "CONNECTION_LOST",
        "versionNumber": 3,
        **changed,
    }


def test_an_event_is_read() -> None:
    """Client, session, number, time and reason are kept, and when we heard of it."""
    assert read_event(event(), T + 5) == PresenceEvent("site-1", Presence(False, "a", 3, T, T + 5, "CONNECTION_LOST"))


def test_a_removed_thing_is_read() -> None:
    """The registry's event of a deleted thing is a removal."""
    told = {"eventType": "THING_EVENT", "operation": "DELETED", "thingName": "site-1", "timestamp": T}
    assert read_event(told, T) == Removal("site-1")


@pytest.mark.parametrize(
    "given",
    [
        {},
        event(eventType="subscribed"),
        event(versionNumber=None),
        event(timestamp="soon"),
        event(clientId=""),
        {"eventType": "THING_EVENT", "operation": "CREATED", "thingName": "site-1"},
    ],
)
def test_anything_else_is_rejected(given: dict[str, Any]) -> None:
    """An event that is none of these is refused and shown."""
    with pytest.raises(Rejected, match="event is"):
        read_event(given, T)
