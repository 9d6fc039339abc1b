"""The rules' action `dynamoDBv2`: each name of the selected object becomes an attribute of an item that is put.

Numbers stay numbers, texts stay texts (IoT developer guide, "DynamoDBv2"). What the rule's role may not do is an error
of the action, which is counted and logged, and the message is lost, as in AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from local.aws import authorization
from local.aws.stack import TableRule
from local.iot_core.rules import Action, RuleMessage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class ActionFault(Exception):  # noqa: N818
    """The action could not be done."""


def put_action(
    rule: TableRule,
    policies: Sequence[Mapping[str, Any]],
    dynamodb: DynamoDBClient,
    arn: Callable[[str, str], str],
) -> Action:
    """What the rule does with a message, by the rights of these policies."""

    def act(given: RuleMessage) -> None:
        selected = json.loads(given.payload)
        if not isinstance(selected, dict):
            raise ActionFault(f"rule {rule.name} selected what is no object from a message on {given.message.topic}")
        body = {"TableName": rule.table, "Item": {name: typed(value) for name, value in selected.items()}}
        action, resource, context = authorization.table_need("DynamoDB_20120810.PutItem", body, arn)
        if not authorization.allows(policies, action, resource, "", context):
            raise ActionFault(f"the role of rule {rule.name} does not allow {action} on {resource} with {context}")
        dynamodb.put_item(TableName=rule.table, Item=body["Item"])  # type: ignore[arg-type]

    return act


def typed(value: Any) -> dict[str, Any]:
    """A value of JSON as DynamoDB writes it."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": json.dumps(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, list):
        return {"L": [typed(item) for item in value]}
    return {"M": {name: typed(item) for name, item in value.items()}}
