"""What a camera's policy makes of a picture and a segment, with and without something that happened."""

from __future__ import annotations

import pytest

from components.cloud_sync.core.choice import RANK_MAX, choose_picture, choose_segment, rank_of
from components.cloud_sync.core.clips import Happening
from components.cloud_sync.core.plan import EVENT_PRIORITY, SEGMENT_PRIORITY
from components.shared.wire.recording_config import UploadPolicy

OLD, NEW = Happening("event-1", 1_000, 2_000), Happening("event-2", 5_000, None)
LEFT_OUT = "left_out"


@pytest.mark.parametrize(
    ("policy", "quiet", "touched"),
    [("all", "", ""), ("events", LEFT_OUT, ""), ("none", LEFT_OUT, LEFT_OUT)],
)
def test_a_picture(policy: UploadPolicy, quiet: str, touched: str) -> None:
    """It goes with `all`, with `events` where something happened, and never with `none`."""
    assert (choose_picture(policy, []).hold, choose_picture(policy, [OLD]).hold) == (quiet, touched)


@pytest.mark.parametrize(("policy", "quiet", "touched"), [("all", "", ""), ("none", LEFT_OUT, LEFT_OUT)])
def test_a_segment(policy: UploadPolicy, quiet: str, touched: str) -> None:
    """It goes in turn, or with the footage of events where something happened; with `none` not at all."""
    alone, with_event = choose_segment(policy, [], "main", None), choose_segment(policy, [OLD], "main", None)
    assert (alone.hold, alone.priority) == (quiet, SEGMENT_PRIORITY)
    assert (with_event.hold, with_event.priority) == (touched, EVENT_PRIORITY)


@pytest.mark.parametrize("stream", ["main", "sub"])
def test_nothing_is_cut_of_what_is_gone_or_shows_the_same(stream: str) -> None:
    """With `events` a deleted segment and a sub stream are left out, without a clip."""
    choice = choose_segment("events", [OLD], stream, None)  # type: ignore[arg-type]  # one of the two
    assert (choice.hold, choice.cuts) == (LEFT_OUT, ())


def test_the_newest_goes_first() -> None:
    """What a newer happening touches has a place before what an older one does, and both before the rest."""
    assert rank_of([OLD, NEW]) == rank_of([NEW]) < rank_of([OLD]) < RANK_MAX
    assert choose_picture("all", [NEW]).rank < choose_picture("all", [OLD]).rank < choose_picture("all", []).rank
