"""Segment files made as Capture makes them: real H.264 or H.265 by PyAV, fragmented, with decode times that run on.

Small pictures of seeded noise, so that a file takes milliseconds and every byte of it differs from the next.
"""

from __future__ import annotations

import functools
import io
from fractions import Fraction

import av
import numpy as np

from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import SegmentHasher, Trailer, encode_trailer, gop_index, scan
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs

WIDTH, HEIGHT, FPS, GOP_FRAMES = 64, 48, 10, 20
TIME_BASE = TimeBase(1, 90_000)
_SOUND_RATE = 8_000

MOVFLAGS = "empty_moov+default_base_moof+frag_keyframe+frag_discont"


@functools.cache
def footage(seconds: int = 5, sound: bool = False, codec: str = "libx264", start_ticks: int = 0) -> bytes:
    """A fragmented MP4 without a trailer: `seconds` at 10 pictures a second, a keyframe every 2 s, fragments of 1 s."""
    out = io.BytesIO()
    options = {
        "movflags": MOVFLAGS,
        "use_editlist": "0",
        "avoid_negative_ts": "disabled",
        "frag_duration": "1000000",
    }
    quiet = {"x264-params": "threads=1", "x265-params": "log-level=none:pools=1"}
    encoding = {
        "g": str(GOP_FRAMES),
        "keyint_min": str(GOP_FRAMES),
        "sc_threshold": "0",
        "preset": "ultrafast",
        "bf": "0",
    }
    noise = np.random.default_rng(seconds)
    with av.open(out, "w", format="mp4", options=options) as container:
        video = container.add_stream(codec, rate=FPS, options={**encoding, **quiet})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = TIME_BASE.fraction
        audio = container.add_stream("aac", rate=_SOUND_RATE, layout="mono") if sound else None
        for number in range(seconds * FPS):
            picture = av.VideoFrame.from_ndarray(
                noise.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8), format="rgb24"
            )
            picture.pts = start_ticks + number * TIME_BASE.denominator // FPS
            picture.time_base = TIME_BASE.fraction
            container.mux(video.encode(picture))
            if audio is not None:
                container.mux(audio.encode(_sound(noise, number)))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return out.getvalue()


@functools.cache
def segment_file(
    camera: str, start_ns: int, run: str = "run-1", stream: StreamName = "main", seconds: int = 5, sound: bool = False
) -> bytes:
    """A complete segment file, trailer included."""
    body = footage(seconds, sound)
    found = scan([body])
    assert found.header is not None
    body = body[: found.complete_bytes]
    hasher = SegmentHasher()
    hasher.feed(body)
    runs = [fragment.track(found.header.video.track_id) for fragment in found.fragments]
    assert gop_index(found.header, found.fragments)
    trailer = Trailer(
        camera=camera,
        stream=stream,
        run=run,
        start_ns=WallNs(start_ns),
        end_ns=WallNs(start_ns + seconds * NS_PER_S),
        start_ticks=0,
        time_base=TIME_BASE,
        frames=sum(run.samples for run in runs if run is not None),
        offset_bytes=len(body),
        sha256=hasher.sha256,
    )
    complete: bytes = body + encode_trailer(trailer)
    return complete


def _sound(noise: np.random.Generator, number: int) -> av.AudioFrame:
    samples = _SOUND_RATE // FPS
    frame = av.AudioFrame.from_ndarray(
        noise.integers(-1000, 1000, (1, samples), dtype=np.int16), format="s16", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, number * samples, Fraction(1, _SOUND_RATE)
    return frame
