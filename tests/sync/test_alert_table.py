"""The table of alerts in the documentation is the one that HealthMonitor goes by."""

from __future__ import annotations

import re
from pathlib import Path

from components.health_monitor.core.alert_rules import DEFAULT_RULE, RULES, AlertRule
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.units import NS_PER_S

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def test_table_of_alerts_equals_the_rules() -> None:
    """Every kind stands in it with its severity and times, and nothing else does."""
    found = re.findall(r"^\| (?:`(\w+)`|any other condition) \| (\w+) \| (\d+) s \| (\d+) s \|", PAGE, re.MULTILINE)
    documented = {row[0] or "any other": tuple(row[1:]) for row in found}
    assert documented == {**{kind: _told(rule) for kind, rule in RULES.items()}, "any other": _told(DEFAULT_RULE)}


def test_every_setting_of_alerts_is_documented() -> None:
    """Each key of the section stands in the table of settings, with its default."""
    settings = PAGE.partition("## The site's document")[2].partition("\n## ")[0]
    for name, field in AlertsSection.model_fields.items():
        assert f"`{name}" in settings
        if isinstance(field.default, int):
            assert re.search(rf"`{name}`.*\b{field.default}\b", settings), name


def _told(rule: AlertRule) -> tuple[str, ...]:
    return (rule.severity, str(rule.raise_after_ns // NS_PER_S), str(rule.clear_after_ns // NS_PER_S))
