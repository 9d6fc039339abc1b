"""May this component do this to that resource? The accessControl part of its configuration decides.

Pure: policies and names in, yes or no out. Nothing is allowed unless a policy allows it; policies add up
and cannot forbid. An operation is a full name or "*". In a resource "*" stands for any run of characters;
"+" and "#" are plain characters for local topics and MQTT wildcards for topics of the cloud. The text of a
subscription's filter is itself the resource that is asked for.
"""

import re

from local.nucleus.json_limits import object_cost, text_bytes
from local.nucleus.json_value import Json, JsonObject, strings
from local.nucleus.profile import Profile

PUBSUB = "aws.greengrass.ipc.pubsub"
MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
CLI = "aws.greengrass.Cli"

OBJECT_BYTES = 11  # one object in the memory of Nucleus Lite
_ESCAPES = {"*", "$", "?"}


class PolicyError(ValueError):
    """An accessControl section that no runtime takes."""


def is_authorized(access_control: Json, destination: str, operation: str, resource: str, profile: Profile) -> bool:
    """Tell whether the accessControl section lets its component do the operation on the resource."""
    if profile.question_mark_refused and not is_valid_resource(resource):
        return False
    policies = access_control.get(destination) if isinstance(access_control, dict) else None
    if not isinstance(policies, dict) or not fits_memory(policies, profile):
        return False
    return any(
        isinstance(policy, dict) and _allows(policy, destination, operation, resource) for policy in policies.values()
    )


def is_valid_resource(resource: str) -> bool:
    """Tell whether a resource holds no bare "?" and no escape but ${*}, ${?} and ${$}."""
    at = 0
    while at < len(resource):
        if resource.startswith("${", at):
            if resource[at + 2 : at + 3] not in _ESCAPES or resource[at + 3 : at + 4] != "}":
                return False
            at += 4
        elif resource[at] == "?":
            return False
        else:
            at += 1
    return True


def fits_memory(policies: JsonObject, profile: Profile) -> bool:
    """Tell whether the policies of one destination fit into what the runtime reads them into."""
    limit = profile.policy_bytes_max
    return limit is None or OBJECT_BYTES * object_cost(policies) + text_bytes(policies) <= limit


def check_access_control(access_control: Json) -> None:
    """Raise PolicyError, naming the key, for a section that a deployment must refuse."""
    if not isinstance(access_control, dict):
        raise PolicyError("accessControl is no map")
    for destination, policies in access_control.items():
        if not isinstance(policies, dict):
            raise PolicyError(f"accessControl/{destination} is no map")
        for policy_id, policy in policies.items():
            where = f"accessControl/{destination}/{policy_id}"
            if not isinstance(policy, dict):
                raise PolicyError(f"{where} is no map")
            for key in ("operations", "resources"):
                values = policy.get(key)
                if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
                    raise PolicyError(f"{where}/{key} is no list of strings")
            for resource in strings(policy["resources"]):
                if not is_valid_resource(resource):
                    raise PolicyError(f'{where}/resources: {resource!r} has a "?" or an unknown escape')


def _allows(policy: JsonObject, destination: str, operation: str, resource: str) -> bool:
    if not {"*", operation} & set(strings(policy.get("operations"))):
        return False
    for pattern in strings(policy.get("resources")):
        if _glob_matches(resource, pattern):
            return True
        if destination == MQTT_PROXY and _mqtt_pattern_matches(resource, pattern):
            return True
    return False


def _glob_matches(resource: str, pattern: str) -> bool:
    """Match with "*" for any run of characters and ${x} for the character x itself."""
    parts = re.split(r"(\$\{[*$?]\}|\*)", pattern)
    expression = "".join(
        ".*" if part == "*" else re.escape(part[2]) if part.startswith("${") and len(part) == 4 else re.escape(part)
        for part in parts
    )
    return re.fullmatch(expression, resource, re.DOTALL) is not None


def _mqtt_pattern_matches(resource: str, pattern: str) -> bool:
    """Match a topic, or a filter, against a resource in which "+" and "#" are MQTT wildcards."""
    if pattern.endswith("/#") and resource == pattern[:-2]:
        return True
    expression = "".join(
        "[^/]*" if character == "+" else ".*" if character == "#" else re.escape(character) for character in pattern
    )
    return re.fullmatch(expression, resource, re.DOTALL) is not None
