"""Spans of motion from samples."""

from __future__ import annotations

import pytest

from components.shared.wire.units import WallNs
from components.video_processor.core.motion import MotionSpan, Sample, best_picture, find_motion


def samples(*percents: float | None) -> list[Sample]:
    """A sample every 10 ns from 100 on."""
    return [Sample(WallNs(100 + 10 * index), percent) for index, percent in enumerate(percents)]


def test_touching_pictures_are_one_span() -> None:
    """A keyframe stands for the time up to the next one, and neighbours join with the larger peak."""
    assert find_motion(samples(0.0, 4.0, 9.0, 1.0), WallNs(140), 3.0) == (MotionSpan(WallNs(110), WallNs(130), 9.0),)


def test_last_picture_stands_up_to_the_end() -> None:
    """Movement in the last keyframe lasts to the end of the segment."""
    assert find_motion(samples(0.0, 4.0), WallNs(177), 3.0) == (MotionSpan(WallNs(110), WallNs(177), 4.0),)


@pytest.mark.parametrize(("percent", "moves"), [(2.99, False), (3.0, True), (3.01, True), (None, False)])
def test_threshold(percent: float | None, moves: bool) -> None:
    """At the threshold it is motion; while learning it never is."""
    assert bool(find_motion(samples(percent), WallNs(110), 3.0)) == moves


def test_nothing_seen_is_no_motion() -> None:
    """No samples, no spans."""
    assert find_motion([], WallNs(0), 3.0) == ()


def test_best_picture_shows_the_most() -> None:
    """The thumbnail is of the most movement, and of the first picture when nothing moved."""
    assert best_picture(samples(None, 1.0, 7.0, 7.0)) == 2
    assert best_picture(samples(0.0, 0.0)) == 0
