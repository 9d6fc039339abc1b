"""Events in the forms that AWS documents are read by the functions that get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.functions.normalize_object.core import Upload, plan
from cloud.functions.note_presence.core import PresenceEvent, Removal
from cloud.functions.note_presence.core import read_event as read_presence
from cloud.message_batch import handle_each
from cloud.object_events import MARK_DIGITS, ObjectEvent, read_event

EVENTS = Path(__file__).parents[2] / "data" / "aws_events"
KEY = "sites/site-1/cameras/cam-1/2025/10/20/14/cam-1_20251020T140300.000Z.mp4"
AMCREST = "drop/site-1/cam-1/2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4"
EXPORT = "drop/site-1/cam-1/Back yard/NVR_ch1_main_20251020140300_20251020140600.mp4"
OF_OBJECTS = {
    "eventbridge_object_created": (KEY, "00617F08299329D189"),
    "eventbridge_object_created_in_drop": (AMCREST, "00617F08299329D189"),
    "eventbridge_delete_marker_created": (KEY, "00617F0837B476E463"),
    "eventbridge_lifecycle_expiration": (KEY, "00617F0837B476E4630A"),
    "s3_object_created": (KEY, "0055AED6DCD90281E5"),
    "s3_object_created_in_drop": (AMCREST, "0055AED6DCD90281E5"),
    "s3_export_created_in_drop": (EXPORT, "0055AED6DCD90281E5"),
    "s3_delete_marker_created": (KEY, "0055AED6DCD90281E6"),
    "s3_object_removed": (KEY, "0055AED6DCD90281E6"),
    "s3_lifecycle_delete_marker": (KEY, "0055AED6DCD90281E6"),
    "s3_lifecycle_expiration": (KEY, "0055AED6DCD90281E6"),
    "sns_notification_of_s3": (KEY, "0055AED6DCD90281E6"),
}
OF_OTHERS = {
    "s3_test_event",
    "sqs_batch",
    "iot_presence_connected",
    "iot_presence_disconnected",
    "iot_thing_deleted",
}


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def test_each_file_is_read_by_a_test() -> None:
    """No event lies here that nothing reads."""
    assert {path.stem for path in EVENTS.glob("*.json")} == OF_OBJECTS.keys() | OF_OTHERS


@pytest.mark.parametrize("name", OF_OBJECTS)
def test_a_change_of_an_object_is_read(name: str) -> None:
    """Creations, deletions and expirations, by EventBridge, S3 and SNS: bucket, the key as it is, the sequencer."""
    key, sequencer = OF_OBJECTS[name]
    assert read_event(event(name)) == [ObjectEvent("edgenvr-media", key, sequencer.ljust(MARK_DIGITS, "0"))]


def test_a_test_event_names_no_object() -> None:
    """What S3 sends when notifications are set up is nothing to do."""
    assert read_event(event("s3_test_event")) == []


@pytest.mark.parametrize("name", ["eventbridge_object_created_in_drop", "s3_object_created_in_drop"])
def test_an_amcrest_upload_finds_its_place_whichever_way_it_is_told(name: str) -> None:
    """Brackets and the at sign of Amcrest's names come through both forms, the time is read in the site's zone."""
    (change,) = read_event(event(name))
    move = plan(Upload(change.key, "e" * 32, 1, {}), "America/New_York")
    assert move.key(0) == "sites/site-1/cameras/cam-1/2025/10/20/18/cam-1_20251020T180300.000Z.mp4"
    assert "nvr-time-zone-flags" not in move.metadata


def test_an_export_of_a_recorder_finds_its_place() -> None:
    """A recorder's own name below a folder with a space; without a zone in UTC, and flagged."""
    (change,) = read_event(event("s3_export_created_in_drop"))
    move = plan(Upload(change.key, "e" * 32, 1, {}), None)
    assert move.key(0) == KEY
    assert move.metadata["nvr-time-zone-flags"] == "assumed"


def test_of_a_batch_only_the_message_that_is_none_comes_again() -> None:
    """A batch as Lambda gets it from SQS, with a broken message in the middle: the others are handled."""
    batch = event("sqs_batch")
    taken: list[ObjectEvent] = []
    answer = handle_each(batch, "index_object", "object_not_indexed", lambda body: taken.extend(read_event(body)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][1]["messageId"]}]}
    assert [one.key for one in taken] == [KEY, KEY]


def test_connections_and_removals_are_read() -> None:
    """A connection's beginning and end belong together, the end has its reason; a thing that was removed is named."""
    begun, ended = (read_presence(event(f"iot_presence_{what}"), 7) for what in ("connected", "disconnected"))
    assert isinstance(begun, PresenceEvent)
    assert isinstance(ended, PresenceEvent)
    assert (begun.client, begun.presence.connected) == ("site-1", True)
    assert (ended.client, ended.presence.connected) == ("site-1", False)
    assert ended.presence.session == begun.presence.session
    assert ended.presence.reason == "MQTT_KEEP_ALIVE_TIMEOUT"
    assert read_presence(event("iot_thing_deleted"), 7) == Removal("site-1")
