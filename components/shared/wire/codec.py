"""Messages as bytes: JSON in an envelope, sent as a binary message of at most 6 000 bytes.

Binary, because Nucleus Lite silently drops JSON messages with many members and kills the subscription; 6 000 bytes,
because a frame above 10 000 (base64 and envelope included) closes the whole connection there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.messages import Body
from components.shared.wire.topics import topic_named, topic_of

MESSAGE_BYTES_MAX = 6_000
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message. `sent_wall_ns` is its sender's clock, for people; nothing is ordered by it."""

    id: str
    source: str
    sent_wall_ns: int
    trace_id: str
    body: Body


class _Envelope(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    id: str
    type: str
    v: int
    source: str
    sent_wall_ns: int
    trace_id: str
    body: dict[str, object]


def encode(message: Message) -> bytes:
    """The message as bytes; one above the limit is Rejected, naming its topic."""
    topic = topic_of(message.body)
    envelope = {
        "id": message.id,
        "type": topic.noun_verb,
        "v": _VERSION,
        "source": message.source,
        "sent_wall_ns": message.sent_wall_ns,
        "trace_id": message.trace_id,
        "body": message.body.model_dump(mode="json"),
    }
    payload = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()
    if len(payload) > MESSAGE_BYTES_MAX:
        raise Rejected(f"message on {topic.name} has {len(payload)} bytes, the limit is {MESSAGE_BYTES_MAX}")
    return payload


def decode(topic_name: str, payload: bytes) -> Message:
    """The message in `payload` as received on `topic_name`; whatever is wrong with it is Rejected, naming both."""
    topic = topic_named(topic_name)
    try:
        envelope = _Envelope.model_validate_json(payload)
        if envelope.type != topic.noun_verb:
            raise Rejected(f"message on {topic_name} says it is of type {envelope.type!r}")
        # From Python values, not from text: strict JSON mode would still turn a text into bytes or a date.
        body = topic.body.model_validate(envelope.body)
    except ValidationError as error:
        raise Rejected(f"message on {topic_name}: {describe_faults(error)}") from error
    return Message(envelope.id, envelope.source, envelope.sent_wall_ns, envelope.trace_id, body)


def describe_faults(error: ValidationError) -> str:
    """All faults of a document or message in one line: `path: what is wrong`, joined by semicolons."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in fault["loc"]) or "document"
        faults.append(f"{path}: {fault['msg']}")
    return "; ".join(faults)
