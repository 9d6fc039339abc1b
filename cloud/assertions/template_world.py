"""Reads an expanded template as rules need it: which resources there are, and what refers to what. Pure.

A template has conditions, so that it is several templates: one per way in which its conditions can come out. Each is a
`World`, in which no `Fn::If` is left and parameters stand for their defaults; a promise has to hold in all of them.
What is still a reference (`Ref`, `Fn::GetAtt`, `Fn::Sub`) stays as it is: `named_in` tells which resources it names.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EQUATIONS_MAX = 6
"""Two to the power of it are the worlds that are looked at; more would take seconds."""

_SUBSTITUTED = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")
_NO_VALUE = {"Ref": "AWS::NoValue"}


class TemplateUnreadableError(Exception):
    """The template has a form that rules cannot judge."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of one world, its properties without conditions."""

    name: str
    kind: str
    properties: Mapping[str, Any]
    policies: Mapping[str, str]  # DeletionPolicy, UpdateReplacePolicy

    def at(self, path: str, default: Any = None) -> Any:
        """The value at a path of members, `A.B.C`; `default` where a member is missing."""
        value: Any = self.properties
        for member in path.split("."):
            if not isinstance(value, Mapping) or member not in value:
                return default
            value = value[member]
        return value


@dataclass(frozen=True, slots=True)
class World:
    """What a template comes to when its conditions come out in one way."""

    resources: Mapping[str, Resource]

    def of(self, *kinds: str) -> Iterator[Resource]:
        """The resources of these kinds."""
        return (resource for resource in self.resources.values() if resource.kind in kinds)

    def named(self, value: Any, *kinds: str) -> list[Resource]:
        """The resources of these kinds that a value refers to."""
        found = [self.resources[name] for name in named_in(value) if name in self.resources]
        return [resource for resource in found if resource.kind in kinds]


def named_in(value: Any) -> list[str]:
    """The names that a value refers to, each once, in their order."""
    return list(dict.fromkeys(_names(value)))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _names(member)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if key == "Ref":
                yield str(member)
            elif key == "Fn::GetAtt":
                yield member[0] if isinstance(member, list) else str(member).partition(".")[0]
            elif key == "Fn::Sub":
                text = member[0] if isinstance(member, list) else member
                yield from _SUBSTITUTED.findall(text)
                yield from _names(member[1:] if isinstance(member, list) else [])
            else:
                yield from _names(member)


def as_list(value: Any) -> list[Any]:
    """`value` as a list: policies have one thing or several in the same place."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def text_of(value: Any) -> str:
    """A value as text, references and all: what it contains can be looked for."""
    return value if isinstance(value, str) else json.dumps(value)


def worlds(template: Mapping[str, Any]) -> Iterator[World]:
    """All worlds of an expanded template."""
    conditions = template.get("Conditions", {})
    equations = sorted({json.dumps(found, sort_keys=True) for found in _equations(conditions)})
    if len(equations) > EQUATIONS_MAX:
        raise TemplateUnreadableError(
            f"the conditions compare {len(equations)} things, and more than {EQUATIONS_MAX} make too many templates"
        )
    defaults = {name: body["Default"] for name, body in template.get("Parameters", {}).items() if "Default" in body}
    seen = set()
    for outcome in itertools.product((False, True), repeat=len(equations)):
        decided = dict(zip(equations, outcome, strict=True))
        holding = {name for name in conditions if _holds({"Condition": name}, conditions, decided)}
        if frozenset(holding) not in seen:
            seen.add(frozenset(holding))
            yield _world(template, holding, defaults)


def _equations(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for member in value:
            yield from _equations(member)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if key == "Fn::Equals":
                yield member
            else:
                yield from _equations(member)


def _holds(condition: Any, conditions: Mapping[str, Any], decided: Mapping[str, bool]) -> bool:
    ((kind, argument),) = condition.items()
    if kind == "Condition":
        return _holds(conditions[argument], conditions, decided)
    if kind == "Fn::Equals":
        return decided[json.dumps(argument, sort_keys=True)]
    each = [_holds(part, conditions, decided) for part in argument]
    if kind == "Fn::Not":
        return not each[0]
    if kind in {"Fn::And", "Fn::Or"}:
        return all(each) if kind == "Fn::And" else any(each)
    raise TemplateUnreadableError(f"a condition is made of {kind}, which no rule understands")


def _world(template: Mapping[str, Any], holding: set[str], defaults: Mapping[str, Any]) -> World:
    found = {}
    for name, body in template.get("Resources", {}).items():
        if body.get("Condition") in {None, *holding}:
            policies = {key: body[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if key in body}
            properties = _decided(body.get("Properties", {}), holding, defaults)
            found[name] = Resource(name, body["Type"], properties, policies)
    return World(found)


def _decided(value: Any, holding: set[str], defaults: Mapping[str, Any]) -> Any:
    """`value` with each `Fn::If` decided, parameters replaced by their defaults, and what has no value left out."""
    if isinstance(value, list):
        members = [_decided(member, holding, defaults) for member in value]
        return [member for member in members if member != _NO_VALUE]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"Fn::If"}:
        condition, then, otherwise = value["Fn::If"]
        return _decided(then if condition in holding else otherwise, holding, defaults)
    if set(value) == {"Ref"} and value["Ref"] in defaults:
        return defaults[value["Ref"]]
    decided = {key: _decided(member, holding, defaults) for key, member in value.items()}
    return {key: member for key, member in decided.items() if member != _NO_VALUE}
