"""Which alerts there are: how severe, after how long a trouble is told, and after how long a calm it is over.

The table in docs/alerts.md says the same (a test compares). A kind that is not in it, of whoever's making, is an alert
with the rule for all others. The site's document changes severity and times of a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.wire.alert_config import AlertRuleSection
from components.shared.wire.alert_notice import Severity
from components.shared.wire.units import NS_PER_S

CAMERA_OFFLINE = "camera_offline"
CAMERA_FROZEN = "camera_frozen"
CAMERA_RECONNECTS = "camera_reconnects"
CAMERAS_OFFLINE = "cameras_offline"
DISK_NEARLY_FULL = "disk_nearly_full"
FOOTAGE_LOST = "footage_lost"
SYNC_STUCK = "sync_stuck"
TOO_HOT = "too_hot"
HELD_ALERTS = "held_alerts"
ALERTS_MERGED = "alerts_merged"
TEST = "test"

UNWATCHED = frozenset({HELD_ALERTS, TEST})
"""Kinds that no trouble stands behind: they are cleared by what they are about."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """How a kind is told. `raise_after_ns` of trouble, `clear_after_ns` of unbroken calm."""

    severity: Severity
    raise_after_ns: int
    clear_after_ns: int


def _rule(severity: Severity, raise_after_s: int, clear_after_s: int) -> AlertRule:
    return AlertRule(severity, raise_after_s * NS_PER_S, clear_after_s * NS_PER_S)


RULES: Mapping[str, AlertRule] = {
    CAMERA_OFFLINE: _rule("critical", 120, 60),
    CAMERAS_OFFLINE: _rule("critical", 0, 60),
    CAMERA_FROZEN: _rule("critical", 60, 60),
    CAMERA_RECONNECTS: _rule("warning", 0, 300),
    "component_down": _rule("critical", 40, 60),
    "component_stuck": _rule("warning", 60, 60),
    SYNC_STUCK: _rule("warning", 180, 60),
    "uploads_refused": _rule("warning", 0, 60),
    FOOTAGE_LOST: _rule("critical", 0, 60),
    DISK_NEARLY_FULL: _rule("warning", 60, 60),
    "inodes_nearly_used_up": _rule("critical", 60, 60),
    TOO_HOT: _rule("critical", 60, 300),
    "recording_stalled": _rule("critical", 30, 60),
    "volume_absent": _rule("critical", 60, 60),
    "disk_failing": _rule("critical", 60, 300),
    "picture_black": _rule("critical", 30, 60),
    "picture_covered": _rule("critical", 30, 60),
    "picture_frozen": _rule("critical", 30, 60),
    "clock_not_synchronised": _rule("warning", 600, 300),
    "cloud_unreachable": _rule("warning", 300, 300),
    "cpu_overloaded": _rule("warning", 300, 300),
    "memory_nearly_used_up": _rule("warning", 300, 300),
    HELD_ALERTS: _rule("warning", 0, 60),
    ALERTS_MERGED: _rule("warning", 0, 60),
    TEST: _rule("warning", 0, 60),
}
"""By kind. A camera's two minutes are longer than its restart; a component's count from its third missing report on."""

DEFAULT_RULE = _rule("warning", 60, 60)
"""For every other kind."""


def rule_of(kind: str, changes: Mapping[str, AlertRuleSection]) -> AlertRule:
    """The rule of a kind at a site."""
    rule = RULES.get(kind, DEFAULT_RULE)
    change = changes.get(kind)
    if change is None:
        return rule
    return AlertRule(
        change.severity or rule.severity,
        rule.raise_after_ns if change.raise_after_s is None else change.raise_after_s * NS_PER_S,
        rule.clear_after_ns if change.clear_after_s is None else change.clear_after_s * NS_PER_S,
    )
