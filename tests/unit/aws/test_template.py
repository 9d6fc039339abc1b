"""How the stand-in reads a template: references, substitutions, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.aws.template import Created, Resolver, Resource, Template, TemplateError


def resolver(**resources: Created) -> Resolver:
    template = Template(Path(), {"Days": "7"}, frozenset(), {name: Resource("T", {}) for name in resources}, {})

    def create(name: str) -> Created:
        if name not in resources:
            raise TemplateError(f"no {name}")
        return resources[name]

    return Resolver(template, {"AWS::Region": "eu-central-1"}, create)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ({"Ref": "Days"}, "7"),
        ({"Ref": "AWS::Region"}, "eu-central-1"),
        ({"Ref": "Bucket"}, "b-1"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:b-1"),
        ({"Fn::GetAtt": "Bucket.Arn"}, "arn:b-1"),
        ({"Fn::Sub": "${Bucket.Arn}/${Days}/x"}, "arn:b-1/7/x"),
        ({"Fn::Sub": "${!credentials-iot:ThingName}/*"}, "${credentials-iot:ThingName}/*"),
        ({"Fn::Sub": ["${Local}-${Bucket}", {"Local": {"Ref": "Days"}}]}, "7-b-1"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Days"}]]}, "a-7"),
        ({"a": [{"Ref": "Days"}, {"b": 1}]}, {"a": ["7", {"b": 1}]}),
    ],
)
def test_values_are_resolved(value: Any, expected: Any) -> None:
    """References, attributes, substitutions and joins come to the values of what they name, at any depth."""
    assert resolver(Bucket=Created("b-1", {"Arn": "arn:b-1"})).resolve(value) == expected


@pytest.mark.parametrize(
    "value",
    [{"Fn::Cidr": ["10.0.0.0/8"]}, {"Ref": "Missing"}, {"Fn::GetAtt": ["Bucket", "Url"]}],
    ids=["function", "reference", "attribute"],
)
def test_what_is_not_understood_is_an_error(value: Any) -> None:
    """An unknown function, reference or attribute is an error, never an empty value."""
    with pytest.raises(TemplateError):
        resolver(Bucket=Created("b-1", {})).resolve(value)
