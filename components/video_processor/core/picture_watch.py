"""Whether a camera's picture is as it should be, over time: what was wrong long enough is raised, what is well again
for long enough is cleared.

One camera at a time; pictures come every few seconds. What passes by is gone before it is raised; in between nothing
is learnt from pictures in which something is wrong. Learnt references can be taken out and put back, so that a
restart does not take a blurred picture for the usual one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.wire.units import NS_PER_S, WallNs
from components.video_processor.core.picture_health import (
    Finding,
    Kind,
    find_black,
    find_changed,
    find_frozen,
    find_hidden,
)
from components.video_processor.core.picture_measures import Look, Measures, changed_share, measure
from components.video_processor.core.picture_reference import Mode, Reference, learn, mode_of

BAD_FOR_NS = 10 * NS_PER_S
BAD_LOOKS_MIN = 3
"""Something is raised when it has been wrong for so long and so often. A person who stands in front of the lens, glare,
the switch to infrared and the exposure hunting after it are over sooner."""

GOOD_FOR_NS = 10 * NS_PER_S
GOOD_LOOKS_MIN = 3

ACCEPTED_NS = 86_400 * NS_PER_S
"""A picture that was called covered, blurred or moved for a day is the camera's picture: it is learnt anew."""

_LASTING: tuple[Kind, ...] = ("picture_covered", "picture_blurred", "picture_moved")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a camera's picture, since when (the first wrong picture), by which figure."""

    kind: Kind
    since_ns: WallNs
    value: float
    reason: str


@dataclass(slots=True)
class _Spell:
    """Pictures in a row that are all wrong, or all well."""

    is_bad: bool
    since_ns: int
    since_wall_ns: WallNs
    looks: int = 0


class PictureWatch:
    """Follows one camera. `turns`: it is turned by command, so that a moved picture is no failure.

    `references` and `fault` are what was known of it before a restart.
    """

    def __init__(
        self, turns: bool = False, references: Mapping[Mode, Reference] | None = None, fault: Fault | None = None
    ) -> None:
        self._turns = turns
        self.references: dict[Mode, Reference] = dict(references or {})
        self.fault = fault
        self._raised_ns: int | None = None
        self._spell: _Spell | None = None
        self._kinds: Counter[Kind] = Counter()
        self._before: Look | None = None

    def look(self, look: Look) -> Finding | None:
        """Judge the next picture; what is wrong with it alone. `fault` is what is wrong by now."""
        measures = measure(look.grey)
        finding = self._find(look, measures)
        self._follow(look, finding)
        if finding is None:
            self._learn(look, measures)
        self._before = look
        self._accept(look)
        return finding

    def _find(self, look: Look, measures: Measures) -> Finding | None:
        found = find_black(measures)
        if found is None and self._before is not None:
            found = find_frozen(changed_share(self._before.points, look.points))
        if found is not None:
            return found
        mode = mode_of(look.saturation)
        usual, other = self.references.get(mode), self.references.get("grey" if mode == "colour" else "colour")
        if usual is not None and usual.is_learnt:
            changed = find_changed(measures, usual)
            if changed is not None and changed.kind == "picture_moved" and self._turns:
                self.references.clear()
                return None
            return changed
        return find_hidden(measures, other) if other is not None and other.is_learnt else None

    def _follow(self, look: Look, finding: Finding | None) -> None:
        is_bad = finding is not None
        if self._spell is None or self._spell.is_bad != is_bad:
            # A frozen picture has stood since the one that it equals.
            first = self._before if self._before and finding and finding.kind == "picture_frozen" else look
            self._spell = _Spell(is_bad, first.monotonic_ns, first.wall_ns)
            self._kinds.clear()
        spell = self._spell
        spell.looks += 1
        lasted_ns = look.monotonic_ns - spell.since_ns
        if finding is None:
            if self.fault and spell.looks >= GOOD_LOOKS_MIN and lasted_ns >= GOOD_FOR_NS:
                self.fault = self._raised_ns = None
            return
        self._kinds[finding.kind] += 1
        if spell.looks < BAD_LOOKS_MIN or lasted_ns < BAD_FOR_NS:
            return
        kind = self._kinds.most_common(1)[0][0]
        if kind == finding.kind and (self.fault is None or self.fault.kind != kind):
            self.fault = Fault(kind, spell.since_wall_ns, finding.value, finding.reason)

    def _learn(self, look: Look, measures: Measures) -> None:
        if self.fault is not None:
            return
        mode = mode_of(look.saturation)
        since_ns = look.monotonic_ns - self._before.monotonic_ns if self._before else 0
        self.references[mode] = learn(self.references.get(mode), measures, since_ns)

    def _accept(self, look: Look) -> None:
        if self.fault is None:
            return
        if self._raised_ns is None:
            self._raised_ns = look.monotonic_ns
        if self.fault.kind in _LASTING and look.monotonic_ns - self._raised_ns >= ACCEPTED_NS:
            self.references.clear()
            self.fault = self._raised_ns = self._spell = None
