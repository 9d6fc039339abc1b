"""Messages that become items."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws.stack import TableRule
from local.aws.table_action import ActionFault, put_action, typed
from local.iot_core.message import Message
from local.iot_core.rules import RuleMessage

RULE = TableRule("rule", "SELECT 1", "t", "role")


class Table:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def put_item(self, **arguments: Any) -> None:
        self.items.append(arguments)


def arn(service: str, name: str) -> str:
    return f"arn:{service}:{name}"


def policy(action: str) -> list[Any]:
    keys = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["SEEN"]}}
    return [
        {"Statement": [{"Effect": "Allow", "Action": action, "Resource": "arn:dynamodb:table/t", "Condition": keys}]}
    ]


def run(payload: bytes, policies: list[Any]) -> list[Any]:
    table: Any = Table()
    put_action(RULE, policies, table, arn)(RuleMessage("rule", Message("a", b""), payload))
    items: list[Any] = table.items
    return items


def test_names_become_attributes() -> None:
    """Each name of the object is an attribute of its own type."""
    (put,) = run(b'{"pk":"SEEN","sk":"a","n":3}', policy("dynamodb:PutItem"))
    assert put == {"TableName": "t", "Item": {"pk": {"S": "SEEN"}, "sk": {"S": "a"}, "n": {"N": "3"}}}


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        (b'{"pk":"SEEN"}', "dynamodb:GetItem"),
        (b'{"pk":"OTHER"}', "dynamodb:PutItem"),
        (b"[1]", "dynamodb:PutItem"),
    ],
)
def test_what_the_role_does_not_allow_is_not_put(payload: bytes, action: str) -> None:
    """An action, or a key, that the role does not allow is an error, and so is what is no object."""
    with pytest.raises(ActionFault, match="rule rule"):
        run(payload, policy(action))


def test_values_keep_their_types() -> None:
    """Texts, numbers, truths, nothing, lists and objects are told apart."""
    assert typed({"a": [1.5, "x", True, None]}) == {
        "M": {"a": {"L": [{"N": "1.5"}, {"S": "x"}, {"BOOL": True}, {"NULL": True}]}}
    }
