"""Clips in MP4 files for servers that are not ours to serve, and how their pictures are told apart once recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet

from local.cameras.encoder import encode_picture
from local.cameras.loops import Picture
from local.cameras.nal import is_picture, split_units

FPS = 15
GOP_FRAMES = 6
RATE = 16_000
_AAC_SAMPLES = 1_024
_START_CODE = b"\x00\x00\x00\x01"
_TICK = Fraction(1, 90_000)


@dataclass(frozen=True)
class Clip:
    """A file, and the fingerprints of its pictures in order, which are all different."""

    path: Path
    codec: str
    has_sound: bool
    fingerprints: tuple[str, ...]


def write_clip(path: Path, codec: str, frames: int, *, has_sound: bool) -> Clip:
    """Encode so many frames, with a tone beside them when asked, into an MP4 file as other programs write it."""
    encoded = encode_picture(Picture(codec, 320, 240, FPS, GOP_FRAMES, frames, 100_000, 1), lambda _: None)
    units = [b"".join(_START_CODE + nal for nal in nals) for nals in encoded.units]
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_mux_stream(codec.replace("h265", "hevc"), width=320, height=240, time_base=_TICK)
        sound = container.add_stream("aac", rate=RATE, layout="mono") if has_sound else None
        packets = []
        for number, unit in enumerate(units):
            packet = Packet(unit)
            packet.stream, packet.time_base = video, _TICK
            packet.pts = packet.dts = number * 90_000 // FPS
            packet.duration = 90_000 // FPS
            packet.is_keyframe = number % GOP_FRAMES == 0
            packets.append(packet)
        for number in range(frames * RATE // FPS // _AAC_SAMPLES if sound is not None else 0):
            times = (np.arange(_AAC_SAMPLES) + number * _AAC_SAMPLES) / RATE
            wave = (np.sin(2 * np.pi * 440 * times) * 0.2).astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, number * _AAC_SAMPLES, Fraction(1, RATE)
            packets += sound.encode(frame) if sound is not None else []
        for packet in packets:
            container.mux(packet)
        container.mux(sound.encode(None) if sound is not None else [])
    fingerprints = tuple(fingerprint(codec, unit) for unit in units)
    assert len(set(fingerprints)) == frames, "pictures that cannot be told apart prove nothing"
    return Clip(path, codec, has_sound, fingerprints)


def fingerprint(codec: str, access_unit: bytes) -> str:
    """What a picture is, whatever delimiters and parameter sets a server put around it."""
    digest = hashlib.sha256()
    for unit in split_units(access_unit):
        if is_picture(codec, unit):
            digest.update(unit)
    return digest.hexdigest()[:16]


def fingerprints_of(paths: Iterable[Path], codec: str) -> list[str]:
    """The fingerprints of the pictures in recorded files, in order."""
    found = []
    for path in paths:
        with av.open(str(path)) as container:
            found += [fingerprint(codec, bytes(packet)) for packet in container.demux(video=0) if packet.size]
    return found
