"""What a camera's policy does to its uploads in sync.db, and what others are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.sync import SyncWriter, UploadKind, UploadRow
from components.shared.catalogue.sync_choice import (
    Decision,
    decide,
    forget_held,
    held_after,
    look_again,
    policies,
    set_policy,
    to_look_at,
)
from components.shared.catalogue.upload_forecast import read_upload_forecast
from components.shared.wire.recording_config import UploadPolicy
from tests.fakes.archive import at

NOW = at(0)
LATER = at(100)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SyncWriter]:
    writer = SyncWriter.open(tmp_path)
    yield writer
    writer.close()


def upload(key: str, camera: str = "cam-1", kind: UploadKind = "segment") -> UploadRow:
    digests = ("ab" * 32, ("cd" * 32,))
    segment = f"segment-of-{key.removesuffix('+')}"
    return UploadRow(key, kind, camera, segment, "main", f"{key}.mp4", 100, *digests, {}, 10, NOW)


def held(writer: SyncWriter) -> list[str]:
    return [one.key for one in held_after(writer, 0, 99)]


def test_what_a_policy_leaves_out_is_no_backlog(writer: SyncWriter) -> None:
    """It is not taken, not counted as waiting, not forecast; it is counted as left out."""
    writer.enqueue("capture", [upload("a"), upload("b", "cam-2")], 2)
    assert set_policy(writer, "cam-1", "none", NOW)
    writer.enqueue("capture", [upload("c"), upload("d", "cam-2")], 4)
    assert held(writer) == ["a", "c"]
    assert writer.backlog() == (2, 200)
    found = writer.next_due(NOW)
    assert found is not None and found.key == "b"
    assert writer.next_due(NOW, {"b", "d"}) is None
    assert writer.held("left_out") == (2, 200) and writer.held("undecided") == (0, 0)
    forecast = read_upload_forecast(writer, LATER)
    assert (forecast.waiting, forecast.left_out, forecast.left_out_bytes) == (2, 2, 200)
    assert forecast.queued_bytes_per_s == 200 // 3600


def test_a_policy_changed_back_queues_what_waits_and_counts_its_time_anew(writer: SyncWriter) -> None:
    """What was left out comes into the queue in its old order, and waits since now."""
    set_policy(writer, "cam-1", "none", NOW)
    writer.enqueue("capture", [upload("a"), upload("b")], 2)
    assert read_upload_forecast(writer, LATER).oldest_waits_s == 0
    assert not set_policy(writer, "cam-1", "none", NOW)
    assert set_policy(writer, "cam-1", "all", LATER)
    assert writer.backlog() == (2, 200) and held(writer) == []
    assert [row.enqueued_ns for row in writer.uploads()] == [LATER, LATER]
    found = writer.next_due(NOW)
    assert found is not None and found.key == "a"
    assert policies(writer) == {"cam-1": "all"}


def test_no_policy_undoes_an_upload(writer: SyncWriter) -> None:
    """What is uploaded or refused stays what it is, whatever policy comes."""
    writer.enqueue("capture", [upload("a"), upload("b")], 2)
    writer.mark_uploaded("a", "etag", NOW)
    writer.mark_refused("b", "gone")
    policies_in_turn: list[UploadPolicy] = ["none", "events", "all"]
    for policy in policies_in_turn:
        set_policy(writer, "cam-1", policy, LATER)
        assert writer.standings_of(["segment-of-a", "segment-of-b"]) == {
            "segment-of-a": "uploaded",
            "segment-of-b": "refused",
        }


def test_an_upload_under_way_ends_although_its_policy_has_changed(writer: SyncWriter) -> None:
    """Whoever has it in hand notes parts, failures and success as ever."""
    writer.enqueue("capture", [upload("a"), upload("b")], 2)
    set_policy(writer, "cam-1", "none", NOW)
    writer.record_upload_id("a", "upload-1")
    writer.record_part("a", 1, "e")
    writer.mark_failed("a", "connection reset", NOW)
    forget_held(writer, ["a", "b"])
    assert held(writer) == ["a"], "it may be under way"
    writer.mark_uploaded("a", "etag", NOW)
    assert writer.state_of("a") == "uploaded" and writer.held("left_out") == (0, 0)


def test_under_events_all_is_undecided_until_it_was_looked_at(writer: SyncWriter) -> None:
    """Footage of a camera that uploads events waits for its verdict; a verdict puts it in or leaves it out."""
    set_policy(writer, "cam-1", "events", NOW)
    writer.enqueue("capture", [upload("a"), upload("b"), upload("c")], 3)
    assert writer.held("undecided") == (3, 300) and writer.backlog() == (0, 0)
    assert [one.key for one in to_look_at(writer, "segment", 0, 9)] == ["a", "b", "c"]
    clip = replace(upload("b+", kind="clip"), ranges=((0, 10), (50, 90)))
    decisions = [
        Decision("a", "events", "", 5, -7),
        Decision("b", "events", "left_out", 5, -7),
        Decision("c", "events", "left_out", 10, 3),
    ]
    assert decide(writer, decisions, [clip], LATER) == 2
    assert to_look_at(writer, "segment", 0, 9) == []
    assert writer.standings_of(["segment-of-a", "segment-of-b", "segment-of-c", "x"]) == {
        "segment-of-a": "queued",
        "segment-of-b": "queued",  # its clip waits
        "segment-of-c": "left_out",
    }
    assert writer.upload("b+") == clip
    writer.mark_uploaded("b+", "etag", LATER)
    assert writer.standings_of(["segment-of-b"]) == {"segment-of-b": "left_out"}
    assert decide(writer, [], [clip], LATER) == 0, "a clip that is known is not queued again"


def test_what_an_event_touches_later_is_looked_at_again_once(writer: SyncWriter) -> None:
    """An event that is found later has its neighbours decided anew, and each only once."""
    set_policy(writer, "cam-1", "events", NOW)
    writer.enqueue("capture", [upload("a")], 1)
    decide(writer, [Decision("a", "events", "left_out", 10, 50)], [], NOW)
    assert look_again(writer, ["segment-of-a"], -40) == 1
    decide(writer, [Decision("a", "events", "left_out", 5, -40)], [], NOW)
    assert look_again(writer, ["segment-of-a"], -40) == 0
    assert look_again(writer, ["segment-of-a"], -41) == 1
    row = writer.upload("a")
    assert row is not None and (row.priority, row.rank) == (5, -40)


def test_clips_of_a_camera_go_where_its_policy_says(writer: SyncWriter) -> None:
    """Nothing goes under `none`; whole segments take their place under `all`; under `events` they go."""
    set_policy(writer, "cam-1", "events", NOW)
    decide(writer, [], [replace(upload("a+", kind="clip"), ranges=((0, 10),))], NOW)
    assert writer.backlog() == (1, 100)
    steps: list[tuple[UploadPolicy, int]] = [("none", 0), ("events", 1), ("all", 0), ("events", 1)]
    for policy, waiting in steps:
        set_policy(writer, "cam-1", policy, NOW)
        assert writer.backlog()[0] == waiting, policy


def test_the_queue_goes_by_priority_then_by_rank(writer: SyncWriter) -> None:
    """Within a priority the lowest rank goes first; of equal ones the first that came; bounds hold."""
    rows = [
        replace(upload("old"), rank=1),
        replace(upload("new"), rank=2),
        replace(upload("event"), priority=5, rank=-1),
        replace(upload("newer"), priority=5, rank=-2),
        replace(upload("picture"), priority=0, rank=9),
    ]
    writer.enqueue("capture", rows, 1)
    order: list[str] = []
    while (found := writer.next_due(NOW, order)) is not None:
        order.append(found.key)
    assert order == ["picture", "newer", "event", "old", "new"]
    taken = writer.next_due(NOW, (), (1, 9))
    assert taken is not None and taken.key == "newer"
    assert writer.next_due(NOW, (), (1, 4)) is None


def test_a_decision_counts_only_under_the_policy_it_was_made_for(writer: SyncWriter) -> None:
    """What was decided while the policy was changed sends nothing that nobody wants."""
    set_policy(writer, "cam-1", "none", NOW)
    writer.enqueue("capture", [upload("a")], 1)
    clip = replace(upload("a+", kind="clip"), ranges=((0, 10),))
    assert decide(writer, [Decision("a", "events", "", 5, -7), Decision("a", "all", "", 5, -7)], [clip], NOW) == 0
    assert writer.standings_of(["segment-of-a"]) == {"segment-of-a": "left_out"}
    assert writer.upload("a+") is None
