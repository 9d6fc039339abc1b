"""What functions log: an event name and fields, side by side in a line of JSON that Powertools' Logger writes.

Lambda takes a line that is JSON already as it is. Each has the id of the call, under the name that Powertools gives it:
`function_request_id`.

A line about an object names its site, camera, segment and trace, so that one query finds it together with what the
site's components said of the same segment. The trace is the one that came with the object; without one it follows from
the key.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import Protocol, TextIO

from aws_lambda_powertools import Logger

from cloud.object_events import read_event
from components.shared.errors import Rejected
from components.shared.wire.object_keys import parse_drop_key, parse_object_key
from components.shared.wire.segment_metadata import TRACE_METADATA
from components.shared.wire.trace import FIELD as TRACE_ID
from components.shared.wire.trace import TRACE_DIGITS, trace_of_segment

_TRACE = re.compile(rf"[0-9a-f]{{{TRACE_DIGITS}}}")

BODY_CHARS_MAX = 1_000
"""Of a message that cannot be handled: enough to see what it is."""

Fields = dict[str, str]


SERVICE = "edgenvr"


class Call(Protocol):
    """What Lambda says of a call."""

    aws_request_id: str


def begin(call: Call) -> None:
    """A call begins: its id is in every line until the next."""
    logger().append_keys(function_request_id=call.aws_request_id)


def tell(component: str, level: int, event: str, fields: Mapping[str, object], *, with_error: bool = False) -> None:
    """Log one line; `with_error` adds the exception at hand."""
    logger()  # has to be there; Powertools' own object lacks the method that takes a level
    named = {"component": component, "event": event, **fields}
    logging.getLogger(SERVICE).log(level, event, extra=named, exc_info=with_error)


@cache
def logger() -> Logger:
    """The logger of this process. A function is one component, so where in the code a line is from says nothing."""
    return Logger(
        SERVICE, level=logging.INFO, logger_handler=_Output(), utc=True, use_rfc3339=True, serialize_stacktrace=False,
        location=None,
    )  # fmt: skip


class _Output(logging.StreamHandler[TextIO]):
    """Writes to what standard output is when the line is written: tests put theirs there."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def about(key: str, metadata: Mapping[str, str] | None = None) -> Fields:
    """What is said of an object in every line: its key, and of footage the site, camera, segment and trace."""
    try:
        thing, name = parse_object_key(key)
    except Rejected:
        return {"key": key, **_of_drop(key)}
    told = (metadata or {}).get(TRACE_METADATA, "")
    trace = told if _TRACE.fullmatch(told) else trace_of_segment(thing, name.segment)
    return {"key": key, "site": thing, "camera": name.camera, "segment": name.segment, TRACE_ID: trace}


def about_message(record: Mapping[str, str]) -> Fields:
    """What is said of a message that could not be handled: its id and body, and its object if it has one."""
    told = {"message_id": record["messageId"], "body": record["body"][:BODY_CHARS_MAX]}
    try:
        events = read_event(json.loads(record["body"]))
    except (Rejected, ValueError, AttributeError):
        return told
    return {**told, **about(events[0].key)} if events else told


def _of_drop(key: str) -> Fields:
    """The trace of an upload is born when its segment is known: when it is moved."""
    try:
        drop = parse_drop_key(key)
    except Rejected:
        return {}
    return {"site": drop.site, "camera": drop.camera}
