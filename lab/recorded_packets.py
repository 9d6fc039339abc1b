"""Holds recorded files against what the stand-in cameras send: every packet there, once, with its bytes.

A frame is known by the stamp in it (lap and number in the loop) and by the hash of its slices, which must be that of
the loop's frame. Parameter sets and SEI are not compared: containers keep them elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from local.cameras import CameraSpec, read_stamp
from local.cameras.loops import loop_path, picture_of, read_loop
from local.cameras.nal import is_picture, split_units


@dataclass(frozen=True, slots=True)
class Checked:
    """Of one camera: packets in its files, how many are missing or there twice between first and last, how many have
    other bytes than were sent.
    """

    packets: int
    missing: int
    doubled: int
    altered: int


def loop_hashes(spec: CameraSpec, cache: Path) -> list[bytes]:
    """The hash of each frame of a camera's loop."""
    encoded = read_loop(loop_path(cache, picture_of(spec)))
    return [_hash(spec.codec, nals) for nals in encoded.units]


def check_files(paths: Iterable[Path], spec: CameraSpec, hashes: Sequence[bytes]) -> Checked:
    """What the files of one camera, in order of time, hold."""
    places = []
    altered = 0
    for path in paths:
        with av.open(str(path)) as container:
            for packet in container.demux(video=0):
                if packet.size:
                    payload = bytes(packet)
                    stamp = read_stamp(payload)
                    if stamp is None or _hash(spec.codec, split_units(payload)) != hashes[stamp.frame]:
                        altered += 1
                    if stamp is not None:
                        places.append(stamp.lap * len(hashes) + stamp.frame)
    distinct = set(places)
    missing = max(distinct) - min(distinct) + 1 - len(distinct) if distinct else 0
    return Checked(len(places), missing, len(places) - len(distinct), altered)


def _hash(codec: str, nals: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for nal in nals:
        if is_picture(codec, nal):
            digest.update(nal)
    return digest.digest()
