"""The access policies of recipes, held against the table of topics.

A policy that is narrower than the table makes a component deaf on a real core, one that is wider lets it say what is
not its to say; either is found here before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire import topics

_PUBSUB = "aws.greengrass.ipc.pubsub"
_MQTT = "aws.greengrass.ipc.mqttproxy"
_PUBLISH = "aws.greengrass#PublishToTopic"
_SUBSCRIBE = "aws.greengrass#SubscribeToTopic"

_MQTT_OPERATIONS = ("aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore")

CLOUD_SPEAKERS = (topics.CLOUD_SYNC, topics.HEALTH_MONITOR, topics.SITE_CONFIG)
"""The components that speak MQTT with AWS IoT Core."""


def check_policy(name: str, recipe: Mapping[str, Any]) -> None:
    """Rejected, naming the recipe and each topic, when its policies differ from the table of topics."""
    component = name.rpartition(".")[2]
    configuration = recipe.get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
    rules = configuration.get("accessControl", {})
    wanted = {
        _PUBLISH: {topic.name for topic in topics.published_by(component)},
        _SUBSCRIBE: {topic.name for topic in topics.subscribed_by(component)},
    }
    faults = []
    for operation, due in wanted.items():
        granted = _granted(rules.get(_PUBSUB, {}), operation)
        faults += [f"{operation} lacks {topic}" for topic in sorted(due - granted)]
        faults += [f"{operation} grants {topic}, which the table does not" for topic in sorted(granted - due)]
    due = set(topics.CLOUD_RESOURCES) if component in CLOUD_SPEAKERS else set()
    granted = {resource for policy in rules.get(_MQTT, {}).values() for resource in policy["resources"]}
    if granted != due:
        faults.append(f"{_MQTT} names {sorted(granted)}, {sorted(due)} was due")
    spoken = {operation for policy in rules.get(_MQTT, {}).values() for operation in policy["operations"]}
    if spoken != (set(_MQTT_OPERATIONS) if component in CLOUD_SPEAKERS else set()):
        faults.append(f"{_MQTT} grants {sorted(spoken)}: whoever speaks with IoT Core publishes and subscribes")
    if faults:
        raise Rejected(f"recipe {name}: {'; '.join(faults)}")


def _granted(policies: Mapping[str, Any], operation: str) -> set[str]:
    return {
        resource
        for policy in policies.values()
        if operation in policy["operations"]
        for resource in policy["resources"]
    }
