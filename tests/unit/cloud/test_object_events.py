"""What is read from an event of S3, and the order that its mark gives."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cloud.object_events import MARK_DIGITS, ObjectEvent, mark_of, read_event
from components.shared.errors import Rejected

TIME = "2025-10-20T14:03:00Z"


def bridge(key: str, sequencer: str | None = "0062E99A88DC407460") -> dict[str, Any]:
    about = {"key": key, **({"sequencer": sequencer} if sequencer else {})}
    return {"time": TIME, "detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": about}}


def test_keys_of_event_bridge_are_taken_as_they_are() -> None:
    """EventBridge does not encode keys: a plus is a plus, a percent sign a percent sign."""
    (event,) = read_event(bridge("drop/a b+c%2Fd"))
    assert event == ObjectEvent("b", "drop/a b+c%2Fd", "0062E99A88DC407460".ljust(MARK_DIGITS, "0"))


def test_keys_of_notifications_are_decoded() -> None:
    """S3's own notifications encode keys: a plus is a space; there may be several in a message."""
    record = {
        "eventTime": TIME,
        "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%2Bc/%5BM%5D", "sequencer": "0A"}},
    }
    first, second = read_event({"Records": [record, record]})
    assert (first.key, second.key) == ("a b+c/[M]", "a b+c/[M]")


def test_the_test_event_of_a_new_notification_is_nothing() -> None:
    """S3 sends a test event when a notification is made; it names no object."""
    assert read_event({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}) == []


@pytest.mark.parametrize("body", [{}, {"detail": {}}, {"Records": [{}]}, {"detail": None}, {"Records": 7}])
def test_anything_else_is_rejected(body: dict[str, Any]) -> None:
    """A message of another form is Rejected, with its text."""
    with pytest.raises(Rejected, match="not an event of S3"):
        read_event(body)


def test_marks_sort_as_sequencers_do() -> None:
    """Sequencers of different length are padded on the right; letters may be of either case."""
    ordered = ["0062E99A88", "0062e99a88dc407460", "0062E99A88DC407461", "0062E99A89"]
    for earlier, later in itertools.pairwise(ordered):
        assert mark_of(earlier, TIME) < mark_of(later, TIME)
    assert len({len(mark_of(one, TIME)) for one in [*ordered, None]}) == 1


def test_an_event_without_sequencer_is_ordered_by_its_time() -> None:
    """Without a sequencer the time decides, in the same form: between the sequencers of the seconds around it."""
    second = int(mark_of(None, TIME)[:10], 16)
    assert mark_of(f"{second - 1:010X}FFFFFFFF", TIME) < mark_of(None, TIME) <= mark_of(f"{second:010X}00000001", TIME)
    assert mark_of(None, "2025-10-20T16:03:00+02:00") == mark_of(None, TIME)
