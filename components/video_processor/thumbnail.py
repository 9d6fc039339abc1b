"""Makes the small picture of a segment, as JPEG."""

from __future__ import annotations

import cv2

from components.shared.errors import Fatal
from components.video_processor.frame_source import ColorImage

WIDTH_PIXELS = 320
JPEG_QUALITY = 80
"""About 12 kB for a typical scene: a day of one camera is 6 MB."""


def size_for(width: int, height: int) -> tuple[int, int]:
    """Width and height of the thumbnail of a picture: its shape kept, both even, never enlarged."""
    if width <= WIDTH_PIXELS:
        return max(2, width), max(2, height)
    return WIDTH_PIXELS, max(2, round(height * WIDTH_PIXELS / width / 2) * 2)


def encode_jpeg(picture: ColorImage) -> bytes:
    """The picture as JPEG; `picture` has the shape (height, width, 3), blue first."""
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise Fatal(f"a picture of {picture.shape} could not be encoded as JPEG")
    return encoded.tobytes()
