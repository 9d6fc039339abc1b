"""What is measured of one small picture, to tell whether the camera still sees what it should.

Only the middle rows count: cameras burn their name and clock into the upper and lower edge, and a clock that runs says
nothing about the sensor. All is chosen so that light matters little: gradients against the picture's own noise, blocks
that have structure or not, fine detail against coarse detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.errors import Fatal
from components.shared.wire.units import MonotonicNs, WallNs

GreyImage = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WIDTH, HEIGHT = 320, 180
"""The size of the pictures that are judged, whatever the camera's: 6 pixels of 1080p become one."""

TOP, BOTTOM = 26, 154
"""The rows that count, [TOP, BOTTOM): the middle 71 %."""

BLOCK = 16
"""Pixels of a block's side; 8 rows of 20 blocks."""

ROWS, COLUMNS = (BOTTOM - TOP) // BLOCK, WIDTH // BLOCK

BRIGHT_PERCENTILE = 99.5
"""The brightest pixels but for a lamp's reflection: half a percent of the rows that count."""

EDGE_LEVELS_MIN = 5.0
EDGE_NOISES_MIN = 4.0
"""A block has structure when its steepest tenth is above 5 levels a pixel and four times what noise makes."""

LEVEL_MIN, LEVEL_MAX = 20, 230
"""A point outside is black or white whatever the sensor's noise does: it never changes and proves nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture as it was looked at: at `monotonic_ns`, taken at `wall_ns`.

    `grey` is the brightness averaged down, `points` the same grid without averaging (noise survives), both of shape
    (HEIGHT, WIDTH), 0 to 255. `saturation` is the mean distance of the colours from grey, in levels.
    """

    monotonic_ns: MonotonicNs
    wall_ns: WallNs
    grey: GreyImage
    points: GreyImage
    saturation: float

    def __post_init__(self) -> None:
        for image in (self.grey, self.points):
            if image.shape != (HEIGHT, WIDTH) or image.dtype != np.uint8:
                raise Fatal(f"a picture of {image.shape}, {image.dtype}, was given to be judged")


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one picture. Arrays are float32 and nobody's to change.

    `edges`: gradients of shape ((BOTTOM - TOP) / 2, WIDTH / 2), evened out so that a dark corner counts as much as a
    lit one. `layout`, `steepness`, `fine` and `coarse` have the shape (ROWS, COLUMNS): mean brightness, the steepest
    tenth of the gradients, and the mean squared step between pixels of the picture, its noise taken off, and of one
    of a quarter of its size. `floor` is the gradient from which a block has structure.
    """

    bright: float
    edges: Floats
    layout: Floats
    steepness: Floats
    fine: Floats
    coarse: Floats
    floor: float

    @property
    def structured(self) -> npt.NDArray[np.bool_]:
        """Which blocks have structure, shape (ROWS, COLUMNS)."""
        return self.steepness > self.floor


def measure(grey: GreyImage) -> Measures:
    """Measure a picture of shape (HEIGHT, WIDTH)."""
    middle = grey[TOP:BOTTOM].astype(np.float32)
    half = middle.reshape(middle.shape[0] // 2, 2, WIDTH // 2, 2).mean((1, 3))
    gradients = _gradients(half)
    floor = max(EDGE_LEVELS_MIN, EDGE_NOISES_MIN * _noise(half))
    blocks = gradients.reshape(ROWS, BLOCK // 2, COLUMNS, BLOCK // 2).transpose(0, 2, 1, 3).reshape(ROWS, COLUMNS, -1)
    steepness = np.partition(blocks, blocks.shape[2] * 9 // 10, axis=2)[:, :, blocks.shape[2] * 9 // 10]
    quarter = half.reshape(half.shape[0] // 2, 2, WIDTH // 4, 2).mean((1, 3))
    return Measures(
        bright=float(np.percentile(middle, BRIGHT_PERCENTILE)),
        edges=_even(gradients, floor),
        layout=middle.reshape(ROWS, BLOCK, COLUMNS, BLOCK).mean((1, 3)),
        steepness=steepness,
        # Noise of the deviation s adds 4 s^2 to the sum of two squared differences of two pixels each.
        fine=np.maximum(_per_block(_steps(middle), BLOCK) - np.float32(4 * _noise(middle) ** 2), 0),
        coarse=_per_block(_gradients(quarter) ** 2, BLOCK // 4),
        floor=floor,
    )


def changed_share(before: GreyImage, now: GreyImage) -> float | None:
    """Which part of the points that can change did, between two pictures of shape (HEIGHT, WIDTH).

    None when too few can: a picture that is black or white nearly everywhere proves nothing.
    """
    first, second = before[TOP:BOTTOM], now[TOP:BOTTOM]
    counting = (first > LEVEL_MIN) & (first < LEVEL_MAX)
    number = int(np.count_nonzero(counting))
    if number < counting.size // 20:
        return None
    return int(np.count_nonzero((first != second) & counting)) / number


def likeness(first: Floats, second: Floats) -> float:
    """The correlation of two arrays of one shape, -1 to 1; 0 when one of them is flat."""
    one, two = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return float((one * two).sum()) / scale if scale > 1e-6 else 0.0


def find_shift(reference: Floats, edges: Floats) -> tuple[int, int, float]:
    """By how many half pixels (down, right) the edges have moved, and how alike they are where both see the same.

    Phase correlation: every frequency counts the same, so that light matters little.
    """
    window = np.hanning(edges.shape[0])[:, None] * np.hanning(edges.shape[1])[None, :]
    one = np.fft.rfft2((reference - reference.mean()) * window)
    two = np.fft.rfft2((edges - edges.mean()) * window)
    cross = two * np.conj(one)
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-3 * float(np.abs(cross).mean()) + 1e-9), edges.shape)
    place = np.unravel_index(int(np.argmax(surface)), surface.shape)
    down, right = (int(at) - (size if at > size // 2 else 0) for at, size in zip(place, edges.shape, strict=True))
    return down, right, likeness(*_overlap(reference, edges, down, right))


def _overlap(reference: Floats, edges: Floats, down: int, right: int) -> tuple[Floats, Floats]:
    tall, wide = edges.shape[0] - abs(down), edges.shape[1] - abs(right)
    old = reference[max(0, -down) : max(0, -down) + tall, max(0, -right) : max(0, -right) + wide]
    new = edges[max(0, down) : max(0, down) + tall, max(0, right) : max(0, right) + wide]
    return old, new


def _gradients(image: Floats) -> Floats:
    """The size of the gradient at each pixel, in levels per two pixels; the rim repeats its neighbours."""
    padded = np.pad(image, 1, mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    size: Floats = np.sqrt(across * across + down * down)
    return size


def _steps(image: Floats) -> Floats:
    """The squared differences to the next pixel, right and below: what a blur takes most of; 0 at the rim."""
    across, down = np.diff(image, axis=1, append=image[:, -1:]), np.diff(image, axis=0, append=image[-1:])
    steps: Floats = across * across + down * down
    return steps


def _noise(image: Floats) -> float:
    """The standard deviation of the noise, from what no straight edge has (Immerkaer 1996), by its median."""
    mask = (
        image[:-2, :-2]
        + image[:-2, 2:]
        + image[2:, :-2]
        + image[2:, 2:]
        - 2 * (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:])
        + 4 * image[1:-1, 1:-1]
    )
    return float(np.median(np.abs(mask))) / (0.6745 * 6.0)


def _even(gradients: Floats, floor: float) -> Floats:
    """Gradients against what is usual around them, 0 to 1: a shadow's inside counts as much as a sunny wall."""
    coarse = _per_block(gradients, BLOCK // 2)
    padded = np.pad(coarse, 1, mode="edge")
    around = sum(
        padded[y : y + coarse.shape[0], x : x + coarse.shape[1]] for y in range(3) for x in range(3)
    ) / np.float32(9)
    usual = np.repeat(np.repeat(around, BLOCK // 2, 0), BLOCK // 2, 1)
    evened: Floats = gradients / (gradients + usual + np.float32(floor))
    return evened


def _per_block(image: Floats, side: int) -> Floats:
    blocks = image.reshape(image.shape[0] // side, side, image.shape[1] // side, side)
    means: Floats = blocks.mean((1, 3), dtype=np.float32)
    return means
