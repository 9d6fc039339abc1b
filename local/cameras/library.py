"""The loops that cameras stream, cut into RTP payloads once and shared by every camera that has the same.

A loop that is not in the cache is encoded by a process of its own, at most one per core at a time.
Parameter sets and slices of each frame stay apart, because a frame's stamp goes between them.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.cameras.loops import (
    Encoded,
    Picture,
    Sound,
    UnreadableLoopError,
    loop_path,
    read_loop,
    to_json,
)
from local.cameras.nal import parameter_sets
from local.cameras.rtp import aac_payload, packetise


class EncoderFailedError(Exception):
    """The encoder's process ended without a loop; its words are on stderr."""


@dataclass(frozen=True)
class Frame:
    """The RTP payloads of one frame; the stamp goes between them.

    `shown_after` says how many frames later than in its turn it is shown; before its turn where it is negative.
    """

    keyframe: bool
    before_stamp: tuple[bytes, ...]
    after_stamp: tuple[bytes, ...]
    shown_after: int = 0


@dataclass(frozen=True)
class PictureLoop:
    """A picture ready to be sent, and its parameter sets in the order VPS, SPS, PPS."""

    picture: Picture
    parameter_sets: tuple[bytes, ...]
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class SoundLoop:
    """A sound ready to be sent: one payload per packet, and the decoder's configuration."""

    sound: Sound
    config: bytes
    payloads: tuple[bytes, ...]


def picture_loop(picture: Picture, encoded: Encoded) -> PictureLoop:
    """Cut every frame into RTP payloads."""
    codec = picture.codec
    frames = []
    shown = encoded.shown or range(len(encoded.units))
    for number, (nals, place) in enumerate(zip(encoded.units, shown, strict=True)):
        sets = parameter_sets(codec, nals)
        others = [nal for nal in nals if nal not in sets]
        before, after = tuple(packetise(codec, sets)), tuple(packetise(codec, others))
        frames.append(Frame(bool(sets), before, after, place - number))
    return PictureLoop(picture, tuple(parameter_sets(codec, encoded.units[0])), tuple(frames))


def sound_loop(sound: Sound, encoded: Encoded) -> SoundLoop:
    """Put every block of sound into an RTP payload."""
    blocks = [part for unit in encoded.units for part in unit]
    if sound.codec == "aac":
        blocks = [aac_payload(block) for block in blocks]
    return SoundLoop(sound, encoded.config, tuple(blocks))


class Library:
    """Hands out loops, each encoded and cut at most once."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._encoders = asyncio.Semaphore(os.cpu_count() or 1)
        self._loops: dict[Picture | Sound, asyncio.Task[PictureLoop | SoundLoop]] = {}

    async def picture(self, picture: Picture) -> PictureLoop:
        """The loop of that picture; raises EncoderFailedError."""
        loop = await self._shared(picture)
        assert isinstance(loop, PictureLoop)
        return loop

    async def sound(self, sound: Sound) -> SoundLoop:
        """The loop of that sound; raises EncoderFailedError."""
        loop = await self._shared(sound)
        assert isinstance(loop, SoundLoop)
        return loop

    async def prepare(self, loops: Sequence[Picture | Sound]) -> None:
        """Have all these loops ready; the dearest first, so that none runs alone at the end."""
        order = sorted(set(loops), key=lambda loop: isinstance(loop, Sound) or loop.codec != "h265")
        await asyncio.gather(*(self._shared(loop) for loop in order))

    async def _shared(self, loop: Picture | Sound) -> PictureLoop | SoundLoop:
        if loop not in self._loops:
            self._loops[loop] = asyncio.create_task(self._load(loop))
        try:
            return await asyncio.shield(self._loops[loop])
        except EncoderFailedError:
            self._loops.pop(loop, None)
            raise

    async def _load(self, loop: Picture | Sound) -> PictureLoop | SoundLoop:
        path = loop_path(self._cache, loop)
        try:
            encoded = await asyncio.to_thread(read_loop, path)
        except UnreadableLoopError:
            async with self._encoders:
                await self._encode(loop)
            encoded = await asyncio.to_thread(read_loop, path)
        if isinstance(loop, Picture):
            return await asyncio.to_thread(picture_loop, loop, encoded)
        return sound_loop(loop, encoded)

    async def _encode(self, loop: Picture | Sound) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.cameras.encoder"),
            *("--cache", str(self._cache), "--loop", to_json(loop), "--parent-pid", str(os.getpid())),
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        if code != 0:
            raise EncoderFailedError(f"{loop}: the encoder ended with {code}")
