"""Why there is no footage: what failed, unless it was not to be recorded at all."""

from __future__ import annotations

from components.capture.core.gap_story import CHANGES_MAX, GapStory, Reason
from components.capture.core.reconnect import Cause
from components.shared.wire.units import WallNs


def at(seconds: int) -> WallNs:
    return WallNs(seconds * 10**9)


def failure(seconds: int, cause: Cause = "unreachable", detail: str = "no route") -> Reason:
    return Reason(at(seconds), cause, detail)


def test_what_fails_is_the_cause_while_it_is_to_be_recorded() -> None:
    """A failure is told as it was, from its moment on."""
    assert GapStory(None, "starting").failed(failure(5), has_recorded=False) == [failure(5)]


def test_what_is_not_to_be_recorded_is_not_missed() -> None:
    """While the schedule says no, the schedule is the cause, whatever the camera does."""
    assert GapStory("schedule", "starting").failed(failure(5), has_recorded=False) == [Reason(at(5), "schedule")]


def test_a_turn_is_told_late_with_its_moment() -> None:
    """A turn between two failures splits the gap at the turn: before it the failure of before counts."""
    story = GapStory(None, "starting")
    story.failed(failure(5), has_recorded=False)
    story.turned(at(10), "schedule")
    story.turned(at(20), None)
    assert story.failed(failure(30, "frozen"), has_recorded=False) == [
        Reason(at(10), "schedule"),
        failure(20),
        failure(30, "frozen"),
    ]


def test_turns_before_the_end_of_footage_tell_nothing() -> None:
    """Where there was footage there was no gap: only what turned after its end is told."""
    story = GapStory("schedule", "starting")
    story.turned(at(10), None)
    story.turned(at(40), "policy")
    assert story.failed(failure(30), has_recorded=True) == [failure(30), Reason(at(40), "policy")]
    assert story.failed(failure(50), has_recorded=False) == [Reason(at(50), "policy")]


def test_after_a_turn_to_recording_the_failure_is_told_again() -> None:
    """A camera that cannot be reached when its schedule begins is missing from that moment, for its own cause."""
    story = GapStory("schedule", "starting")
    story.failed(failure(5), has_recorded=False)
    story.turned(at(10), None)
    assert story.failed(failure(30), has_recorded=False)[0] == failure(10)


def test_turns_are_bounded() -> None:
    """Somebody who turns without end fills nothing; what counts at the end is right."""
    story = GapStory(None, "starting")
    for number in range(CHANGES_MAX * 3):
        story.turned(at(number), "policy" if number % 2 else None)
    told = story.failed(failure(1_000), has_recorded=False)
    assert len(told) == CHANGES_MAX + 1
    assert told[-1] == Reason(at(1_000), "policy")
