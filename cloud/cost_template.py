"""What of the bill follows from `cloud/template.yaml`: how many alarms, keys, polled queues, how long what stays.

It reads the file as it is, before AWS expands it, so that a change of the template changes the estimate with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cloud.cost_usage import TemplateFacts

TEMPLATE = Path(__file__).parent / "template.yaml"
FOOTAGE_PREFIX = "sites/"
TELEMETRY_FILTER = "/telemetry/"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`), read as what they are applied to."""


def _short_form(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short_form)


def read_template(path: Path = TEMPLATE) -> TemplateFacts:
    """The facts of the template at `path`."""
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    return facts_of(template)


def facts_of(template: Mapping[str, Any]) -> TemplateFacts:
    """The facts of a parsed template."""
    resources: Mapping[str, Mapping[str, Any]] = template["Resources"]
    media = [bucket for name, bucket in _of_type(resources, "AWS::S3::Bucket") if name == "MediaBucket"]
    lifecycle = [one for bucket in media for one in bucket.get("LifecycleConfiguration", {}).get("Rules", [])]
    function = template.get("Globals", {}).get("Function", {})
    asked = [sql for sql in _rule_texts(resources) if TELEMETRY_FILTER in sql]
    logs = [int(group.get("RetentionInDays", 0)) for _, group in _of_type(resources, "AWS::Logs::LogGroup")]
    return TemplateFacts(
        polled_queues=sum(event.get("Type") == "SQS" for event in _events(resources)),
        alarms=len(_of_type(resources, "AWS::CloudWatch::Alarm")),
        dashboards=len(_of_type(resources, "AWS::CloudWatch::Dashboard")),
        keys=len(_of_type(resources, "AWS::KMS::Key")),
        noncurrent_days=max(
            (int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) for rule in lifecycle if _ends_old(rule)),
            default=0,
        ),
        transitions=tuple(
            sorted(
                (
                    (str(step["StorageClass"]), int(step["TransitionInDays"]))
                    for rule in lifecycle
                    if rule.get("Prefix", "") == FOOTAGE_PREFIX
                    for step in rule.get("Transitions", [])
                ),
                key=lambda step: step[1],
            )
        ),
        memory_mb=int(function.get("MemorySize", 128)),
        log_days=max(logs, default=0),
        rules=sum("/telemetry/+'" in sql or "/telemetry/reported'" in sql for sql in asked),
        detailed_rules=sum("/telemetry/+'" in sql or "/telemetry/detailed'" in sql for sql in asked),
    )


def _of_type(resources: Mapping[str, Mapping[str, Any]], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, body.get("Properties", {})) for name, body in resources.items() if body["Type"] == kind]


def _events(resources: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    functions = _of_type(resources, "AWS::Serverless::Function")
    return [event for _, function in functions for event in function.get("Events", {}).values()]


def _rule_texts(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rules = [rule["TopicRulePayload"]["Sql"] for _, rule in _of_type(resources, "AWS::IoT::TopicRule")]
    return rules + [event["Properties"]["Sql"] for event in _events(resources) if event.get("Type") == "IoTRule"]


def _ends_old(rule: Mapping[str, Any]) -> bool:
    return "NoncurrentVersionExpiration" in rule
