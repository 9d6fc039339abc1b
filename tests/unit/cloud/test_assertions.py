"""The template keeps what we promise of it, and each weakness, planted in a copy of it, breaks exactly its rule."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from cloud.assertions import reviewed
from cloud.assertions.rules import RULES, check
from cloud.assertions.template_world import TemplateUnreadableError, named_in, worlds
from local.aws.expand_template import expand
from tests.unit.cloud.test_template import TEMPLATE
from tests.unit.cloud.weaknesses import GONE, INDEXER, SEEDS, Template, put

pytestmark = pytest.mark.slow

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def expanded() -> Template:
    return expand(TEMPLATE.read_text(), REGION)


def found_in(template: Template) -> set[tuple[str, str]]:
    return {(finding.resource, finding.rule) for finding in check(template)}


def test_the_template_keeps_all_rules(expanded: Template) -> None:
    """Nothing is found in the template as it is, with and without a replica."""
    assert check(expanded) == []
    assert len(list(worlds(expanded))) == 2


@pytest.mark.parametrize("name", SEEDS)
def test_a_planted_weakness_is_found(expanded: Template, name: str) -> None:
    """Each weakness is found by its rule, at its resource, and by no other rule."""
    change, resource, rule = SEEDS[name]
    template = copy.deepcopy(expanded)
    change(template)
    assert found_in(template) == {(resource, rule)}


def test_every_rule_has_a_weakness_planted() -> None:
    """No rule is without a test that has seen it broken, and names are used once."""
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert {rule for _, _, rule in SEEDS.values()} == set(names)


def test_a_finding_says_what_to_do(expanded: Template) -> None:
    """A finding names the resource, the rule, what is wrong and what to do."""
    template = copy.deepcopy(expanded)
    put("IndexDeadLettersAlarm", GONE)(template)
    (finding,) = check(template)
    assert finding.problem == "nobody is told when something comes to these dead letters"
    assert finding.advice == "add an alarm on ApproximateNumberOfMessagesVisible of this queue with AlarmActions"


def test_a_weakness_of_one_world_is_found(expanded: Template) -> None:
    """What is weak only when a condition comes out one way is found; so is what it leaves out."""
    template = copy.deepcopy(expanded)
    put("ReplicationPolicy/Properties/PolicyDocument/Statement/2/Resource", "*")(template)
    assert found_in(template) == {("ReplicationPolicy", "role-resources")}
    template = copy.deepcopy(expanded)
    put("MediaBucketPolicy/Condition", "HasReplica")(template)
    assert found_in(template) == {("MediaBucket", "bucket-tls")}


def test_what_only_looks_weak_is_left_alone(expanded: Template) -> None:
    """A reference to a secret, and a bucket of pages that never end, are sound."""
    template = copy.deepcopy(expanded)
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    put("Secret", {"Type": "AWS::SecretsManager::Secret", **kept, "Properties": {"GenerateSecretString": {}}})(template)
    put(f"{INDEXER}/Environment/Variables/KEY_SECRET", {"Ref": "Secret"})(template)
    put("PageBucket", copy.deepcopy(template["Resources"]["MediaBucket"]))(template)
    lifecycle = template["Resources"]["PageBucket"]["Properties"]["LifecycleConfiguration"]
    lifecycle["Rules"] = [rule for rule in lifecycle["Rules"] if rule["Id"] != "footage"]
    put("PageBucketPolicy", copy.deepcopy(template["Resources"]["MediaBucketPolicy"]))(template)
    policy = template["Resources"]["PageBucketPolicy"]["Properties"]
    policy["Bucket"] = {"Ref": "PageBucket"}
    policy["PolicyDocument"]["Statement"][0]["Resource"] = [
        {"Fn::GetAtt": ["PageBucket", "Arn"]},
        {"Fn::Sub": "${PageBucket.Arn}/*"},
    ]
    assert check(template) == []
    del lifecycle["Rules"][-1]
    assert found_in(template) == {("PageBucket", "bucket-lifecycle")}


SAM_API = """
  VideoApi:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: People
        Authorizers:
          People:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: { issuer: https://people.example.org, audience: [page] }
      CorsConfiguration: { AllowOrigins: [https://nvr.example.org], AllowMethods: [GET] }
"""
SAM_EVENT = """
        Sites:
          Type: HttpApi
          Properties: { ApiId: !Ref VideoApi, Path: /sites, Method: GET }
"""
AFTER_OBJECTS = "              MaximumConcurrency: 10\n"


def sam_template(event: str = SAM_EVENT, api: str = SAM_API) -> Template:
    """The template with an API as SAM knows them, one route of it at the indexer."""
    text = TEMPLATE.read_text().replace("\nOutputs:", api + "\nOutputs:")
    assert text.count(AFTER_OBJECTS) == 1
    text = text.replace(AFTER_OBJECTS, AFTER_OBJECTS + event.strip("\n") + "\n")
    assert "VideoApi" in yaml_parse(text)["Resources"]
    return expand(text, REGION)


def test_an_api_of_sam_is_judged_by_its_routes() -> None:
    """A route of a SAM API is sound with the API's authorizer, and found without; so is CORS of all origins."""
    assert found_in(sam_template()) == set()
    open_route = SAM_EVENT.replace("Method: GET", "Method: GET, Auth: { Authorizer: NONE }")
    assert found_in(sam_template(open_route)) == {("VideoApi", "route-authorizer")}
    without = SAM_API.replace("        DefaultAuthorizer: People\n", "")
    assert found_in(sam_template(api=without)) == {("VideoApi", "route-authorizer")}
    wide = SAM_API.replace("https://nvr.example.org", '"*"')
    assert found_in(sam_template(api=wide)) == {("VideoApi", "cors-origins")}


def test_an_exception_has_a_reason_and_a_statement(expanded: Template) -> None:
    """Each reviewed exception gives its reason, and belongs to a statement that the template has."""
    for listed in (reviewed.ANY_RESOURCE, reviewed.ANY_ACTION, reviewed.NOT_OF_ONE_DEVICE):
        for (role, sid), reason in listed.items():
            (policy,) = expanded["Resources"][role]["Properties"]["Policies"]
            assert sid in [statement["Sid"] for statement in policy["PolicyDocument"]["Statement"]]
            assert len(reason.split()) >= 5


def equation(*sides: Any) -> dict[str, Any]:
    return {"Fn::Equals": list(sides)}


def test_conditions_make_only_worlds_that_can_be() -> None:
    """A condition and its opposite never hold together, and what is said of both at once makes no third world."""
    conditions = {
        "A": equation({"Ref": "P"}, "x"),
        "NotA": {"Fn::Not": [{"Condition": "A"}]},
        "Both": {"Fn::And": [{"Condition": "A"}, {"Condition": "NotA"}]},
        "Either": {"Fn::Or": [{"Condition": "A"}, {"Condition": "NotA"}]},
    }
    resources = {name: {"Type": "T", "Condition": name} for name in conditions}
    found = [set(world.resources) for world in worlds({"Conditions": conditions, "Resources": resources})]
    assert found == [{"NotA", "Either"}, {"A", "Either"}]


def test_too_many_conditions_are_told() -> None:
    """A template that would be too many templates is refused, not judged in part."""
    conditions = {f"C{number}": equation({"Ref": f"P{number}"}, "x") for number in range(7)}
    with pytest.raises(TemplateUnreadableError, match="7 things"):
        list(worlds({"Conditions": conditions}))


REFERENCES: list[tuple[Any, list[str]]] = [
    ({"Ref": "A"}, ["A"]),
    ({"Fn::GetAtt": ["A", "Arn"]}, ["A"]),
    ({"Fn::GetAtt": "A.Arn"}, ["A"]),
    ({"Fn::Sub": "${A.Arn}/x/${B}/${!C}"}, ["A", "B"]),
    ({"Fn::Sub": ["${A}", {"V": {"Ref": "B"}}]}, ["A", "B"]),
    ([{"x": {"Fn::Join": ["", [{"Ref": "A"}, {"Ref": "A"}]]}}], ["A"]),
    ("A", []),
]


@pytest.mark.parametrize(("value", "names"), REFERENCES)
def test_names_in_a_value_are_found(value: Any, names: list[str]) -> None:
    """What a value refers to is found in every form that CloudFormation has for it."""
    assert named_in(value) == names
