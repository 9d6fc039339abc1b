"""Dashboards, queries and alert rules name only figures that there are, and every figure can be seen somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.health_monitor.core import progress, rules
from components.shared.wire.metrics import METRICS, NAMESPACE, SITE_DIMENSION, Metric
from components.shared.wire.units import NS_PER_S

ROOT = Path(__file__).parents[2]
GRAFANA = sorted((ROOT / "cloud" / "grafana").glob("*.json"))
RULES = ROOT / "cloud" / "prometheus" / "edgenvr.rules.yaml"
TABLE = {metric.name: metric for metric in METRICS}

FIELDS = {"camera", "cause", "component", "event", "kind", "reason", "site", "state", "stream"}
"""Fields of the lines that ingest_telemetry writes, beside the figures."""

EVENTS = {"site_reported", "component_reported", "condition_reported", "camera_reported", "telemetry_refused"}
OF_PROMETHEUS = {"instance", "job"}

_NAME = re.compile(r"\bedgenvr_[a-z0-9_]+")
_SELECTOR = re.compile(r"\b(edgenvr_[a-z0-9_]+)\{([^}]*)\}")
_LABEL = re.compile(r"([a-z_]+)\s*=~?")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they are about."""


def _short_form(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node)


_Loader.add_multi_constructor("!", _short_form)


@cache
def resources() -> dict[str, Any]:
    """The template's resources; reading them takes half a second."""
    template = yaml.load((ROOT / "cloud" / "template.yaml").read_text(), _Loader)
    found: dict[str, Any] = template["Resources"]
    return found


def template_of(kind: str) -> dict[str, Mapping[str, Any]]:
    """The properties of the template's resources of a kind, by name."""
    found = {name: one["Properties"] for name, one in resources().items() if one["Type"] == kind}
    assert found
    return found


def dashboards() -> dict[str, Mapping[str, Any]]:
    """The bodies of CloudWatch's dashboards, by name."""
    return {name: json.loads(one["DashboardBody"]) for name, one in template_of("AWS::CloudWatch::Dashboard").items()}


def queries() -> dict[str, str]:
    """Every query of Logs Insights: the saved ones, and those of dashboards."""
    found = {name: one["QueryString"] for name, one in template_of("AWS::Logs::QueryDefinition").items()}
    for name, body in dashboards().items():
        for widget in body["widgets"]:
            if widget["type"] == "log":
                found[f"{name} {widget['properties']['title']}"] = widget["properties"]["query"]
    return found


def metric_texts() -> dict[str, str]:
    """What each metric widget of CloudWatch asks for."""
    return {
        f"{name} {widget['properties']['title']}": json.dumps(widget["properties"]["metrics"])
        for name, body in dashboards().items()
        for widget in body["widgets"]
        if widget["type"] == "metric"
    }


def expressions() -> dict[str, str]:
    """Every expression of Prometheus: of Grafana's panels and variables, and of the alert rules."""
    found = {}
    for path in GRAFANA:
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                found[f"{path.name} {panel['title']} {target['refId']}"] = target["expr"]
        for variable in board["templating"]["list"]:
            found[f"{path.name} ${variable['name']}"] = variable["query"]
    for rule in alert_rules():
        found[f"{RULES.name} {rule['alert']}"] = rule["expr"]
    return found


