"""What a failed lens does to a stand-in camera's scene."""

import numpy as np
import pytest

from local.cameras.pattern import read_number, strip_size
from local.cameras.scene import Plane, Scene
from local.cameras.views import VIEWS

WIDTH, HEIGHT = 320, 240
BELOW = slice(strip_size(WIDTH)[1], HEIGHT)


def luma(view: str, number: int = 0) -> Plane:
    """The brightness of a frame below the number's pattern."""
    return Scene(WIDTH, HEIGHT, 10, 40, 1, view).frame(number)[BELOW]


def detail(plane: Plane) -> float:
    """How much brightness changes from pixel to pixel, the noise of the sensor included."""
    return float(np.abs(np.diff(plane.astype(np.int16), axis=1)).max(axis=1).mean())


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_noise_and_its_number(view: str) -> None:
    """A failed camera's sensor is alive, and its frames can be told from one another."""
    scene = Scene(WIDTH, HEIGHT, 10, 40, 1, view)
    assert [read_number(scene.frame(number)) for number in (0, 7)] == [0, 7]
    assert not np.array_equal(scene.frame(0)[BELOW], scene.frame(1)[BELOW])


def test_black_and_covered_show_nothing_of_the_scene() -> None:
    """Black is the darkest that video knows but for noise; a cover lets light through and no edge."""
    assert luma("black").max() < 30
    assert 40 < luma("covered").mean() < 90
    assert detail(luma("covered")) < detail(luma("")) / 5


def test_blurred_keeps_the_layout_and_loses_the_edges() -> None:
    """Out of focus, bright stays bright and steps become ramps."""
    sharp, blurred = luma("").astype(np.float64), luma("blurred").astype(np.float64)
    assert abs(sharp.mean() - blurred.mean()) < 1
    assert np.corrcoef(sharp.ravel(), blurred.ravel())[0, 1] > 0.95
    assert detail(luma("blurred")) < 0.7 * detail(luma(""))


def test_moved_shows_the_same_scene_elsewhere() -> None:
    """What was at one place is at another, by a tenth of the picture."""
    sharp, moved = luma("").astype(np.float64), luma("moved").astype(np.float64)
    right = round(WIDTH * 0.12 / 2) * 2
    assert np.corrcoef(sharp.ravel(), moved.ravel())[0, 1] < 0.9
    back = np.roll(moved, (-round(HEIGHT * 0.06 / 2) * 2, -right), (0, 1))[20:-20, 50:-50]
    assert np.corrcoef(sharp[20:-20, 50:-50].ravel(), back.ravel())[0, 1] > 0.97
