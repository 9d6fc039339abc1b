"""Which pixels of a picture count for motion: polygons in thousandths of the picture, drawn into a mask."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
"""Shape (height, width): True where a pixel counts."""

_MILLE = 1000


def mask_of(regions: Iterable[str], ignore: Iterable[str], width: int, height: int) -> Mask:
    """The mask of a camera. Without regions the whole picture counts; what is ignored never counts.

    Polygons are `x,y x,y x,y` in thousandths, as `wire.site_config` has checked them.
    """
    drawn = [_inside(polygon, width, height) for polygon in regions]
    mask = np.logical_or.reduce(drawn) if drawn else np.ones((height, width), dtype=np.bool_)
    for polygon in ignore:
        mask &= ~_inside(polygon, width, height)
    return mask


def _inside(polygon: str, width: int, height: int) -> Mask:
    """Pixels whose middle lies inside, by the even-odd rule (a ray to the right crosses an odd number of edges)."""
    points = np.array([[int(part) for part in point.split(",")] for point in polygon.split()], dtype=np.float64)
    points *= np.array([width, height]) / _MILLE
    x = np.arange(width) + 0.5
    y = (np.arange(height) + 0.5)[:, np.newaxis]
    inside = np.zeros((height, width), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        at = (x1 - x0) * (y - y0) / (y1 - y0) + x0
        inside ^= crosses & (x < at)
    return inside