def alert_rules() -> list[Mapping[str, Any]]:
    """The alert rules for Prometheus."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[Mapping[str, Any]] = group["rules"]
    return found


def faults_of_cloud(text: str, wanted: set[str]) -> list[str]:
    """What is wrong with the names in a text for the cloud: all must be in the table and go where the text looks."""
    named = _NAME.findall(text)
    return [name for name in named if name not in TABLE or TABLE[name].cloud not in wanted]


def faults_of_expression(text: str) -> list[str]:
    """What is wrong with the names and labels in an expression of Prometheus."""
    named = _NAME.findall(text)
    faults = [name for name in named if name not in TABLE or TABLE[name].made_by != "HealthMonitor"]
    for name, selector in _SELECTOR.findall(text):
        allowed = {SITE_DIMENSION, *OF_PROMETHEUS, *(TABLE[name].labels if name in TABLE else ())}
        faults += [f"{name}: {label}" for label in _LABEL.findall(selector) if label not in allowed]
    return faults


def test_cloudwatch_dashboards_show_metrics_of_the_table() -> None:
    """A metric widget names only what is a metric in the cloud, in our namespace and by our dimension."""
    for where, text in metric_texts().items():
        assert _NAME.search(text), where
        assert faults_of_cloud(text, {"metric"}) == [], where
        assert NAMESPACE in text, where


def test_queries_name_fields_of_the_lines() -> None:
    """A query looks for an event that is written, and for figures that are fields of lines."""
    for where, text in queries().items():
        assert faults_of_cloud(text, {"metric", "log"}) == [], where
        events = re.findall(r"event = '([a-z_]+)'", text)
        assert events, where
        assert set(events) <= EVENTS, where
        fields = re.findall(r"latest\(([a-z_]+)\)", text)
        assert {field for field in fields if field not in TABLE} <= FIELDS, where
        grouped = re.findall(r"\bby ([a-z, ]+)", text)
        assert {one.strip() for part in grouped for one in part.split(",")} <= FIELDS | {"bin"}, where


def test_expressions_name_figures_and_labels_of_the_table() -> None:
    """A panel or rule asks only for figures that HealthMonitor shows, by labels that they have."""
    for where, text in expressions().items():
        assert faults_of_expression(text) == [], where


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_figure_can_be_seen(metric: Metric) -> None:
    """What the cloud gets is on a dashboard or in a query there; what HealthMonitor shows is in Grafana or a rule."""
    texts = {"metric": [*metric_texts().values()], "log": [*queries().values()], "none": []}[metric.cloud]
    if metric.cloud != "none":
        assert any(metric.name in _NAME.findall(text) for text in texts)
    if metric.made_by == "HealthMonitor":
        assert any(metric.name in _NAME.findall(text) for text in expressions().values())


@pytest.mark.parametrize(
    "text",
    ["edgenvr_cameras_cuont", 'edgenvr_cameras_count{camera="x"}', "edgenvr_telemetry_refused_count", "sum(edgenvr_x)"],
)
def test_a_wrong_name_or_label_is_found(text: str) -> None:
    """A misspelt name, a label that the figure has not, a figure of the cloud alone: each is a fault."""
    assert faults_of_expression(text) != []


def test_a_wrong_name_in_the_cloud_is_found() -> None:
    """A misspelt name is a fault; so is a log field where a metric is due, and what never gets to the cloud."""
    assert faults_of_cloud("edgenvr_cpu_procent", {"metric", "log"}) == ["edgenvr_cpu_procent"]
    assert faults_of_cloud("edgenvr_memory_percent", {"metric"}) == ["edgenvr_memory_percent"]
    assert faults_of_cloud("edgenvr_looks_total", {"metric", "log"}) == ["edgenvr_looks_total"]


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_rule_is_whole(rule: Mapping[str, Any]) -> None:
    """A rule has a severity, a time for which it must hold, and a sentence that names whose it is."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert re.match(r"\{\{ \$labels\.(site|instance) \}\}: ", rule["annotations"]["summary"])


def test_alert_rules_have_the_limits_of_the_product() -> None:
    """A limit in a rule is the one that HealthMonitor judges by."""
    told = {rule["alert"]: rule["expr"] for rule in alert_rules()}
    limits = {
        "EdgeNvrComponentDown": f"> {rules.SILENT_NS // NS_PER_S}",
        "EdgeNvrComponentStuck": f"> {progress.IDLE_NS // NS_PER_S}",
        "EdgeNvrDiskNearlyFull": f"> {rules.DISK_USED_PERCENT_MAX:g}",
        "EdgeNvrInodesNearlyUsedUp": f"< {rules.INODES_FREE_PERCENT_MIN:g}",
        "EdgeNvrTooHot": f"> {rules.TEMPERATURE_C_MAX:g}",
    }
    assert {name: expression.rpartition(limits.get(name, "\0"))[2] for name, expression in told.items()} == {
        name: "" if name in limits else expression for name, expression in told.items()
    }


@pytest.mark.parametrize("path", GRAFANA, ids=lambda path: str(path.name))
def test_a_grafana_dashboard_can_be_imported(path: Path) -> None:
    """A dashboard has an id of its own, panels that do not share one, and a data source that is chosen, not fixed."""
    board = json.loads(path.read_text())
    assert board["uid"] == f"edgenvr-{path.stem}"
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers) > 0
    assert board["templating"]["list"][0]["type"] == "datasource"
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
    cells = [
        (cell["x"] + dx, cell["y"] + dy)
        for cell in (panel["gridPos"] for panel in board["panels"])
        for dx in range(cell["w"])
        for dy in range(cell["h"])
    ]
    assert len(set(cells)) == len(cells)
