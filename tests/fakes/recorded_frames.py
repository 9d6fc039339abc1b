"""What the frames of recorded files are, by their stamps and by the numbers burnt into their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from local.cameras import read_stamp
from local.cameras.nal import split_units
from local.cameras.pattern import read_number

Identity = tuple[int, int]
"""Lap and frame: names each frame of a stand-in camera once."""


def stamped(paths: Iterable[Path]) -> list[Identity]:
    """The frames in the files, in order, by the stamps in their access units."""
    found = []
    for path in paths:
        with av.open(str(path)) as container:
            for packet in container.demux(video=0):
                if packet.size:
                    stamp = read_stamp(bytes(packet))
                    assert stamp is not None, f"{path.name}: a frame without a stamp at {packet.dts}"
                    found.append((stamp.lap, stamp.frame))
    return found


def stamps_in(path: Path) -> list[Identity]:
    """All stamps in a file, in order: of a frame that lost packets there may be none, or nothing but its stamp."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            for unit in split_units(bytes(packet)) if packet.size else ():
                stamp = read_stamp(len(unit).to_bytes(4, "big") + unit)
                if stamp is not None:
                    found.append((stamp.lap, stamp.frame))
    return found


def decoded(paths: Iterable[Path]) -> list[int | None]:
    """The numbers burnt into the pictures of the files; each file is decoded by itself."""
    found = []
    for path in paths:
        with av.open(str(path)) as container:
            found += [read_number(luma(picture)) for picture in container.decode(video=0)]
    return found


def luma(picture: VideoFrame) -> npt.NDArray[Any]:
    """The brightness plane `[height, width]`."""
    plane = picture.planes[0]
    values: npt.NDArray[Any] = np.frombuffer(bytes(plane), np.uint8)
    return values.reshape(-1, plane.line_size)[: picture.height, : picture.width]


def sent_between(sent: Sequence[dict[str, Any]], first: Identity, last: Identity) -> list[Identity]:
    """What a camera sent from one frame to another, by its log."""
    identities = [(line["lap"], line["frame"]) for line in sent]
    return identities[identities.index(first) : identities.index(last) + 1]


def audio_packets(paths: Iterable[Path]) -> list[tuple[int, int]]:
    """Start and duration of every audio packet, in ticks of the track."""
    found = []
    for path in paths:
        with av.open(str(path)) as container:
            for packet in container.demux(audio=0):
                if packet.size:
                    assert packet.dts is not None
                    found.append((packet.dts, packet.duration or 0))
    return found
