"""Whether a keyframe is one: it is decoded, once per segment, and thrown away.

Random bytes in well-formed network packets look like keyframes to whoever only reads their headers. A decoder is the
one judge. It is a door to PyAV, and knows nothing of segments.
"""

from __future__ import annotations

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from components.capture.core.packets import VideoCodec, VideoParameters

_DECODERS: dict[VideoCodec, str] = {"h264": "h264", "h265": "hevc"}


def is_whole(parameters: VideoParameters, access_unit: bytes, has_own_sets: bool) -> bool:
    """Whether the access unit decodes to a picture.

    One with doubtful parts counts if it brought its parameter sets along: cameras that refresh their picture in stripes
    never send a clean one, and damage on the way seldom leaves those sets alone.
    """
    decoder = VideoCodecContext.create(_DECODERS[parameters.codec], "r")
    assert isinstance(decoder, VideoCodecContext), "both codecs are video"
    decoder.thread_count = 1  # one picture: more threads would only take memory
    if parameters.extradata:
        decoder.extradata = parameters.extradata
    try:
        pictures = [*decoder.decode(av.Packet(access_unit)), *decoder.decode(None)]
    except (av.error.FFmpegError, ValueError):
        return False
    return bool(pictures) and (has_own_sets or not pictures[0].is_corrupt)
