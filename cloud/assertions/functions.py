"""Rules about functions: their limits, their logs, what they are told. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cloud.assertions.messages import FUNCTION, MAPPING, QUEUE
from cloud.assertions.rule import Rule, Weakness
from cloud.assertions.storage import LOG_GROUP
from cloud.assertions.template_world import World, as_list, text_of

ARCHITECTURE = "arm64"
RUNTIME_OLDEST = (3, 12)
_RUNTIME = re.compile(r"python(\d+)\.(\d+)")

_SECRET_NAME = re.compile(r"(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE_KEY|API_?KEY|ACCESS_KEY)", re.IGNORECASE)
_KEEPERS = ("AWS::SecretsManager::Secret", "AWS::SSM::Parameter")
_ADDRESS_NAME = re.compile(r"_(ARN|ID|NAME|PREFIX|URL|PARAMETER)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"\{\{resolve:(secretsmanager|ssm-secure):|(AKIA|ASIA)[A-Z0-9]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]+:[^/\s@]+@"
)


def _without_limit(world: World) -> Iterator[Weakness]:
    for function in world.of(FUNCTION):
        if not function.at("Timeout"):
            yield function.name, "it states no Timeout, and 3 s are AWS's own"


def _without_share(world: World) -> Iterator[Weakness]:
    for mapping in world.of(MAPPING):
        if not world.named(mapping.at("EventSourceArn"), QUEUE):
            continue
        at_once = int(mapping.at("ScalingConfig.MaximumConcurrency", 0))
        for function in world.named(mapping.at("FunctionName"), FUNCTION):
            share = function.at("ReservedConcurrentExecutions")
            if share is None:
                yield function.name, "others of the account can take all its runs, and footage is not indexed"
            elif int(share) < at_once:
                yield function.name, f"its queue may call it {at_once} times at once, and {share} are reserved"


def _other_architectures(world: World) -> Iterator[Weakness]:
    for function in world.of(FUNCTION):
        if as_list(function.at("Architectures")) != [ARCHITECTURE]:
            yield function.name, f"its architecture is {text_of(function.at('Architectures', 'x86_64'))}"


def _old_runtimes(world: World) -> Iterator[Weakness]:
    for function in world.of(FUNCTION):
        found = _RUNTIME.fullmatch(str(function.at("Runtime")))
        if found is None or (int(found[1]), int(found[2])) < RUNTIME_OLDEST:
            yield function.name, f"its runtime is {function.at('Runtime')}"


def _everlasting_logs(world: World) -> Iterator[Weakness]:
    for group in world.of(LOG_GROUP):
        if not group.at("RetentionInDays"):
            yield group.name, "its lines are kept, and paid for, for ever"
    for function in world.of(FUNCTION):
        if not world.named(function.at("LoggingConfig.LogGroup"), LOG_GROUP):
            yield function.name, "it logs to a group that Lambda makes, which keeps lines for ever"


def _told_secrets(world: World) -> Iterator[Weakness]:
    for function in world.of(FUNCTION):
        for name, value in function.at("Environment.Variables", {}).items():
            # A reference to a secret is its ARN, and tells nothing of what is in it.
            if not world.named(value, *_KEEPERS) and _is_secret(name, value):
                yield function.name, f"its environment variable {name} holds a secret, which who may look at it reads"


def _is_secret(name: str, value: Any) -> bool:
    if _SECRET_VALUE.search(text_of(value)):
        return True
    return bool(_SECRET_NAME.search(name)) and not _ADDRESS_NAME.search(name)


def _shared_roles(world: World) -> Iterator[Weakness]:
    users: dict[str, list[str]] = defaultdict(list)
    for function in world.of(FUNCTION):
        users[text_of(function.at("Role"))].append(function.name)
    for names in users.values():
        for name in names[1:]:
            yield name, f"it has the role of {names[0]}: each may do what only the other needs"


RULES = (
    Rule("function-timeout", "set Timeout", _without_limit),
    Rule(
        "function-concurrency",
        "set ReservedConcurrentExecutions, at least the MaximumConcurrency of its queue",
        _without_share,
    ),
    Rule("function-architecture", f"set Architectures to [{ARCHITECTURE}]", _other_architectures),
    Rule("function-runtime", "use python3.12 or newer", _old_runtimes),
    Rule("function-role", "give each function a role of its own", _shared_roles),
    Rule("log-retention", "make its log group in the template, with RetentionInDays", _everlasting_logs),
    Rule("environment-secret", "name the secret in the variable and read it from Secrets Manager", _told_secrets),
)
