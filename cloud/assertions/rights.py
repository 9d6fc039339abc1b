"""Rules about who may do what: roles, policies of resources, devices. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.assertions import reviewed
from cloud.assertions.messages import PERMISSION
from cloud.assertions.rule import Rule, Weakness
from cloud.assertions.storage import BUCKET_POLICY, DEVICES, KEY, ROLE
from cloud.assertions.template_world import Resource, World, as_list, text_of

MANAGED, POLICY = "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"
IOT_POLICY = "AWS::IoT::Policy"
OWN_THING = ("${credentials-iot:ThingName}", "${!credentials-iot:ThingName}")
CONNECTED_THING = "iot:Connection.Thing.ThingName"
ADMINISTRATORS = {"arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/PowerUserAccess"}

Statement = Mapping[str, Any]


def statements_of(resource: Resource) -> list[Statement]:
    """The statements of a role's policies, or of a policy."""
    documents = [policy.get("PolicyDocument", {}) for policy in as_list(resource.at("Policies"))]
    documents += as_list(resource.at("PolicyDocument"))
    return [statement for document in documents for statement in as_list(document.get("Statement"))]


def _allowed(world: World) -> Iterator[tuple[Resource, str, Statement]]:
    """What identities are allowed: the role or policy, the statement's Sid, the statement."""
    for resource in world.of(ROLE, MANAGED, POLICY):
        for statement in statements_of(resource):
            if statement.get("Effect") == "Allow":
                yield resource, str(statement.get("Sid", "without Sid")), statement


def _any_action(world: World) -> Iterator[Weakness]:
    needed = set()
    for resource, sid, statement in _allowed(world):
        wide = [action for action in as_list(statement.get("Action")) if "*" in str(action)]
        if "NotAction" in statement:
            wide.append("everything but a list")
        if wide:
            needed.add((resource.name, sid))
            if (resource.name, sid) not in reviewed.ANY_ACTION:
                yield resource.name, f"statement {sid} allows {', '.join(wide)}"
    for role in world.of(ROLE):
        for managed in as_list(role.at("ManagedPolicyArns")):
            if text_of(managed).replace("${AWS::Partition}", "aws") in ADMINISTRATORS:
                yield role.name, f"it has the policy {text_of(managed)}"
    yield from _idle(world, reviewed.ANY_ACTION, needed)


def _any_resource(world: World) -> Iterator[Weakness]:
    needed = set()
    for resource, sid, statement in _allowed(world):
        if "*" in as_list(statement.get("Resource")) or "NotResource" in statement:
            needed.add((resource.name, sid))
            if (resource.name, sid) not in reviewed.ANY_RESOURCE:
                yield resource.name, f"statement {sid} allows it for every resource there is"
    yield from _idle(world, reviewed.ANY_RESOURCE, needed)


def _idle(world: World, listed: Mapping[tuple[str, str], str], needed: set[tuple[str, str]]) -> Iterator[Weakness]:
    """Exceptions that a role of this template has and does not need any more."""
    for name, sid in listed:
        if name in world.resources and (name, sid) not in needed:
            yield name, f"the exception for statement {sid} is not needed any more"


def _services(role: Resource) -> list[str]:
    statements = as_list(role.at("AssumeRolePolicyDocument.Statement"))
    principals = [statement.get("Principal", {}) for statement in statements]
    return [one for each in principals if isinstance(each, Mapping) for one in as_list(each.get("Service"))]


def _devices_beyond_their_own(world: World) -> Iterator[Weakness]:
    for role in world.of(ROLE):
        if DEVICES not in _services(role):
            continue
        for statement in statements_of(role):
            sid = str(statement.get("Sid", "without Sid"))
            if statement.get("Effect") != "Allow" or (role.name, sid) in reviewed.NOT_OF_ONE_DEVICE:
                continue
            scoped = [_names_own_thing(one) for one in as_list(statement.get("Resource"))]
            if not (scoped and all(scoped)) and not _names_own_thing(statement.get("Condition", {})):
                yield role.name, f"statement {sid} is the same for all devices: one reaches what is another's"


def _names_own_thing(value: Any) -> bool:
    return any(variable in text_of(value) for variable in OWN_THING)


def _trusts_anybody(world: World) -> Iterator[Weakness]:
    for role in world.of(ROLE):
        for statement in as_list(role.at("AssumeRolePolicyDocument.Statement")):
            if statement.get("Effect") == "Allow" and _is_anybody(statement.get("Principal")):
                yield role.name, "anybody may take this role"


def _is_anybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return "*" in as_list(principal.get("AWS"))
    return bool(principal == "*")


_RESOURCE_POLICIES = (BUCKET_POLICY, "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
_OF_WHOM = ("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:principalorgid")


def _resource_statements(world: World) -> Iterator[tuple[Resource, Statement]]:
    for resource in world.of(*_RESOURCE_POLICIES):
        for statement in as_list(resource.at("PolicyDocument.Statement")):
            yield resource, statement
    for key in world.of(KEY):
        for statement in as_list(key.at("KeyPolicy.Statement")):
            yield key, statement


def _names_whose(statement: Statement) -> bool:
    condition = statement.get("Condition", {})
    keys = {key.lower() for tests in condition.values() for key in tests}
    return any(one in keys for one in _OF_WHOM)


def _open_to_anybody(world: World) -> Iterator[Weakness]:
    for resource, statement in _resource_statements(world):
        if statement.get("Effect") == "Allow" and _is_anybody(statement.get("Principal")):
            yield resource.name, f"statement {statement.get('Sid', 'without Sid')} allows anybody {_actions(statement)}"


def _actions(statement: Statement) -> str:
    return ", ".join(str(action) for action in as_list(statement.get("Action")))


def _confused_services(world: World) -> Iterator[Weakness]:
    for resource, statement in _resource_statements(world):
        principal = statement.get("Principal")
        is_service = isinstance(principal, Mapping) and "Service" in principal
        if statement.get("Effect") == "Allow" and is_service and not _names_whose(statement):
            sid = statement.get("Sid", "without Sid")
            yield resource.name, f"statement {sid} lets the service act for whatever account asks it"
    for permission in world.of(PERMISSION):
        if not permission.at("SourceArn") and not permission.at("SourceAccount"):
            yield permission.name, "it lets the service call the function for whatever account asks it"


def _devices_by_any_name(world: World) -> Iterator[Weakness]:
    for policy in world.of(IOT_POLICY):
        for statement in statements_of(policy):
            if statement.get("Effect") != "Allow":
                continue
            if any(CONNECTED_THING not in text_of(one) for one in as_list(statement.get("Resource"))):
                yield policy.name, f"a device may do {_actions(statement)} under any name, another's among them"


RULES = (
    Rule("role-actions", "name each action; or list it with its reason in reviewed.ANY_ACTION", _any_action),
    Rule("role-resources", "name the resources; or list it with its reason in reviewed.ANY_RESOURCE", _any_resource),
    Rule("role-trust", "name the service that takes the role", _trusts_anybody),
    Rule("device-scope", "name ${credentials-iot:ThingName} in the resource or a condition", _devices_beyond_their_own),
    Rule("device-name", "name ${iot:Connection.Thing.ThingName} in each resource", _devices_by_any_name),
    Rule("policy-open", "name who may, or a condition on the account", _open_to_anybody),
    Rule("policy-source", "add a condition on aws:SourceArn or aws:SourceAccount", _confused_services),
)
