"""Topic rules of a template call its functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running, Start, start_aws
from tests.integration.aws.test_resources import control
from tests.integration.iot_core.paho_listener import Listener

pytestmark = pytest.mark.slow
WAIT_S = 60.0

HANDLER = """
def handle(event, context):
    print("told", event["thing"], event["payload"], flush=True)
    if event["thing"] == "site-bad":
        raise ValueError("nobody understands this")
"""

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
      Policies:
        - PolicyName: dead
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt DeadLetters.Arn}
  DeadLetters:
    Type: AWS::SQS::Queue
  Told:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Handler: told.handle
      Runtime: python3.13
      Role: !GetAtt Role.Arn
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadLetters.Arn}
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        AwsIotSqlVersion: "2016-03-23"
        Sql: SELECT encode(*, 'base64') AS payload, topic(3) AS thing FROM 'nvr/v1/+/telemetry/reported'
        Actions: [{Lambda: {FunctionArn: !GetAtt Told.Arn}}]
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Told
      Principal: iot.amazonaws.com
      SourceArn: !GetAtt Rule.Arn
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "told.py").write_text(HANDLER)
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


def figures(aws: Running) -> dict[str, Any]:
    told: dict[str, Any] = control(aws, "/_local/stats")["invoked"]["edgenvr-Told"]
    return told


def test_a_message_calls_the_function_of_its_rule(start: Start, template: Path) -> None:
    """A function is called with what devices publish on its rule's topics; after three tries it is a dead letter."""
    aws = start(template=template)
    device = Listener(aws.ready["mqtt_port"], "site-1").connect()
    device.publish("nvr/v1/site-1/telemetry/other", "no", qos=1)
    device.publish("nvr/v1/site-1/telemetry/reported", "\x00no JSON", qos=1)
    device.publish("nvr/v1/site-bad/telemetry/reported", "{}", qos=1)
    eventually(lambda: figures(aws)["events_given_up"] == 1, WAIT_S)
    device.close()
    log = (aws.data / "logs" / "edgenvr-Told.log").read_text()
    told = [line.removeprefix("told ") for line in log.splitlines() if line.startswith("told ")]
    assert told == ["site-1 AG5vIEpTT04=", *["site-bad e30="] * 3]
    assert figures(aws)["events_done"] == 1
    queue = aws.ready["resources"]["DeadLetters"]
    (message,) = aws.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"]) == {"payload": "e30=", "thing": "site-bad"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Principal: iot.", "Principal: sns.", "no permission lets rule edgenvr_Rule call edgenvr-Told"),
        ("sqs:SendMessage", "sqs:ReceiveMessage", "does not allow sqs:SendMessage"),
        ("2016-03-23", "2015-10-08", "SQL of version 2015-10-08"),
        ("{Lambda: {FunctionArn: !GetAtt Told.Arn}}", "{Sqs: {QueueUrl: x}}", "does not call a function"),
        ("topic(3)", "topik(3)", "function topik is not known here"),
    ],
    ids=["permission", "dead-letters", "version", "action", "sql"],
)
def test_a_rule_that_would_not_work_stops_the_start(template: Path, old: str, new: str, told: str) -> None:
    """A rule that AWS would refuse, or whose calls it would, stops the start and is named."""
    template.write_text(TEMPLATE.replace(old, new))
    with pytest.raises(AssertionError, match=told):
        start_aws(template.parent / "data", template)
