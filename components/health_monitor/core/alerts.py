"""Which alerts are raised and which are cleared after a look, from the troubles that it saw.

It takes levels and gives levels; what is raised comes from the catalogue each time, so that a decision that could not
be written down is made again. What was raised before this watching is not over within its first two minutes, unless it
was seen since: a monitor that has just begun has not heard of every trouble yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from components.health_monitor.core.alert_rules import CAMERA_OFFLINE, CAMERAS_OFFLINE, UNWATCHED, AlertRule, rule_of
from components.health_monitor.core.camera_group import GROUP, form_group, lasting_reason
from components.health_monitor.core.hysteresis import CALM, Level, advance, is_due, is_forgotten, is_over
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import Condition
from components.health_monitor.core.troubles import Key, Recent, troubles
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.alert_notice import Severity
from components.shared.wire.units import NS_PER_S, MonotonicNs

SETTLED_NS = 120 * NS_PER_S
"""Statuses, catalogues and the slowest of the probes have all been heard by then."""


@dataclass(frozen=True, slots=True)
class Active:
    """An alert that is raised."""

    kind: str
    subject: str
    reason: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raise:
    """An alert to raise."""

    kind: str
    subject: str
    severity: Severity
    reason: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a look: the levels to go on with, what to raise and what to clear."""

    levels: Mapping[Key, Level]
    raised: tuple[Raise, ...]
    cleared: tuple[Key, ...]


def decide(
    picture: Picture,
    conditions: Iterable[Condition],
    recent: Recent,
    active: Iterable[Active],
    levels: Mapping[Key, Level],
    elapsed_ns: int,
    limits: AlertsSection,
) -> Decision:
    """The decision after a look, `elapsed_ns` of monotonic time after the one before."""
    raised = {(alert.kind, alert.subject): alert for alert in active if alert.kind not in UNWATCHED}
    found = troubles(picture, conditions, recent, {key: alert.reason for key, alert in raised.items()}, limits)
    step = _Step(picture, raised, limits, elapsed_ns, levels)
    for key in sorted({*found, *levels, *raised} - {GROUP}):
        step.look(key, found.get(key))
    group = raised.get(GROUP)
    if group is not None or GROUP in levels:
        members = group.members if group else ()
        step.look(GROUP, lasting_reason(members, step.levels, group.reason) if group else None)
    return step.decision()


class _Step:
    """One look's way from levels to a decision."""

    def __init__(
        self,
        picture: Picture,
        raised: Mapping[Key, Active],
        limits: AlertsSection,
        elapsed_ns: int,
        before: Mapping[Key, Level],
    ) -> None:
        self._cameras = {
            stream.camera for stream in picture.streams or () if stream.stream == "main" and stream.state != "off"
        }
        self._now_ns: MonotonicNs = picture.monotonic_ns
        self._is_settled = picture.monotonic_ns - picture.watching_since_ns >= SETTLED_NS
        self._raised = raised
        self._limits = limits
        self._elapsed_ns = elapsed_ns
        self._before = before
        self.levels: dict[Key, Level] = {}

    def look(self, key: Key, reason: str | None) -> None:
        """Take note of what was seen of one kind and subject."""
        level = self._before.get(key, CALM)
        # A trouble that was seen since the start and is not there any more is known to be over, early or not.
        if reason is not None or self._is_settled or level.reason:
            level = advance(level, reason, self._elapsed_ns, self._now_ns, self._rule(key))
        self.levels[key] = level

    def decision(self) -> Decision:
        """What follows."""
        cleared = tuple(key for key in self.levels if key in self._raised and self._is_over(key))
        due = [key for key in self.levels if key not in self._raised and is_due(self.levels[key], self._rule(key))]
        raised = self._grouped(due, cleared)
        for key in cleared:
            # The wait begins anew; that it was raised is remembered.
            self.levels[key] = replace(self.levels[key], trouble_ns=0)
        for alert in raised:
            key = (alert.kind, alert.subject)
            level = self.levels.get(key, CALM)
            self.levels[key] = replace(level, raises=level.raises + 1, is_present=True)
        kept = {key: level for key, level in self.levels.items() if key in self._raised or not is_forgotten(level)}
        return Decision(kept, tuple(raised), cleared)

    def _grouped(self, due: Iterable[Key], cleared: Iterable[Key]) -> list[Raise]:
        """What is due, many cameras as one."""
        group = self._raised.get(GROUP) if GROUP not in cleared else None
        covered = frozenset(group.members) if group else frozenset()
        single = [key for key in due if key[0] != CAMERA_OFFLINE or key[1] not in covered]
        found = []
        if group is None and GROUP not in cleared:
            names = [subject for kind, subject in single if kind == CAMERA_OFFLINE]
            formed = form_group(self.levels, names, self._cameras, self._raised, self._limits.group_cameras)
            if formed is not None:
                members = tuple(sorted(formed.members))
                found.append(Raise(*GROUP, self._rule(GROUP).severity, formed.reason, members))
                single = [key for key in single if key[0] != CAMERA_OFFLINE or key[1] not in formed.members]
        found += [
            Raise(*key, self._rule(key).severity, self.levels[key].reason)
            for key in single
            if key[0] != CAMERAS_OFFLINE
        ]
        return found

    def _rule(self, key: Key) -> AlertRule:
        return rule_of(key[0], self._limits.rules)

    def _is_over(self, key: Key) -> bool:
        return is_over(self.levels[key], self._rule(key))
