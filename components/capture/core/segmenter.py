"""Where one segment ends and the next begins.

Cuts happen at keyframes only, so that every segment decodes by itself: at the first one whose distance from the
segment's start has reached the target, and where the camera changed its picture (then with a new run, because a player
has to start its decoder anew). Every picture from the first keyframe on belongs to exactly one segment; what comes
before the first keyframe cannot be decoded and is counted, not kept.

A keyframe that does not decode begins nothing. Whether one does is asked of `is_whole` where it matters: where a run
begins, at a cut when that is a while ago (decoding costs as much as recording), and when a keyframe comes without the
parameter sets that this camera's keyframes otherwise have, as random bytes do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum

from components.capture.core.packets import TimedPacket, VideoParameters
from components.capture.core.parameter_sets import ParameterSets, find_parameter_sets, picture_size
from components.shared.wire.units import NS_PER_S

ASK_AGAIN_NS = 60 * NS_PER_S
"""How long a stream whose keyframe decoded is trusted: garbage that looks right is noticed a minute later."""


class Step(Enum):
    """What to do with a picture."""

    SKIP = "skip"
    """It comes before the first keyframe."""
    BEGIN = "begin"
    """It begins the first segment of a run."""
    CONTINUE = "continue"
    """It belongs to the segment at hand."""
    CUT = "cut"
    """It begins the next segment."""
    RENEW = "renew"
    """It begins the first segment of the next run: the picture's parameters are others."""


IsWhole = Callable[[VideoParameters, bytes, bool], bool]
"""Whether a keyframe decodes: its parameters, its access unit, whether it brought parameter sets of its own."""


class Segmenter:
    """Decides picture by picture; see the module. `target_ns` and `is_cut_wanted` may be changed at any time.

    `is_cut_wanted` asks for a cut at the next keyframe, whatever the length; the cut takes it back.
    """

    def __init__(self, parameters: VideoParameters, target_ns: int, is_whole: IsWhole) -> None:
        self.target_ns = target_ns
        self.is_cut_wanted = False
        self.skipped = 0
        self.damaged = 0
        self._parameters = parameters
        self._is_whole = is_whole
        self._sequence: tuple[bytes, ...] = ()
        self._has_own_sets = False
        self._start: int | None = None
        self._asked = 0  # the decode time of the last keyframe that turned out whole

    @property
    def parameters(self) -> VideoParameters:
        """What the pictures from here on are decoded with."""
        return self._parameters

    def step(self, picture: TimedPacket) -> Step:
        """What to do with the next picture."""
        if not picture.packet.is_keyframe and self._start is not None:
            return Step.CONTINUE
        step = self._keyframe_step(picture) if picture.packet.is_keyframe else Step.SKIP
        if step in (Step.BEGIN, Step.CUT, Step.RENEW):
            self._start = picture.dts
            self.is_cut_wanted = False
        self.skipped += step is Step.SKIP
        return step

    def began(self, dts: int) -> None:
        """The segment at hand was begun at an earlier picture, whose decode time this is."""
        self._start = dts

    def _keyframe_step(self, picture: TimedPacket) -> Step:
        own = find_parameter_sets(self._parameters.codec, picture.packet.payload)
        sets = own
        if sets is None and not self._sequence:  # the camera says them only when asked to describe itself
            sets = find_parameter_sets(self._parameters.codec, self._parameters.extradata)
        step = self._wanted(picture.dts, sets)
        is_suspicious = own is None and self._has_own_sets
        parameters = self._with(sets) if sets is not None else self._parameters
        if is_suspicious or self._is_due(step, picture.dts):
            # Without a size there is no file: a set that says none is as good as a damaged one.
            has_size = parameters.width > 0 and parameters.height > 0
            if not (has_size and self._is_whole(parameters, picture.packet.payload, own is not None)):
                self.damaged += 1
                return Step.SKIP if self._start is None else Step.CONTINUE
            self._asked = picture.dts
        self._has_own_sets = self._has_own_sets or own is not None
        self._parameters = parameters
        if sets is not None:
            self._sequence = sets.sequence
        return step

    def _is_due(self, step: Step, dts: int) -> bool:
        """Whether it is to be asked if the keyframe at `dts` decodes, with which that would be done."""
        if step is Step.CUT:
            return self._parameters.time_base.to_ns(dts - self._asked) >= ASK_AGAIN_NS
        return step is not Step.CONTINUE

    def _wanted(self, dts: int, sets: ParameterSets | None) -> Step:
        if self._start is None:
            return Step.BEGIN
        if sets is not None and sets.sequence != self._sequence:
            return Step.RENEW
        is_due = self._parameters.time_base.to_ns(dts - self._start) >= self.target_ns
        return Step.CUT if is_due or self.is_cut_wanted else Step.CONTINUE

    def _with(self, sets: ParameterSets) -> VideoParameters:
        size = picture_size(self._parameters.codec, sets.sequence[0])
        width, height = size or (self._parameters.width, self._parameters.height)
        return dataclasses.replace(self._parameters, extradata=sets.annex_b, width=width, height=height)
