"""A small scene as a camera's sensor gives it, for tests of what is judged of pictures: seeded, with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from components.video_processor.core.picture_measures import HEIGHT, WIDTH, Look

Floats = npt.NDArray[np.float64]
WALL_NS = 1_760_000_000 * NS_PER_S
STEP_NS = 3 * NS_PER_S
RIM = 60


@dataclass
class SmallScene:
    """Looks at one scene, a picture every `STEP_NS`."""

    seed: int = 1
    noise: float = 1.5

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self.scene = _draw(np.random.default_rng([self.seed, 7]))
        self.count = 0

    def look(self, seen: Floats | None = None, *, saturation: float = 12.0, noise: float | None = None) -> Look:
        """The next look, at these brightnesses of shape (HEIGHT, WIDTH) or at the usual scene."""
        sigma = self.noise if noise is None else noise
        noisy = (self.usual() if seen is None else seen) + self._random.normal(0, 1, (HEIGHT, WIDTH)) * sigma
        picture = np.clip(np.rint(noisy), 16, 235).astype(np.uint8)
        self.count += 1
        at_ns = self.count * STEP_NS
        return Look(MonotonicNs(at_ns), WallNs(WALL_NS + at_ns), picture, picture.copy(), saturation)

    def usual(self, right: int = 0, down: int = 0) -> Floats:
        """What is seen by the camera, or by one that is turned by so many pixels."""
        return self.scene[RIM + down : RIM + down + HEIGHT, RIM + right : RIM + right + WIDTH].copy()

    def blurred(self, radius: int) -> Floats:
        """What is seen out of focus: three boxes of that radius."""
        seen = self.scene
        for _ in range(3):
            for axis in (0, 1):
                shifted = [np.roll(seen, step, axis) for step in range(-radius, radius + 1)]
                seen = np.mean(shifted, axis=0)
        return seen[RIM : RIM + HEIGHT, RIM : RIM + WIDTH]


def cloth() -> Floats:
    """What is seen through a cloth: some light from one side."""
    return np.broadcast_to(np.linspace(55.0, 90.0, WIDTH), (HEIGHT, WIDTH)).copy()


def _draw(random: np.random.Generator) -> Floats:
    height, width = HEIGHT + 2 * RIM, WIDTH + 2 * RIM
    scene = np.broadcast_to(np.linspace(150.0, 80.0, height)[:, None], (height, width)).copy()
    for _ in range(140):
        wide, tall = int(random.integers(6, 50)), int(random.integers(6, 40))
        left, top = int(random.integers(width - wide)), int(random.integers(height - tall))
        scene[top : top + tall, left : left + wide] = random.uniform(40, 210)
    return scene
