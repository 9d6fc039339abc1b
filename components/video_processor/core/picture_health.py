"""What is wrong with one picture: frozen, black, covered, blurred, moved, or nothing.

One picture alone raises nothing: how long it must be wrong is decided in `picture_watch`. At most one thing is wrong
with a picture, the first of this order: what is black cannot be judged further, what is frozen shows an old moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from components.video_processor.core.picture_measures import Floats, Measures, find_shift, likeness
from components.video_processor.core.picture_reference import Reference

Kind = Literal["picture_frozen", "picture_black", "picture_covered", "picture_blurred", "picture_moved"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BLACK_LEVEL_MAX = 32.0
"""The video range begins at 16; noise at full gain adds a few levels. The darkest night with one lamp is brighter."""

FROZEN_CHANGED_MAX = 0.005
"""Part of the points that differ between two pictures."""

STRUCTURE_SHARE_MIN = 0.06
"""A scene with structure in fewer blocks (a white wall, fog) says nothing when it has none."""

COVERED_SHARE_MAX = 0.15
"""Of the blocks that usually have structure: at most so many are left when something is before the lens."""

LAYOUT_KEPT_MIN = 0.6
"""How alike bright and dark are distributed when it is still the same scene, unsharp."""

BLURRED_DETAIL_MAX = 0.6
"""Of the usual fine detail in relation to the coarse."""

MOVED_PIXELS_MIN = 4
"""Half pixels: 2.5 % of the picture's width. Wind shakes a mast by less."""

MOVED_LIKENESS_MIN = 0.30
MOVED_LIKENESS_MORE = 0.12
"""How alike the shifted picture must be to the usual one, and how much more than the unshifted."""

STRANGE_LIKENESS_MAX = 0.2
"""Of the usual likeness: below that the picture shows another scene."""

USUAL_LIKENESS_MIN = 0.35
"""A scene that is not even like itself, such as a tree in the wind, is not judged by this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a picture, by which figure."""

    kind: Kind
    value: float
    reason: str


def find_black(measures: Measures) -> Finding | None:
    """A picture without light."""
    if measures.bright > BLACK_LEVEL_MAX:
        return None
    return Finding("picture_black", measures.bright, f"nothing is brighter than {measures.bright:.0f} of 255")


def find_frozen(changed: float | None) -> Finding | None:
    """The same picture as the one before, to the pixel: a sensor's noise is never the same twice."""
    if changed is None or changed > FROZEN_CHANGED_MAX:
        return None
    return Finding("picture_frozen", changed, "new pictures come, and they are the same to the pixel")


def find_changed(measures: Measures, usual: Reference) -> Finding | None:
    """Covered, blurred or moved, against what the camera usually sees in pictures of this kind."""
    if usual.structure_share < STRUCTURE_SHARE_MIN:
        return None
    had = usual.structure > 0.5
    left = float(measures.structured[had].mean()) if had.any() else 1.0
    share = float(measures.structured.mean()) / usual.structure_share
    layout = likeness(measures.layout, usual.layout)
    if left <= COVERED_SHARE_MAX and share <= 2 * COVERED_SHARE_MAX:
        if layout >= LAYOUT_KEPT_MIN:
            return Finding("picture_blurred", left, f"{100 * left:.0f} % of the usual structure is left")
        return Finding("picture_covered", left, f"{100 * left:.0f} % of the usual structure is left")
    return _find_moved(measures, usual, share) or _find_blurred(measures, usual, layout)


def find_hidden(measures: Measures, other: Reference) -> Finding | None:
    """Covered, against what it sees in colour or grey when this is the other one, which is not known yet."""
    share = float(measures.structured.mean())
    if other.structure_share < STRUCTURE_SHARE_MIN or share > COVERED_SHARE_MAX * other.structure_share:
        return None
    if likeness(measures.layout, other.layout) >= LAYOUT_KEPT_MIN:
        return None
    return Finding("picture_covered", share, f"{100 * share:.0f} % of the picture has structure")


def _find_moved(measures: Measures, usual: Reference, share: float) -> Finding | None:
    """The usual scene at another place of the picture, or another scene altogether."""
    alike = likeness(measures.edges, usual.edges)
    if usual.usual_likeness < USUAL_LIKENESS_MIN or alike > 0.75 * usual.usual_likeness:
        return None
    down, right, there = find_shift(usual.edges, measures.edges)
    distance = max(abs(down), abs(right))
    if distance >= MOVED_PIXELS_MIN and there >= MOVED_LIKENESS_MIN and there >= alike + MOVED_LIKENESS_MORE:
        percent = 100 * distance * 2 / (2 * measures.edges.shape[1])
        return Finding("picture_moved", percent, f"the scene has moved by {percent:.0f} % of the picture's width")
    if alike <= STRANGE_LIKENESS_MAX * usual.usual_likeness and share >= 0.4:
        return Finding("picture_moved", alike, "the picture shows another scene than usual")
    return None


def _find_blurred(measures: Measures, usual: Reference, layout: float) -> Finding | None:
    had = usual.structure > 0.5
    if not had.any() or layout < LAYOUT_KEPT_MIN:
        return None
    now = _detail(measures.fine[had], measures.coarse[had])
    before = _detail(usual.fine[had], usual.coarse[had])
    if now > BLURRED_DETAIL_MAX * before:
        return None
    percent = 100 * now / before
    return Finding("picture_blurred", percent, f"{percent:.0f} % of the usual fine detail is left")


def _detail(fine: Floats, coarse: Floats) -> float:
    return float(np.sqrt(float(fine.sum()) / max(1e-6, float(coarse.sum()))))
