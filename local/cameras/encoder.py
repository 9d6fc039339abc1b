"""Encode one loop into the cache folder: `python -m local.cameras.encoder --cache DIR --loop JSON --parent-
pid N`.

It runs as a process of its own, so that two loops use two cores, the server never holds the codecs in its
memory, and an encode while cameras run does not disturb their pacing. It says on stderr how far it is. Two
encoders of one loop wait for each other; the second finds the file. It stops when the process that asked
for the loop is gone.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from local.cameras.loops import (
    SOUND_S,
    Encoded,
    Picture,
    Sound,
    UnreadableLoopError,
    from_json,
    loop_path,
    read_loop,
    write_loop,
)
from local.cameras.nal import is_decoration, parameter_sets, split_annexb
from local.cameras.scene import Scene

_NICENESS = 5  # cameras that already run go first
_SOUND_BITRATE = 48_000
_G726_BYTES = 80  # 20 ms at 32 kbit/s
_SOUND_ENCODERS: dict[str, Literal["aac", "pcm_alaw", "pcm_mulaw"]] = {
    "aac": "aac",
    "pcma": "pcm_alaw",
    "pcmu": "pcm_mulaw",
}
_VARIANTS = {
    ("h264", ""): "",
    ("h264", "sps"): ":ref=3",  # more reference frames
    ("h264", "pps"): ":cabac=0",  # another entropy coding
    ("h265", ""): "",
    ("h265", "sps"): ":ref=3",
    ("h265", "pps"): ":cbqpoffs=2",  # coarser colours
}


class EncodingError(Exception):
    """The encoder did not do what a loop needs; the message names the loop."""


def _options(picture: Picture) -> dict[str, str]:
    """The encoder's options: frames and keyframes exactly as the picture says, a bounded rate, one thread."""
    rate_kbit = max(10, picture.bitrate // 1000)
    # Where GOPs differ, the encoder is told of every keyframe; left alone it would make none.
    keyint, min_keyint = (picture.frames + 1, 1) if picture.gops else (picture.gop_frames, picture.gop_frames)
    common = (
        f"keyint={keyint}:min-keyint={min_keyint}:scenecut=0:bframes={picture.bframes}:b-adapt=0:"
        f"open-gop={picture.open_gop:d}:repeat-headers=1:vbv-maxrate={rate_kbit}:vbv-bufsize={rate_kbit}"
    )
    variant = _VARIANTS[picture.codec, picture.variant]
    if picture.codec == "h264":
        return {"preset": "superfast", "forced-idr": "1", "x264-params": f"{common}{variant}"}
    # Without a lookahead and what lives on it x265 takes 40 instead of 70 ms per 720p frame.
    lean = "aq-mode=0:cutree=0:weightp=0:sao=0:rd=1:log-level=error:info=0:pools=none:frame-threads=1"
    # Its B-frames would be so coarse that nobody can read their numbers.
    lookahead = f"rc-lookahead={picture.bframes + 1}:qpmax=30" if picture.bframes else "rc-lookahead=0"
    return {
        "preset": "ultrafast",
        "forced-idr": "1",
        "x265-params": f"{common}:{lean}:{lookahead}{variant}",
    }


def encode_picture(picture: Picture, progress: Callable[[int], None]) -> Encoded:
    """Encode the scene; `progress` hears the number of frames done. Raises EncodingError."""
    context = VideoCodecContext.create("libx264" if picture.codec == "h264" else "libx265", "w")
    context.width, context.height, context.pix_fmt = picture.width, picture.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, picture.fps), Fraction(picture.fps)
    context.bit_rate, context.thread_count = picture.bitrate, 1
    context.options = _options(picture)
    scene = Scene(picture.width, picture.height, picture.fps, picture.frames, picture.seed, picture.view)
    packets = []
    for number in range(picture.count):
        frame = av.VideoFrame.from_ndarray(scene.frame(0 if picture.still else number), format="yuv420p")
        frame.pts, frame.time_base = number, context.time_base
        if picture.gops and number in picture.keyframes:
            frame.pict_type = PictureType.I
        packets += context.encode(frame)
        progress(number + 1)
    packets += context.encode(None)
    units = [
        tuple(nal for nal in split_annexb(bytes(packet)) if not is_decoration(picture.codec, nal)) for packet in packets
    ]
    shown = tuple(packet.pts if packet.pts is not None else -1 for packet in packets)
    if sorted(shown) != list(range(picture.count)):
        raise EncodingError(f"{picture}: the frames {shown} came out")
    # An encoder that repeats its parameter sets puts them before keyframes and nowhere else.
    keyframes = {number for number, nals in zip(shown, units, strict=True) if parameter_sets(picture.codec, nals)}
    if keyframes != picture.keyframes:
        raise EncodingError(f"{picture}: its keyframes are {sorted(keyframes)}")
    return Encoded(tuple(units), shown=shown if picture.bframes else ())


