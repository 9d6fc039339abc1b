"""Real H.264 and H.265 made in memory, small and seeded, for tests without a camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from components.capture.core.packets import VideoCodec

_ENCODERS: Mapping[VideoCodec, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "scenecut=0"}),
    "h265": ("libx265", {"tune": "zerolatency", "preset": "ultrafast", "x265-params": "scenecut=0:log-level=none"}),
}


@dataclass(frozen=True)
class Picture:
    """An access unit with start codes; parameter sets come with every keyframe."""

    payload: bytes
    is_keyframe: bool


@cache
def pictures(
    codec: VideoCodec = "h264", count: int = 30, gop: int = 5, width: int = 96, height: int = 64
) -> tuple[Picture, ...]:
    """So many pictures, a keyframe every `gop`, each a shade brighter than the one before."""
    name, options = _ENCODERS[codec]
    encoder = VideoCodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15, 1)
    encoder.gop_size = gop
    encoder.thread_count = 1
    encoder.options = options
    made = []
    for number in range(count):
        frame = VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([16 + number % 200]) * plane.buffer_size)
        frame.pts = number
        made += encoder.encode(frame)
    made += encoder.encode(None)
    return tuple(Picture(bytes(packet), packet.is_keyframe) for packet in made)


@cache
def alaw(count: int, samples: int = 160) -> tuple[bytes, ...]:
    """So many packets of G.711 A-law at 8 kHz: a slow saw-tooth."""
    return tuple(bytes((number * samples + place) // 40 % 256 for place in range(samples)) for number in range(count))


@cache
def aac(count: int, rate: int = 16_000) -> tuple[bytes, tuple[bytes, ...]]:
    """The configuration and so many packets of AAC, of silence."""
    encoder = AudioCodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    made: list[bytes] = []
    number = 0
    while len(made) < count:
        frame = AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, number * 1024, Fraction(1, rate)
        made += [bytes(packet) for packet in encoder.encode(frame)]
        number += 1
    return encoder.extradata or b"", tuple(made[:count])


def with_sizes() -> tuple[tuple[VideoCodec, int, int], ...]:
    """Codecs and picture sizes, those among them that need cropping."""
    return tuple((codec, width, height) for codec in _ENCODERS for width, height in ((96, 64), (100, 70), (320, 180)))


def probe_size(codec: VideoCodec, payload: bytes) -> tuple[int, int]:
    """The picture size by a decoder's word."""
    decoder = av.CodecContext.create("h264" if codec == "h264" else "hevc", "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [*decoder.decode(av.Packet(payload)), *decoder.decode(None)]
    return frames[0].width, frames[0].height


def write_jpeg_film(path: Path) -> None:
    """A Matroska file whose video is Motion JPEG."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", 15)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        container.mux(stream.encode(VideoFrame(64, 64, "yuvj420p")))
        container.mux(stream.encode(None))


def write_sound(path: Path) -> None:
    """A Matroska file with audio and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 16_000)
        assert isinstance(stream, AudioStream)
        frame = AudioFrame(format="fltp", layout="stereo", samples=1024)
        frame.sample_rate = 16_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
