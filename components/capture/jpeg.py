"""A keyframe as a JPEG: decoded, made no wider than a screen, encoded, with one thread and nothing kept.

It is a door to PyAV, and knows nothing of streams or files. libav lets go of the interpreter while it works, so nobody
waits for it but its caller.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from components.capture.core.packets import VideoCodec
from components.capture.live_stream import Picture
from components.capture.snapshots import Jpeg

WIDTH_MAX = 960
"""A wider picture is made smaller: enough to see what is going on at half the cost. The footage has the rest."""

QUALITY = "5"
"""libav's scale of 2 to 31, best first: about 75 kB for 1080p."""

_DECODERS: dict[VideoCodec, str] = {"h264": "h264", "h265": "hevc"}
_FULL_RANGE = "yuvj420p"


def to_jpeg(picture: Picture) -> Jpeg | None:
    """The picture as a JPEG; None when it does not decode."""
    decoder = VideoCodecContext.create(_DECODERS[picture.parameters.codec], "r")
    assert isinstance(decoder, VideoCodecContext), "both codecs are video"
    decoder.thread_count = 1
    # Smoothing its blocks costs a third of the decoding, and nobody sees it at this size.
    decoder.options = {"skip_loop_filter": "all"}
    if picture.parameters.extradata:
        decoder.extradata = picture.parameters.extradata
    try:
        frames = [*decoder.decode(av.Packet(picture.access_unit)), *decoder.decode(None)]
        return _encode(frames[0]) if frames else None
    except (av.error.FFmpegError, ValueError):
        return None


def _encode(frame: VideoFrame) -> Jpeg:
    width = min(frame.width, WIDTH_MAX) // 2 * 2
    height = max(2, frame.height * width // frame.width // 2 * 2)
    shown = frame.reformat(width, height, format=_FULL_RANGE, interpolation="FAST_BILINEAR")
    shown.pts = 0
    encoder = VideoCodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext), "JPEG is video here"
    encoder.width, encoder.height, encoder.pix_fmt = width, height, _FULL_RANGE
    encoder.time_base = Fraction(1, 1)
    encoder.thread_count = 1
    encoder.options = {"qmin": QUALITY, "qmax": QUALITY}
    data = b"".join(bytes(packet) for packet in [*encoder.encode(shown), *encoder.encode(None)])
    return Jpeg(data, width, height, frame.is_corrupt)
