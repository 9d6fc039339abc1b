"""Reads the product's template: what resources there are, and what each property comes to.

It knows the form of CloudFormation (parameters, references, substitutions), not what any resource is. A function or
a parameter it does not know is an error: nothing in the template may be skipped in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXPAND_S_MAX = 120  # loading the translator takes 2 s on an idle machine
_RESOURCE_MEMBERS = {
    "Type",
    "Properties",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
    "DependsOn",
}
_NO_VALUE = {"Ref": "AWS::NoValue"}
_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")


class TemplateError(Exception):
    """The template says something that this stand-in does not understand."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as the template states it, its properties not yet resolved."""

    kind: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """An expanded template with its parameters decided."""

    folder: Path
    parameters: Mapping[str, str]
    holding: frozenset[str]  # the conditions that hold
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Created:
    """What a resource became: the value of `Ref`, and the values of `Fn::GetAtt`."""

    ref: str
    attributes: Mapping[str, str]


def load(path: Path, region: str, overrides: Mapping[str, str], cache: Path) -> Template:
    """The template at `path`, expanded (the expansion is kept in `cache`), with its parameters overridden."""
    expanded = _expanded(path, region, cache)
    unknown_sections = set(expanded) - {
        "AWSTemplateFormatVersion",
        "Description",
        "Parameters",
        "Conditions",
        "Resources",
        "Outputs",
        "Metadata",
    }
    if unknown_sections:
        raise TemplateError(f"{path}: sections {sorted(unknown_sections)} are not understood")
    parameters = _parameters(path, expanded.get("Parameters", {}), overrides)
    holding = _holding(expanded.get("Conditions", {}), parameters)
    resources = {}
    for name, body in expanded.get("Resources", {}).items():
        extra = set(body) - _RESOURCE_MEMBERS
        if extra:
            raise TemplateError(f"{path}: resource {name} has {sorted(extra)}, which is not understood")
        if body.get("Condition") in {None, *holding}:
            resources[name] = Resource(body["Type"], body.get("Properties", {}))
    return Template(
        folder=path.resolve().parent,
        parameters=parameters,
        holding=frozenset(holding),
        resources=resources,
        outputs={
            name: body["Value"]
            for name, body in expanded.get("Outputs", {}).items()
            if body.get("Condition") in {None, *holding}
        },
    )


def _holding(conditions: Mapping[str, Any], parameters: Mapping[str, str]) -> set[str]:
    """The names of the conditions that hold with these parameters."""
    return {name for name in conditions if _holds({"Condition": name}, conditions, parameters)}


def _holds(condition: Mapping[str, Any], conditions: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    ((kind, argument),) = condition.items()
    if kind == "Condition":
        return _holds(conditions[argument], conditions, parameters)
    if kind == "Fn::Equals":
        one, other = (_compared(side, parameters) for side in argument)
        return one == other
    if kind not in {"Fn::Not", "Fn::And", "Fn::Or"}:
        raise TemplateError(f"{kind} in a condition is not understood")
    parts = [_holds(part, conditions, parameters) for part in argument]
    if kind == "Fn::Not":
        return not parts[0]
    return all(parts) if kind == "Fn::And" else any(parts)


def _compared(side: Any, parameters: Mapping[str, str]) -> str:
    """One side of a comparison: text, or a parameter."""
    if not isinstance(side, Mapping):
        return str(side)
    if set(side) != {"Ref"} or side["Ref"] not in parameters:
        raise TemplateError(f"a condition compares {side}, which is neither text nor a parameter")
    return parameters[side["Ref"]]


def _expanded(path: Path, region: str, cache: Path) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes() + region.encode()).hexdigest()[:16]
    kept = cache / f"template-{digest}.json"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "local.aws.expand_template", str(path), region]
        done = subprocess.run(command, capture_output=True, text=True, timeout=EXPAND_S_MAX, check=False)
        if done.returncode != 0:
            raise TemplateError(f"{path} cannot be expanded: {done.stderr.strip()[-2000:]}")
        unfinished = kept.with_suffix(".part")
        unfinished.write_text(done.stdout, encoding="utf-8")
        unfinished.replace(kept)
    expanded: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return expanded


def _parameters(path: Path, declared: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, str]:
    unknown = set(overrides) - set(declared)
    if unknown:
        raise TemplateError(f"{path} has no parameter {sorted(unknown)}; it has {sorted(declared)}")
    decided = {}
    for name, body in declared.items():
        if name not in overrides and "Default" not in body:
            raise TemplateError(f"{path}: parameter {name} has no default and was not given")
        decided[name] = str(overrides.get(name, body.get("Default")))
    return decided


class Resolver:
    """Works out the values of properties. `create` is asked for each resource that a value refers to."""

    def __init__(self, template: Template, pseudo: Mapping[str, str], create: Callable[[str], Created]) -> None:
        self._template = template
        self._pseudo = pseudo
        self._create = create

    def resolve(self, value: Any) -> Any:
        """`value` with every reference and substitution in it replaced."""
        if isinstance(value, list):
            decided = [self._decided(item) for item in value]
            return [self.resolve(item) for item in decided if item != _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Fn::If":
                return self.resolve(self._decided(value))
            if name.startswith("Fn::"):
                return self._function(name, argument)
        members = {name: self._decided(item) for name, item in value.items()}
        return {name: self.resolve(item) for name, item in members.items() if item != _NO_VALUE}

    def _decided(self, value: Any) -> Any:
        """`value`, or the side of it that holds where it is an `Fn::If`."""
        if isinstance(value, dict) and set(value) == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            return self._decided(then if condition in self._template.holding else otherwise)
        return value

    def _ref(self, name: str) -> str:
        if name in self._template.parameters:
            return self._template.parameters[name]
        if name in self._pseudo:
            return self._pseudo[name]
        return self._create(name).ref

    def _attribute(self, name: str, attribute: str) -> str:
        attributes = self._create(name).attributes
        if attribute not in attributes:
            raise TemplateError(f"attribute {attribute} of {name} is not understood")
        return attributes[attribute]

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Fn::GetAtt":
            resource, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return self._attribute(resource, attribute)
        if name == "Fn::Join":
            separator, parts = argument
            return separator.join(str(part) for part in self.resolve(parts))
        if name == "Fn::Sub":
            if isinstance(argument, list):
                text, local = argument
                return self._substitute(text, self.resolve(local))
            return self._substitute(argument, {})
        raise TemplateError(f"function {name} is not understood")

    def _substitute(self, text: str, local: Mapping[str, str]) -> str:
        def replace(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return "${" + name + "}"
            if name in local:
                return str(local[name])
            resource, dot, attribute = name.partition(".")
            return self._attribute(resource, attribute) if dot else self._ref(name)

        return _SUBSTITUTION.sub(replace, text)
