"""Policies of accessControl."""

from dataclasses import replace

import pytest

from local.nucleus.authorization import (
    MQTT_PROXY,
    PUBSUB,
    PolicyError,
    check_access_control,
    is_authorized,
    is_valid_resource,
)
from local.nucleus.json_value import Json
from local.nucleus.profile import CLASSIC, LITE, Profile

PUBLISH = "aws.greengrass#PublishToTopic"


def section(destination: str, operations: list[Json], resources: list[Json]) -> Json:
    """Return an accessControl section with one policy."""
    return {destination: {"id:1": {"operations": operations, "resources": resources}}}


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("nvr/v1/segment/closed", "nvr/v1/segment/closed", True),
        ("nvr/v1/segment/closed", "nvr/v1/segment/close", False),
        ("*", "anything/at all", True),
        ("nvr/*", "nvr/a/b", True),
        ("nvr/*", "nvr", False),
        ("nvr/*/x", "nvr/a/b/x", True),
        ("*/x", "a/x", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*a", "a", False),
        ("nvr/#", "nvr/#", True),
        ("nvr/#", "nvr/a", False),
        ("nvr/+/x", "nvr/+/x", True),
        ("nvr/+/x", "nvr/a/x", False),
        ("nvr/*", "nvr/#", True),
        ("${*}/a", "*/a", True),
        ("${*}/a", "b/a", False),
        ("${$}x", "$x", True),
        ("a.c", "abc", False),
    ],
)
@pytest.mark.parametrize("profile", [LITE, CLASSIC], ids=["lite", "classic"])
def test_resources_of_local_topics(pattern: str, resource: str, profile: Profile, *, allowed: bool) -> None:
    """Only the asterisk is a wildcard; plus and hash are plain characters."""
    assert is_authorized(section(PUBSUB, [PUBLISH], [pattern]), PUBSUB, PUBLISH, resource, profile) is allowed


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("nvr/v1/+/#", "nvr/v1/thing/a/b", True),
        ("nvr/v1/+/#", "nvr/v1/+/span/pull", True),
        ("nvr/v1/+/#", "nvr/v1/#", False),
        ("nvr/v1/+/#", "nvr/v2/thing/a", False),
        ("abc/#", "abc", True),
        ("abc/#", "abcd", False),
        ("$aws/things/+/shadow/name/#", "$aws/things/t/shadow/name/+/update/delta", True),
        ("$aws/things/+/shadow/name/#", "$aws/things/t/shadow/update/delta", False),
        ("$aws/things/+/shadow/name/#", "#", False),
        ("+/one", "a/b/one", False),
        ("nvr/*", "nvr/a/b", True),
    ],
)
def test_resources_of_the_cloud(pattern: str, resource: str, *, allowed: bool) -> None:
    """In a policy for the cloud plus and hash are MQTT wildcards, for topics and filters alike."""
    policies = section(MQTT_PROXY, ["*"], [pattern])
    assert is_authorized(policies, MQTT_PROXY, PUBLISH, resource, LITE) is allowed


@pytest.mark.parametrize(
    ("operations", "allowed"),
    [([PUBLISH], True), (["*"], True), (["aws.greengrass#*"], False), (["PublishToTopic"], False), ([], False)],
)
def test_operations_are_full_names_or_all(operations: list[Json], *, allowed: bool) -> None:
    """An operation is named in full or by a lone asterisk."""
    assert is_authorized(section(PUBSUB, operations, ["*"]), PUBSUB, PUBLISH, "a", LITE) is allowed


@pytest.mark.parametrize("policies", [None, {}, {PUBSUB: None}, {PUBSUB: {}}, {MQTT_PROXY: {"a": {}}}])
def test_nothing_is_allowed_without_a_policy(policies: Json) -> None:
    """What no policy allows is refused."""
    assert not is_authorized(policies, PUBSUB, PUBLISH, "a", LITE)


def test_policies_add_up() -> None:
    """One policy of several is enough."""
    policies: Json = {
        PUBSUB: {
            "id:1": {"operations": [PUBLISH], "resources": ["a"]},
            "id:2": {"operations": [PUBLISH], "resources": ["b"]},
        }
    }
    assert [is_authorized(policies, PUBSUB, PUBLISH, one, LITE) for one in "abc"] == [True, True, False]


def test_policies_that_do_not_fit_into_memory_allow_nothing() -> None:
    """Nucleus Lite reads the policies of a service into 4096 bytes; more of them and none holds."""
    topics: list[Json] = [f"nvr/v1/segment/number-{n}" for n in range(120)]
    policies = section(PUBSUB, [PUBLISH], topics)
    assert not is_authorized(policies, PUBSUB, PUBLISH, "nvr/v1/segment/number-1", LITE)
    assert is_authorized(policies, PUBSUB, PUBLISH, "nvr/v1/segment/number-1", CLASSIC)
    roomy = replace(LITE, policy_bytes_max=None)
    assert is_authorized(policies, PUBSUB, PUBLISH, "nvr/v1/segment/number-1", roomy)


@pytest.mark.parametrize(
    ("resource", "valid"),
    [("a/b", True), ("a?", False), ("${?}", True), ("${*}${$}", True), ("${x}", False), ("${*", False), ("$a{", True)],
)
def test_form_of_a_resource(resource: str, *, valid: bool) -> None:
    """A question mark stands only in an escape, and there are three escapes."""
    assert is_valid_resource(resource) is valid


@pytest.mark.parametrize(
    ("policies", "named"),
    [
        ([], "accessControl"),
        ({PUBSUB: []}, PUBSUB),
        ({PUBSUB: {"id": 1}}, "id"),
        ({PUBSUB: {"id": {"operations": ["*"]}}}, "id/resources"),
        ({PUBSUB: {"id": {"operations": "x", "resources": []}}}, "id/operations"),
        ({PUBSUB: {"id": {"operations": ["*"], "resources": ["a?"]}}}, "a\\?"),
    ],
)
def test_a_faulty_section_is_named(policies: Json, named: str) -> None:
    """A deployment is refused with the key of the fault."""
    with pytest.raises(PolicyError, match=named):
        check_access_control(policies)
