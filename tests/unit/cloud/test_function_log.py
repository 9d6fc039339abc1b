"""What functions log names the object's site, camera, segment and trace beside time and level."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from cloud.function_log import BODY_CHARS_MAX, about, about_message, begin, tell
from components.shared.wire.trace import trace_of_segment

KEY = "sites/site-1/cameras/cam-1/2025/11/21/04/cam-1_20251121T040506.789Z.mp4"
SEGMENT = "cam-1_20251121T040506.789Z"
TRACE = trace_of_segment("site-1", SEGMENT)


def test_an_object_is_told_with_its_trace() -> None:
    """The key says whose it is; without metadata, as of an object that is gone, the trace follows from it."""
    expected = {"key": KEY, "site": "site-1", "camera": "cam-1", "segment": SEGMENT, "trace_id": TRACE}
    assert about(KEY) == expected
    assert about(KEY.replace(".mp4", ".jpg"))["trace_id"] == TRACE, "its thumbnail belongs to it"
    assert about(KEY, {"nvr-sha256": "x"}) == expected


def test_the_trace_that_came_with_the_object_counts() -> None:
    """It is taken from the metadata when it is one; what is none is not passed on."""
    assert about(KEY, {"nvr-trace": "f" * 32})["trace_id"] == "f" * 32
    for odd in ("F" * 32, "f" * 31, "f" * 32 + "\n", "'; DROP"):
        assert about(KEY, {"nvr-trace": odd})["trace_id"] == TRACE


def test_uploads_have_no_trace_yet() -> None:
    """A foreign upload belongs to a camera; what is neither is told by its key."""
    assert about("drop/site-1/cam-1/a/b.mp4") == {
        "key": "drop/site-1/cam-1/a/b.mp4",
        "site": "site-1",
        "camera": "cam-1",
    }
    assert about("elsewhere/x") == {"key": "elsewhere/x"}


def body(key: str) -> dict[str, Any]:
    """An event as EventBridge sends it."""
    return {"time": "2025-11-21T04:05:06Z", "detail": {"bucket": {"name": "b"}, "object": {"key": key}}}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"Event": "s3:TestEvent"}', '{"detail": 3}', "x" * 5_000])
def test_a_message_without_an_object_is_told_all_the_same(text: str) -> None:
    """Whatever it is, its id and as much of it as helps."""
    assert about_message({"messageId": "m", "body": text}) == {"message_id": "m", "body": text[:BODY_CHARS_MAX]}


def test_a_message_that_failed_has_its_objects_trace() -> None:
    """A failure is found by the trace like everything else about the segment."""
    assert about_message({"messageId": "m", "body": json.dumps(body(KEY))})["trace_id"] == TRACE


def fail() -> None:
    """What goes wrong in a function."""
    raise ValueError("bad ü")


class Call:
    """A call of Lambda's."""

    aws_request_id = "request-1"


def test_lines_are_json_with_event_fields_and_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    """Event and fields stand beside time, level and the call's id, the exception with its class, text and place."""
    begin(Call())
    tell("index_object", logging.INFO, "object_indexed", {**about(KEY), "written": True})
    try:
        fail()
    except ValueError:
        tell("index_object", logging.ERROR, "object_not_indexed", about(KEY), with_error=True)
    told, failed = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert told.pop("timestamp").endswith("+00:00")
    assert told == {
        **about(KEY),
        "level": "INFO",
        "message": "object_indexed",
        "service": "edgenvr",
        "function_request_id": "request-1",
        "component": "index_object",
        "event": "object_indexed",
        "written": True,
    }
    assert (failed["level"], failed["exception_name"]) == ("ERROR", "ValueError")
    assert 'raise ValueError("bad ü")' in failed["exception"]
