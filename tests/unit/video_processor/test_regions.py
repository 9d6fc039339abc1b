"""Regions as masks."""

from __future__ import annotations

import numpy as np

from components.video_processor.core.regions import mask_of

LEFT_HALF = "0,0 500,0 500,1000 0,1000"
TOP_HALF = "0,0 1000,0 1000,500 0,500"
TRIANGLE = "0,0 1000,0 0,1000"


def test_without_regions_everything_counts() -> None:
    """No region means the whole picture."""
    assert mask_of([], [], 8, 4).all()


def test_region_is_what_lies_inside() -> None:
    """Exactly the pixels whose middle is inside count; the shape is (height, width)."""
    mask = mask_of([LEFT_HALF], [], 8, 4)
    assert mask.shape == (4, 8)
    assert mask[:, :4].all()
    assert not mask[:, 4:].any()


def test_ignored_never_counts() -> None:
    """What is ignored is taken out of the regions, whatever they say."""
    mask = mask_of([LEFT_HALF], [TOP_HALF], 8, 4)
    assert not mask[:2].any()
    assert mask[2:, :4].all()


def test_several_regions_add_up() -> None:
    """A pixel in any region counts."""
    assert int(np.count_nonzero(mask_of([LEFT_HALF, TOP_HALF], [], 8, 4))) == 24


def test_slanted_edges() -> None:
    """Half of the picture lies in the triangle, give or take the diagonal."""
    assert abs(int(np.count_nonzero(mask_of([TRIANGLE], [], 100, 100))) - 5_000) <= 100
