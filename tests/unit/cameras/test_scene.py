"""The scene: the same for the same seed, with motion and with quiet."""

import numpy as np

from local.cameras.pattern import read_number, strip_size
from local.cameras.scene import Scene, crossings


def test_equal_seeds_give_equal_pictures() -> None:
    """A frame depends on nothing but the arguments, not on which frames were drawn before."""
    one, other = Scene(320, 240, 10, 40, 1), Scene(320, 240, 10, 40, 1)
    one.frame(3)
    assert np.array_equal(one.frame(20), other.frame(20))
    assert not np.array_equal(one.frame(20), Scene(320, 240, 10, 40, 2).frame(20))


def test_every_frame_carries_its_number() -> None:
    """The pattern of frame n says n, in a planar picture of one and a half heights."""
    scene = Scene(320, 240, 10, 40, 1)
    assert scene.frame(0).shape == (360, 320)
    assert [read_number(scene.frame(number)) for number in range(0, 40, 7)] == list(range(0, 40, 7))


def test_objects_cross_one_at_a_time_with_quiet_between() -> None:
    """Each slot of about eight seconds has one crossing, and the seam of the loop is quiet on both sides."""
    for seed in range(20):
        found = crossings(720, 15, 300, seed)
        assert len(found) == 2
        edges = [0, *(edge for crossing in found for edge in (crossing.first, crossing.end)), 300]
        assert edges == sorted(edges)
        quiet = sum(end - begin for begin, end in zip(edges[0::2], edges[1::2], strict=True))
        assert quiet >= 300 * 0.4
        assert edges[1] > 15
        assert 300 - edges[-2] > 15


def test_a_crossing_changes_more_of_the_picture_than_noise_does() -> None:
    """In the middle of a crossing over 3 % of the pixels differ from the quiet scene, in quiet hardly one."""
    for seed in range(3):
        scene = Scene(320, 240, 10, 80, seed)
        crossing = scene.crossings[0]
        below = slice(strip_size(320)[1], 240)
        quiet = scene.frame(0)[below].astype(np.int16)
        moving = scene.frame((crossing.first + crossing.end) // 2)[below].astype(np.int16)
        still = scene.frame(79)[below].astype(np.int16)
        assert (np.abs(moving - quiet) > 15).mean() > 0.03
        assert (np.abs(still - quiet) > 15).mean() < 0.0001
