"""Trace ids: which log lines, messages and objects belong to one thing that happened, from camera to cloud function.

A trace is born where a segment, a video event, an alert or a change of configuration begins. Its id follows from the
site and from what it is about, so that nobody has to keep it or to hand it on: whoever names the segment comes to the
same id, in another component, after a restart, and in a function that only sees the object's key.

It is 32 hexadecimal digits, as in W3C Trace Context.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

TRACE_DIGITS = 32
FIELD = "trace_id"
"""What it is called in every log line, in every message's envelope, and in the queries."""


def trace_of_segment(thing: str, segment: str) -> str:
    """The trace of a segment and of all that is made of it: thumbnail, motion, object, item."""
    return _trace(thing, "segment", segment)


def trace_of_event(thing: str, event: str) -> str:
    """The trace of a video event."""
    return _trace(thing, "event", event)


def trace_of_document(thing: str, document: str, sha256: str) -> str:
    """The trace of a document in one version, from its arrival to the last component's answer."""
    return _trace(thing, "document", document, sha256)


def trace_of(thing: str, fields: Mapping[str, object]) -> str | None:
    """The trace of what the fields of a log line or message name: an alert, a segment, an event or a document.

    None when they name none of these. An alert's id is its trace already.
    """
    alert, segment, event = (_text(fields, name) for name in ("alert", "segment", "event"))
    document, sha256 = _text(fields, "document"), _text(fields, "sha256")
    if alert:
        return alert
    if segment:
        return trace_of_segment(thing, segment)
    if event:
        return trace_of_event(thing, event)
    return trace_of_document(thing, document, sha256) if document and sha256 else None


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _trace(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:TRACE_DIGITS]
