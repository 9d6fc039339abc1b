"""Reads the keyframes of a segment file as pictures: the one door to PyAV here.

Only keyframes are decoded: that costs a tenth of decoding everything, and every object that stays for longer than a GOP
is on one. Decoding is single-threaded, so that looking never takes more than one core from recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from components.shared.errors import Rejected
from components.shared.wire.units import NS_PER_S

GrayImage = npt.NDArray[np.uint8]
"""Shape (height, width), 0 black to 255 white."""

ColorImage = npt.NDArray[np.uint8]
"""Shape (height, width, 3), blue, green, red."""

KEYFRAMES_MAX = 2_000
"""A segment has at most 600 s: more keyframes than that is a broken file, not footage."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One decoded keyframe. `offset_ns` is its presentation time from the segment's first one."""

    offset_ns: int
    frame: av.VideoFrame

    def gray(self, width: int, height: int) -> GrayImage:
        """The picture's brightness, scaled."""
        scaled = self.frame.reformat(width=width, height=height, format="gray")
        return scaled.to_ndarray()  # type: ignore[return-value]  # PyAV does not type the format's dtype

    def color(self, width: int, height: int) -> ColorImage:
        """The picture in colour, scaled."""
        return self.frame.reformat(width=width, height=height, format="bgr24").to_ndarray()  # type: ignore[return-value]


def keyframes(path: Path, segment: str) -> Iterator[Keyframe]:
    """The keyframes of a segment file in order. Rejected, naming segment and cause, when it cannot be decoded."""
    with _translated(segment, path), av.open(str(path)) as container:
        if not container.streams.video:
            raise Rejected(f"segment {segment}: {path} has no video")
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        stream.codec_context.thread_count = 1
        origin: int | None = None
        for count, frame in enumerate(container.decode(stream)):
            if count >= KEYFRAMES_MAX:
                raise Rejected(f"segment {segment}: {path} has more than {KEYFRAMES_MAX} keyframes")
            if frame.pts is None or frame.time_base is None:
                continue
            origin = frame.pts if origin is None else origin
            yield Keyframe(int((frame.pts - origin) * frame.time_base * NS_PER_S), frame)


@contextmanager
def _translated(segment: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Rejected(f"segment {segment}: its file {path} is gone") from error
    except FFmpegError as error:
        raise Rejected(f"segment {segment}: {path} cannot be decoded: {error}") from error