def encode_sound(sound: Sound) -> Encoded:
    """Encode a seeded chord that swells and fades; `unknown` is G.726, of which every byte is valid."""
    random = np.random.default_rng([sound.seed, 4])
    count = SOUND_S * sound.clock_hz // sound.samples
    if sound.codec == "unknown":
        return Encoded(tuple((random.bytes(_G726_BYTES),) for _ in range(count)))
    context = AudioCodecContext.create(_SOUND_ENCODERS[sound.codec], "w")
    context.sample_rate, context.layout = sound.clock_hz, "mono"
    context.format = "fltp" if sound.codec == "aac" else "s16"
    context.time_base = Fraction(1, sound.clock_hz)
    if sound.codec == "aac":
        context.bit_rate = _SOUND_BITRATE
        context.flags |= av.codec.context.Flags.global_header
    times = np.arange(count * sound.samples) / sound.clock_hz
    tones = random.choice([220, 275, 330, 440, 550], size=3, replace=False)  # whole cycles in a whole second
    swell = 0.2 + 0.1 * np.sin(np.pi * times / 2)
    wave = sum(np.sin(2 * np.pi * tone * times) for tone in tones) / 3 * swell
    packets = []
    for number in range(count):
        block = wave[number * sound.samples : (number + 1) * sound.samples].reshape(1, -1)
        samples = block.astype(np.float32) if sound.codec == "aac" else (block * 32_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format=context.format.name, layout="mono")
        frame.sample_rate, frame.time_base = sound.clock_hz, context.time_base
        frame.pts = number * sound.samples
        packets += context.encode(frame)
    packets += context.encode(None)
    # An encoder that looks ahead begins with packets of silence; without them the loop's length is exact.
    return Encoded(tuple((bytes(packet),) for packet in packets[-count:]), bytes(context.extradata or b""))


def _make(loop: Picture | Sound, parent_pid: int) -> Encoded:
    """Encode either kind, telling progress; stops the process when the parent is gone."""
    if isinstance(loop, Sound):
        return encode_sound(loop)
    name = f"encoding {loop.codec} {loop.width}x{loop.height} {loop.fps} fps{' still' if loop.still else ''}"
    count = loop.count
    told = [-1]

    def progress(done: int) -> None:
        if os.getppid() != parent_pid:
            raise SystemExit(f"{name}: nobody waits for it any more")
        tenth = done * 10 // count
        if tenth > told[0]:
            told[0] = tenth
            sys.stderr.write(f"{name}: {tenth * 10} %\n")
            sys.stderr.flush()

    return encode_picture(loop, progress)


def main(arguments: list[str]) -> int:
    """Encode the loop unless the cache has it already."""
    parser = argparse.ArgumentParser(prog="local.cameras.encoder")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--loop", required=True, help="the loop's parameters as JSON")
    parser.add_argument("--parent-pid", type=int, required=True)
    options = parser.parse_args(arguments)
    loop = from_json(options.loop)
    path = loop_path(options.cache, loop)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.nice(_NICENESS)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            read_loop(path)
        except UnreadableLoopError:
            write_loop(path, _make(loop, options.parent_pid))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
