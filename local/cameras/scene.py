"""The seeded scene a camera looks at: a quiet textured background with noise, and objects that cross now
and then.

The loop is divided into slots of about eight seconds; in each one object crosses in the middle and the rest
is quiet, so that a motion detector has both to judge, and so that the loop's seam is quiet on both sides.
It draws planar YUV 4:2:0 and knows nothing of codecs or files. Equal arguments give equal pictures, byte
for byte.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local.cameras.pattern import draw_number, strip_size
from local.cameras.views import see

Plane = npt.NDArray[np.uint8]

_SLOT_S = 8.0
_CROSSING_SHARE = (0.40, 0.55)  # of a slot: how long an object is in the picture
_TALLNESS, _BREADTH = (0.40, 0.52), (0.8, 1.3)  # of the picture's height; of its own: 5 % of a wide picture or more
_NOISE_SIGMA = 1.5  # of 255: a daylight sensor
_NOISE_TILES = 4  # noise is drawn once and shifted at random: drawing it anew costs more than the encoding


@dataclass(frozen=True)
class Crossing:
    """One object's way through the picture; frames count from the loop's start, [first, end)."""

    first: int
    end: int
    height: int
    width: int
    top: int
    leftward: bool
    luma: int
    chroma: tuple[int, int]


def crossings(height: int, fps: int, frames: int, seed: int) -> list[Crossing]:
    """The objects that cross during a loop, in order; no two at once, none at the seam."""
    random = np.random.default_rng([seed, 1])
    slots = max(1, round(frames / fps / _SLOT_S))
    slot = frames / slots
    found = []
    for number in range(slots):
        length = max(2, round(slot * random.uniform(*_CROSSING_SHARE)))
        first = round(number * slot + (slot - length) * random.uniform(0.35, 0.65))
        tall = max(16, round(height * random.uniform(*_TALLNESS)))
        found.append(
            Crossing(
                first=first,
                end=first + length,
                height=tall,
                width=max(16, round(tall * random.uniform(*_BREADTH))),
                top=round(random.uniform(0.25, 0.95) * (height - tall)),
                leftward=bool(random.integers(2)),
                luma=int(random.choice([40, 60, 190, 215])),
                chroma=(int(random.integers(80, 176)), int(random.integers(80, 176))),
            )
        )
    return found


class Scene:
    """Draws the frames of one loop, as seen in a view. It keeps the background and the noise, which are made once."""

    def __init__(self, width: int, height: int, fps: int, frames: int, seed: int, view: str = "") -> None:
        self._width, self._height = width, height
        self.crossings = crossings(height, fps, frames, seed)
        random = np.random.default_rng([seed, 2])
        self._luma = _background(random, width, height)
        self._chroma = tuple(_smooth(random, width // 2, height // 2, cells=5, low=112, high=144) for _ in range(2))
        self._noise = [
            np.rint(random.normal(0.0, _NOISE_SIGMA, (height, width))).astype(np.int16) for _ in range(_NOISE_TILES)
        ]
        self._seed = seed
        self._view = view

    def frame(self, number: int) -> Plane:
        """Frame `number` as one array `[height * 3 / 2, width]`: the planes Y, U, V one below the other."""
        random = np.random.default_rng([self._seed, 3, number])
        luma = self._luma.copy()
        chroma = [plane.copy() for plane in self._chroma]
        for crossing in self.crossings:
            if crossing.first <= number < crossing.end:
                self._draw(luma, chroma, crossing, number)
        luma, chroma = see(self._view, luma, chroma)
        noise = self._noise[int(random.integers(_NOISE_TILES))]
        noise = np.roll(noise, int(random.integers(self._width)), axis=1)
        noisy = np.clip(luma.astype(np.int16) + noise, 16, 235).astype(np.uint8)
        draw_number(noisy, number)
        return np.concatenate([noisy.reshape(-1), *(plane.reshape(-1) for plane in chroma)]).reshape(
            self._height * 3 // 2, self._width
        )

    def _draw(self, luma: Plane, chroma: list[Plane], crossing: Crossing, number: int) -> None:
        """An ellipse with stripes (a body with detail), moving at constant speed from edge to edge."""
        share = (number - crossing.first) / (crossing.end - crossing.first)
        way = self._width + crossing.width
        left = round(way * (1 - share if crossing.leftward else share)) - crossing.width
        begin, end = max(0, left), min(self._width, left + crossing.width)
        strip_height = strip_size(self._width)[1]
        top = max(strip_height, crossing.top)
        bottom = min(self._height, top + crossing.height)
        if end - begin < 2 or bottom - top < 2:
            return
        rows = (np.arange(top, bottom) - top + 0.5) / crossing.height * 2 - 1
        columns = (np.arange(begin, end) - left + 0.5) / crossing.width * 2 - 1
        body = rows[:, None] ** 2 + columns[None, :] ** 2 <= 1.0
        stripes = (np.arange(begin, end) - left) * 6 // crossing.width % 2 * 24
        colour = np.broadcast_to(np.clip(crossing.luma + stripes, 16, 235).astype(np.uint8), body.shape)
        luma[top:bottom, begin:end][body] = colour[body]
        half = body[top % 2 :: 2, begin % 2 :: 2]
        half_top, half_left = (top + 1) // 2, (begin + 1) // 2
        for plane, value in zip(chroma, crossing.chroma, strict=True):
            region = plane[half_top : half_top + half.shape[0], half_left : half_left + half.shape[1]]
            region[half[: region.shape[0], : region.shape[1]]] = value


def _smooth(random: np.random.Generator, width: int, height: int, cells: int, low: int, high: int) -> Plane:
    """A soft random surface: `cells` by `cells` random values, interpolated."""
    values = random.uniform(low, high, (cells, cells))
    grid = np.arange(cells)
    across = np.array([np.interp(np.linspace(0, cells - 1, width), grid, row) for row in values])
    surface = np.array([np.interp(np.linspace(0, cells - 1, height), grid, column) for column in across.T]).T
    smooth: Plane = np.rint(surface).astype(np.uint8)
    return smooth


def _background(random: np.random.Generator, width: int, height: int) -> Plane:
    """A soft sky and ground with some hard-edged blocks (walls, windows) in it."""
    luma = _smooth(random, width, height, cells=6, low=70, high=170)
    for _ in range(12):
        wide, tall = int(width * random.uniform(0.03, 0.15)), int(height * random.uniform(0.04, 0.2))
        left, top = int(random.integers(width - wide)), int(random.integers(height // 8, height - tall))
        luma[top : top + tall, left : left + wide] = int(random.integers(50, 200))
    return luma
