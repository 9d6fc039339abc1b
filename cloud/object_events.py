"""What an event says of an object in S3, whichever way it came. Pure.

EventBridge sends keys as they are; S3's own notifications send them URL-encoded with `+` for a space; a topic of SNS
puts what it passes on into an envelope. All forms are read here, so that nobody else has to know.

The mark of an event is a text that sorts in the order in which the changes of one key happened. S3 gives a sequencer
for it: hexadecimal, of varying length, to be padded on the right with zeros before it is compared (S3 User Guide,
"Event message structure"). An event without one, from a backfill by hand say, is ordered by its time instead, in the
same form: seconds in ten digits. Sequencers seen so far begin with exactly these; should that change, such an event
is ordered wrongly against others, and the truth that is read at every event repairs it at the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from components.shared.errors import Rejected

MARK_DIGITS = 40  # sequencers of 16 to 20 digits have been seen


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """A change of an object: where, and when in the order of its changes. What changed is read from S3 itself."""

    bucket: str
    key: str
    mark: str


def read_event(body: Mapping[str, Any]) -> list[ObjectEvent]:
    """The changes in one message: one from EventBridge, any number from S3's own notifications."""
    try:
        if body.get("Type") == "Notification":
            return read_event(json.loads(body["Message"]))
        if "detail" in body:
            detail = body["detail"]
            about = detail["object"]
            mark = mark_of(about.get("sequencer"), body["time"])
            return [ObjectEvent(detail["bucket"]["name"], about["key"], mark)]
        if "Records" in body:
            return [_from_record(record) for record in body["Records"]]
        if body.get("Event") == "s3:TestEvent":
            return []
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Rejected(f"message is not an event of S3: {error!r} in {str(body)[:500]}") from error
    raise Rejected(f"message is not an event of S3: {str(body)[:500]}")


def _from_record(record: Mapping[str, Any]) -> ObjectEvent:
    about = record["s3"]["object"]
    mark = mark_of(about.get("sequencer"), record["eventTime"])
    return ObjectEvent(record["s3"]["bucket"]["name"], unquote_plus(about["key"]), mark)


def mark_of(sequencer: str | None, time: str) -> str:
    """The mark of an event by its sequencer, or by its time (ISO 8601) when it has none."""
    if sequencer:
        if len(sequencer) > MARK_DIGITS:
            raise Rejected(f"sequencer {sequencer!r} is longer than {MARK_DIGITS} digits")
        digits = sequencer.upper()
    else:
        digits = f"{int(datetime.fromisoformat(time).timestamp()):010X}"
    return digits.ljust(MARK_DIGITS, "0")
