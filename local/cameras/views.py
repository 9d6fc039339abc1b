"""What a camera's lens does to the scene when somebody or something is wrong with it: black, covered, blurred, moved.

It works on the planes of one picture before the sensor's noise is added, so that a failed camera still has that.
"""

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

VIEWS = ("", "black", "covered", "blurred", "moved")

_BLACK = 16
_COVER_LUMA, _COVER_CHROMA = (52, 76), 127  # a dark cloth: a little light comes from one side
_BLUR_SHARE = 160  # the picture's width is so many times the blur's deviation
_MOVED_RIGHT, _MOVED_DOWN = 0.12, 0.06  # of width and height


def see(view: str, luma: Plane, chroma: list[Plane]) -> tuple[Plane, list[Plane]]:
    """The planes as they are seen; new arrays unless nothing is wrong."""
    if view == "":
        return luma, chroma
    if view == "black":
        return np.full_like(luma, _BLACK), [np.full_like(plane, 128) for plane in chroma]
    if view == "covered":
        ramp = np.linspace(*_COVER_LUMA, luma.shape[1]).astype(np.uint8)
        return np.broadcast_to(ramp, luma.shape).copy(), [np.full_like(plane, _COVER_CHROMA) for plane in chroma]
    if view == "blurred":
        sigma = luma.shape[1] / _BLUR_SHARE
        return _blur(luma, sigma), [_blur(plane, sigma / 2) for plane in chroma]
    down, right = (round(luma.shape[0] * _MOVED_DOWN / 2) * 2, round(luma.shape[1] * _MOVED_RIGHT / 2) * 2)
    return np.roll(luma, (down, right), (0, 1)), [np.roll(plane, (down // 2, right // 2), (0, 1)) for plane in chroma]


def _blur(plane: Plane, sigma: float) -> Plane:
    """Three boxes one after the other are close to a Gaussian (Kovesi 2010)."""
    radius = max(1, round((np.sqrt(4 * sigma * sigma + 1) - 1) / 2))
    blurred = plane.astype(np.float64)
    for _ in range(3):
        for axis in (0, 1):
            blurred = _box(blurred, radius, axis)
    return np.rint(blurred).astype(np.uint8)


def _box(plane: npt.NDArray[np.float64], radius: int, axis: int) -> npt.NDArray[np.float64]:
    widths = [(radius + 1, radius) if number == axis else (0, 0) for number in range(2)]
    sums = np.cumsum(np.pad(plane, widths, mode="edge"), axis)
    size = plane.shape[axis]
    ahead = np.take(sums, range(2 * radius + 1, 2 * radius + 1 + size), axis)
    boxed: npt.NDArray[np.float64] = (ahead - np.take(sums, range(size), axis)) / (2 * radius + 1)
    return boxed
