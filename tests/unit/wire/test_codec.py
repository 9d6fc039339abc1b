"""Messages as bytes, and the golden file of every message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from components.shared.wire import messages, topics
from components.shared.wire.codec import MESSAGE_BYTES_MAX, Message, decode, encode

GOLDEN = Path(__file__).parents[2] / "data" / "messages"


def status(error: str | None) -> Message:
    """A status message that carries `error`."""
    body = messages.StatusReported(
        component="Capture", version="0.1.0", started_wall_ns=1, last_progress_wall_ns=2, last_error=error
    )
    return Message("id-1", "Capture", 5, "trace-1", body)


@pytest.mark.parametrize("topic", topics.TOPICS, ids=lambda topic: topic.noun_verb)
def test_every_golden_file_is_decoded(topic: topics.Topic) -> None:
    """Each topic has at least one golden file, and this release decodes all that were ever written."""
    files = sorted(GOLDEN.glob(f"{topic.noun_verb.replace('/', '-')}.*.json"))
    assert files, f"no golden file for {topic.noun_verb}: write tests/data/messages/"
    for file in files:
        message = decode(topic.name, file.read_bytes())
        assert isinstance(message.body, topic.body)
        assert message.source in topic.publishers


def test_golden_files_have_a_topic() -> None:
    """No golden file is left without a topic: a topic is never taken away."""
    known = {topic.noun_verb.replace("/", "-") for topic in topics.TOPICS}
    assert {file.name.split(".")[0] for file in GOLDEN.iterdir()} == known


def test_message_survives_the_way() -> None:
    """What is encoded is decoded to the same."""
    message = status("Grüße")
    assert decode(topics.STATUS_REPORTED.name, encode(message)) == message


def test_fields_from_the_future_are_ignored() -> None:
    """A newer release may add fields to a body and to the envelope."""
    raw = json.loads(encode(status(None)))
    raw["new"] = 1
    raw["body"]["new"] = {"deep": [1]}
    assert decode(topics.STATUS_REPORTED.name, json.dumps(raw).encode()) == status(None)


def test_size_limit() -> None:
    """At the limit a message goes, one byte above it is refused by name."""
    body = messages.SegmentClosed(camera="cam-1", segment="", start_ns=1, end_ns=2)
    length = len(encode(Message("i", "Capture", 1, "t", body)))
    fits = body.model_copy(update={"segment": "x" * (MESSAGE_BYTES_MAX - length)})
    assert len(encode(Message("i", "Capture", 1, "t", fits))) == MESSAGE_BYTES_MAX
    too_long = body.model_copy(update={"segment": "x" * (MESSAGE_BYTES_MAX - length + 1)})
    with pytest.raises(Rejected, match=r"segment/closed has 6001 bytes"):
        encode(Message("i", "Capture", 1, "t", too_long))


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[1]", "object"),
        (b'{"id":"1"}', "type"),
        (b'{"id":1,"type":"status/reported","v":1,"source":"x","sent_wall_ns":1,"trace_id":"","body":{}}', "id"),
        (b'{"id":"","type":"config/changed","v":1,"source":"x","sent_wall_ns":1,"trace_id":"","body":{}}', "type"),
        (b'{"id":"","type":"status/reported","v":1,"source":"x","sent_wall_ns":1,"trace_id":"","body":{}}', "version"),
    ],
)
def test_bad_bytes_are_refused_by_name(payload: bytes, told: str) -> None:
    """Whatever arrives on a topic, the refusal names the topic and what is wrong."""
    with pytest.raises(Rejected, match="nvr/v1/status/reported") as refusal:
        decode("nvr/v1/status/reported", payload)
    assert told in str(refusal.value)


def test_topic_outside_the_table_is_refused() -> None:
    """Nobody can speak on a topic that is not in the table."""
    with pytest.raises(Rejected, match="nvr/v1/bogus"):
        decode("nvr/v1/bogus", b"{}")
