"""The deployment document."""

import json
from pathlib import Path

import pytest

from local.nucleus.deployment import Broker, DeploymentError, UpdatePolicy, parse_deployment, read_deployment
from local.nucleus.json_value import Json, JsonObject

WHOLE: JsonObject = {
    "thingName": "site-1",
    "region": "eu-central-1",
    "environment": {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
    "path": ["/opt/venv/bin"],
    "mqtt": {"host": "127.0.0.1", "port": 1883},
    "credentialsUrl": "http://127.0.0.1:5001",
    "roleAlias": "alias",
    "components": {"com.example.A": {"version": "1.2.3", "configurationUpdate": {"merge": {"a": 1}, "reset": ["/b"]}}},
}


def test_a_whole_document_is_read() -> None:
    """Every key arrives where it belongs."""
    deployment = parse_deployment(WHOLE)
    assert deployment.thing_name == "site-1"
    assert deployment.broker == Broker("127.0.0.1", 1883)
    assert deployment.path == ("/opt/venv/bin",)
    wanted = deployment.components["com.example.A"]
    assert (wanted.version, wanted.update.merge, wanted.update.reset) == ("1.2.3", {"a": 1}, ("/b",))


def test_what_may_be_left_out() -> None:
    """Only the thing, the region and the components are needed; null stands for no broker and no credentials."""
    deployment = parse_deployment(
        {"thingName": "t", "region": "r", "mqtt": None, "credentialsUrl": None, "components": {}}
    )
    assert (deployment.broker, deployment.credentials_url, deployment.environment) == (None, None, {})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"thingName": ""}, "thingName"),
        ({"region": 5}, "region"),
        ({"environment": {"A": 1}}, "environment"),
        ({"path": "x"}, "path"),
        ({"mqtt": {"host": "h"}}, "mqtt"),
        ({"mqtt": {"host": "h", "port": 70_000}}, "mqtt"),
        ({"credentialsUrl": 1}, "credentialsUrl"),
        ({"components": []}, "components"),
        ({"thing": "x"}, "unknown key thing"),
        ({"components": {"A b": {"version": "1.0.0"}}}, "component A b"),
        ({"components": {"A": {"version": "1.0"}}}, "component A: version"),
        ({"components": {"A": {"version": "1.0.0", "config": {}}}}, "component A: unknown key config"),
        ({"components": {"A": {"version": "1.0.0", "configurationUpdate": {"merge": []}}}}, "A.*merge"),
        ({"components": {"A": {"version": "1.0.0", "configurationUpdate": {"reset": "/a"}}}}, "A.*reset"),
        ({"components": {"A": {"version": "1.0.0", "configurationUpdate": {"x": 1}}}}, "A.*unknown key x"),
    ],
)
def test_a_fault_is_named(change: JsonObject, named: str) -> None:
    """A wrong document is refused with the component and the key."""
    with pytest.raises(DeploymentError, match=named):
        parse_deployment({**WHOLE, **change})


def test_all_faults_are_told_together() -> None:
    """One error names every fault."""
    with pytest.raises(DeploymentError, match=r"thingName.*region.*component A: version"):
        parse_deployment({"components": {"A": {"version": 1}}})


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """A missing or damaged file is a DeploymentError with its path."""
    path = tmp_path / "deployment.json"
    with pytest.raises(DeploymentError, match=r"deployment\.json"):
        read_deployment(path)
    path.write_text("{")
    with pytest.raises(DeploymentError, match=r"deployment\.json"):
        read_deployment(path)
    path.write_text(json.dumps(WHOLE))
    assert read_deployment(path).thing_name == "site-1"


@pytest.mark.parametrize(
    ("policy", "read"),
    [
        ({}, UpdatePolicy(asks=True, timeout_s=60.0)),
        ({"timeoutInSeconds": 5}, UpdatePolicy(asks=True, timeout_s=5.0)),
        ({"action": "SKIP_NOTIFY_COMPONENTS"}, UpdatePolicy(asks=False, timeout_s=60.0)),
    ],
)
def test_the_update_policy(policy: JsonObject, read: UpdatePolicy) -> None:
    """Components are asked and have a minute unless it says otherwise."""
    assert parse_deployment({**WHOLE, "componentUpdatePolicy": policy}).update_policy == read


@pytest.mark.parametrize(
    "policy", [3, {"action": "ASK"}, {"timeoutInSeconds": 0}, {"timeoutInSeconds": True}, {"a": 1}]
)
def test_a_wrong_update_policy(policy: Json) -> None:
    """It is named."""
    with pytest.raises(DeploymentError, match="componentUpdatePolicy"):
        parse_deployment({**WHOLE, "componentUpdatePolicy": policy})
