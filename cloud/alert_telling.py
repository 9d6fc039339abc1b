"""Tells people of a notice: written down first, then published, then marked as told. Speaks through the doors given.

    received   written down; whoever wrote it publishes until `claimed_until_ms`
    told       SNS has it

Invariants: a notice that was received is published until it is told, whoever dies in between: its claim ends, and the
next who brings the same notice (the box sends until it has an answer, Lambda and watch_fleet try again) publishes. What
is told is never published again. A double is left in one case only: the publisher dies, or loses SNS's answer, after
SNS has taken the message and before the mark is written. SNS knows doubles on FIFO topics alone, which reach neither
e-mail nor phones.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from cloud import alert_text, function_log
from components.shared.wire.alert_notice import AlertNotice, encode_notice
from components.shared.wire.trace import FIELD as TRACE_ID

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient

COMPONENT = "alert_telling"

KEPT_S = 90 * 86_400
"""How long a notice is known, so that a copy of it is not told again, and can be looked up: a box that has heard no
answer sends again within minutes of its return."""

Outcome = Literal["told", "told_before", "under_way"]


class Context(function_log.Call, Protocol):
    """What Lambda says of a call: who tells claims a notice for as long as its call may last."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is killed."""


@dataclass(frozen=True, slots=True)
class TellingDoors:
    """What telling speaks to: the table of alerts and the topic of people."""

    dynamodb: DynamoDBClient
    sns: SNSClient
    table: str
    topic_arn: str


def tell(notice: AlertNotice, doors: TellingDoors, now_ms: int, claim_ms: int) -> Outcome:
    """Publish a notice unless that was done before, or is being done; `claim_ms` is how long this call may take."""
    if not _claim(notice, doors, now_ms, claim_ms):
        outcome: Outcome = "told_before" if _is_told(notice, doors) else "under_way"
        fields = {"site": notice.thing, "notice": notice.id, "outcome": outcome}
        function_log.tell(COMPONENT, logging.INFO, "alert_not_told_again", fields)
        return outcome
    message = _publish(notice, doors)
    _mark_told(notice, message, doors, now_ms)
    fields = {
        "site": notice.thing,
        "kind": notice.kind,
        "subject": notice.subject,
        "state": notice.state,
        "notice": notice.id,
        "message_id": message,
        TRACE_ID: notice.trace_id,
    }
    function_log.tell(COMPONENT, logging.INFO, "alert_told", fields)
    return "told"


def _key(notice: AlertNotice) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"NOTICE#{notice.thing}"}, "sk": {"S": notice.id}}


def _claim(notice: AlertNotice, doors: TellingDoors, now_ms: int, claim_ms: int) -> bool:
    """Write the notice down as ours to publish; False when it is somebody else's, or done."""
    try:
        doors.dynamodb.update_item(
            TableName=doors.table,
            Key=_key(notice),
            UpdateExpression=(
                "SET #state = :received, claimed_until_ms = :until, notice = :notice, expires_s = :expires,"
                " received_ms = if_not_exists(received_ms, :now)"
            ),
            ConditionExpression="attribute_not_exists(#state) OR (#state = :received AND claimed_until_ms <= :now)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":received": {"S": "received"},
                ":until": {"N": str(now_ms + claim_ms)},
                ":now": {"N": str(now_ms)},
                ":notice": {"S": encode_notice(notice).decode()},
                ":expires": {"N": str(now_ms // 1000 + KEPT_S)},
            },
        )
    except doors.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _is_told(notice: AlertNotice, doors: TellingDoors) -> bool:
    item = doors.dynamodb.get_item(TableName=doors.table, Key=_key(notice), ConsistentRead=True).get("Item", {})
    return item.get("state") == {"S": "told"}


def _publish(notice: AlertNotice, doors: TellingDoors) -> str:
    text = alert_text.text(notice)
    answer = doors.sns.publish(
        TopicArn=doors.topic_arn,
        Subject=alert_text.subject(notice),
        Message=json.dumps({"default": text, "sms": alert_text.short(notice)}),
        MessageStructure="json",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in alert_text.attributes(notice).items()
        },
    )
    return answer["MessageId"]


def _mark_told(notice: AlertNotice, message: str, doors: TellingDoors, now_ms: int) -> None:
    doors.dynamodb.update_item(
        TableName=doors.table,
        Key=_key(notice),
        UpdateExpression="SET #state = :told, told_ms = :now, message_id = :message REMOVE claimed_until_ms",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":told": {"S": "told"}, ":now": {"N": str(now_ms)}, ":message": {"S": message}},
    )
