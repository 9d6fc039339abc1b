"""Reads keyframes as pictures, those of a segment file and single ones of a live stream: the one door to PyAV here.

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
from av.video.codeccontext import VideoCodecContext

from components.shared.errors import Rejected
from components.shared.wire.live import LiveVideo
from components.shared.wire.units import NS_PER_S
from components.video_processor.core import picture_measures as judged

GrayImage = npt.NDArray[np.uint8]
"""Shape (height, width), 0 black to 255 white."""

ColorImage = npt.NDArray[np.uint8]
"""Shape (height, width, 3), blue, green, red."""

_COLOR_WIDTH, _COLOR_HEIGHT = 80, 45  # how colourful a picture is needs no more

_DECODERS = {"h264": "h264", "h265": "hevc"}

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


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """A picture as it is judged; see `core.picture_measures.Look` for the arrays."""

    grey: GrayImage
    points: GrayImage
    saturation: float


def small_picture(video: LiveVideo, access_unit: bytes) -> SmallPicture:
    """A single keyframe, made small. Rejected when it cannot be decoded whole.

    libav decodes neither H.264 nor H.265 at a smaller size; what can be left out is the smoothing of its blocks, a
    third of the work, which nobody sees at this size.
    """
    decoder = VideoCodecContext.create(_DECODERS[video.codec], "r")
    assert isinstance(decoder, VideoCodecContext), "both codecs are video"
    decoder.thread_count = 1
    decoder.options = {"skip_loop_filter": "all"}
    if video.parameter_sets:
        decoder.extradata = video.parameter_sets
    try:
        frames = [*decoder.decode(av.Packet(access_unit)), *decoder.decode(None)]
        if not frames or frames[0].is_corrupt:
            raise Rejected("the keyframe cannot be decoded whole")
        return _small(frames[0])
    except (FFmpegError, ValueError) as error:
        raise Rejected(f"the keyframe cannot be decoded: {error}") from error


def _small(frame: av.VideoFrame) -> SmallPicture:
    size = {"width": judged.WIDTH, "height": judged.HEIGHT, "format": "gray"}
    grey = frame.reformat(**size, interpolation="AREA").to_ndarray()  # type: ignore[arg-type]
    points = frame.reformat(**size, interpolation="POINT").to_ndarray()  # type: ignore[arg-type]
    color = frame.reformat(_COLOR_WIDTH, _COLOR_HEIGHT, format="yuv444p", interpolation="AREA").to_ndarray()
    saturation = float(np.abs(color[1:].astype(np.int16) - 128).mean())
    return SmallPicture(grey, points, saturation)  # type: ignore[arg-type]  # PyAV does not type the format's dtype


@contextmanager
def _translated(segment: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Rejected(f"segment {segment}: its file {path} is gone") from error
    except FFmpegError as error:
        raise Rejected(f"segment {segment}: {path} cannot be decoded: {error}") from error
