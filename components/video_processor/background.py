"""Learns what a camera's picture looks like when nothing happens, and tells which part differs: OpenCV's MOG2.

The model lives in memory, one per camera and size. After a start it learns for a few pictures and says nothing until
then. The one door to OpenCV's background models here.

Figures: on keyframes at a quarter of the size, MOG2 found every slow object from 24 pixels on in day and night scenes
and 15 of 20 that were in the picture for 1.5 s (the rest fall between keyframes); see docs/components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from components.shared.errors import Fatal
from components.video_processor.core.regions import Mask, mask_of
from components.video_processor.frame_source import GrayImage

SCALE = 4
"""Pictures are looked at at a quarter of their width and height: decoding costs most, and noise averages out."""

SIDE_PIXELS_MIN = 64
LEARN_PICTURES = 5
"""Pictures of the background that are needed before a difference means anything."""

HISTORY_PICTURES = 60
"""How far the model remembers: two minutes of keyframes at a GOP of 2 s. What stays longer is background."""

VARIANCE_THRESHOLD = 25.0
"""Squared distance in standard deviations from which a pixel is foreground: five, above sensor noise."""

OPENING_PIXELS = 3
"""Specks smaller than this are noise."""


@dataclass
class Background:
    """The background of one camera at one size, and the mask of what counts there."""

    width: int
    height: int
    mask: Mask
    _learnt: int = 0
    _model: cv2.BackgroundSubtractorMOG2 = field(
        default_factory=lambda: cv2.createBackgroundSubtractorMOG2(HISTORY_PICTURES, VARIANCE_THRESHOLD, False)
    )

    def look(self, picture: GrayImage) -> float | None:
        """Learn the picture; which percent of the pixels that count differ, or None while still learning.

        `picture` has the shape (height, width) and dtype uint8.
        """
        if picture.shape != (self.height, self.width):
            raise Fatal(f"a picture of {picture.shape} was given to a background of {(self.height, self.width)}")
        foreground = self._model.apply(np.ascontiguousarray(picture))
        self._learnt += 1
        if self._learnt <= LEARN_PICTURES:
            return None
        kernel = np.ones((OPENING_PIXELS, OPENING_PIXELS), dtype=np.uint8)
        moved = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, kernel) > 0
        counting = int(np.count_nonzero(self.mask))
        return 100.0 * int(np.count_nonzero(moved & self.mask)) / counting if counting else 0.0


class Backgrounds:
    """The backgrounds of all cameras; one is learnt anew when the picture's size or the regions change."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, Background]] = {}

    def of(
        self, camera: str, picture_size: tuple[int, int], regions: Mapping[str, str], ignore: Mapping[str, str]
    ) -> Background:
        """The background for a camera with pictures of (width, height) and these regions."""
        width, height = (max(SIDE_PIXELS_MIN, side // SCALE) for side in picture_size)
        key = (width, height, tuple(sorted(regions.items())), tuple(sorted(ignore.items())))
        kept = self._kept.get(camera)
        if kept is None or kept[0] != key:
            mask = mask_of(regions.values(), ignore.values(), width, height)
            self._kept[camera] = (key, Background(width, height, mask))
        return self._kept[camera][1]

    def forget(self, cameras: set[str]) -> None:
        """Drop the backgrounds of cameras that are not among these."""
        self._kept = {camera: kept for camera, kept in self._kept.items() if camera in cameras}
