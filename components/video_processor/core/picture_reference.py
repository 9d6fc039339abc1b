"""What a camera usually sees, learnt slowly from pictures in which nothing is wrong.

A camera has two kinds of picture, in colour and in grey (at night, by infrared light), which are learnt apart: between
them light comes from elsewhere and shadows fall differently. Within a kind what is learnt follows the picture with a
time constant of minutes: dusk is slower, a hand before the lens is faster.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from components.shared.wire.units import NS_PER_S
from components.video_processor.core.picture_measures import (
    BOTTOM,
    COLUMNS,
    ROWS,
    TOP,
    WIDTH,
    Floats,
    Measures,
    likeness,
)

Mode = Literal["colour", "grey"]

GREY_SATURATION_MAX = 1.5
"""Levels: an encoder leaves grey pictures exactly grey or within one level."""

LEARN_LOOKS = 8
"""Pictures before anything is compared with what was learnt: half a minute at one in four seconds."""

FOLLOW_NS = 300 * NS_PER_S
"""Time constant: the darkest quarter of an hour of a dusk changes the contrast by less than half in it."""

EDGES = ((BOTTOM - TOP) // 2, WIDTH // 2)
_SHAPES = {"edges": EDGES, **dict.fromkeys(("layout", "structure", "fine", "coarse"), (ROWS, COLUMNS))}
_MAGIC = b"PR01"
_HEAD = struct.Struct("<4sIf")


@dataclass(frozen=True, slots=True)
class Reference:
    """What is usual of one kind of a camera's pictures: means of the measures, and how alike one usually is to them."""

    looks: int
    edges: Floats
    layout: Floats
    structure: Floats
    fine: Floats
    coarse: Floats
    usual_likeness: float

    @property
    def is_learnt(self) -> bool:
        """Whether pictures may be compared with it."""
        return self.looks >= LEARN_LOOKS

    @property
    def structure_share(self) -> float:
        """Which part of the picture's blocks usually has structure."""
        return float(self.structure.mean())


def mode_of(saturation: float) -> Mode:
    """Whether a picture is in colour."""
    return "grey" if saturation <= GREY_SATURATION_MAX else "colour"


def learn(reference: Reference | None, measures: Measures, since_ns: int) -> Reference:
    """The reference with one more picture, `since_ns` after the one before."""
    structure = measures.structured.astype(np.float32)
    if reference is None:
        return Reference(1, measures.edges, measures.layout, structure, measures.fine, measures.coarse, 1.0)
    # Until it is learnt it is the plain mean of what was seen.
    share = np.float32(max(1 / (reference.looks + 1) if not reference.is_learnt else 0.0, _share(since_ns)))
    alike = likeness(reference.edges, measures.edges)
    return replace(
        reference,
        looks=reference.looks + 1,
        edges=_toward(reference.edges, measures.edges, share),
        layout=_toward(reference.layout, measures.layout, share),
        structure=_toward(reference.structure, structure, share),
        fine=_toward(reference.fine, measures.fine, share),
        coarse=_toward(reference.coarse, measures.coarse, share),
        usual_likeness=reference.usual_likeness + float(share) * (alike - reference.usual_likeness),
    )


def _share(since_ns: int) -> float:
    return float(1 - np.exp(-min(max(since_ns, 0), FOLLOW_NS) / FOLLOW_NS))


def _toward(old: Floats, new: Floats, share: np.float32) -> Floats:
    return old + (new - old) * share


def to_bytes(reference: Reference) -> bytes:
    """A reference to be kept, 23 kB; half precision is more than a picture has."""
    arrays = (getattr(reference, name) for name in _SHAPES)
    head = _HEAD.pack(_MAGIC, min(reference.looks, 2**32 - 1), reference.usual_likeness)
    return head + b"".join(array.astype("<f2" if array.shape == EDGES else "<f4").tobytes() for array in arrays)


def from_bytes(content: bytes) -> Reference | None:
    """The reference that was kept; None when this is none of this release's."""
    if len(content) != _HEAD.size + sum(_bytes(shape) for shape in _SHAPES.values()) or content[:4] != _MAGIC:
        return None
    _, looks, usual_likeness = _HEAD.unpack_from(content)
    found: dict[str, Floats] = {}
    place = _HEAD.size
    for name, shape in _SHAPES.items():
        kind = "<f2" if shape == EDGES else "<f4"
        end = place + _bytes(shape)
        found[name] = np.frombuffer(content[place:end], kind).reshape(shape).astype(np.float32)
        place = end
    if not all(np.isfinite(array).all() for array in found.values()) or not math.isfinite(usual_likeness):
        return None
    return Reference(looks, usual_likeness=usual_likeness, **found)


def _bytes(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1] * (2 if shape == EDGES else 4)
