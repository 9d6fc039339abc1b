"""How a device's policies are read."""

from __future__ import annotations

import io
from typing import Any

import pytest

from local.aws.authorization import (
    allows,
    device_data_need,
    queue_need,
    s3_needs,
    secret_need,
    table_need,
    topic_needs,
)
from local.aws.s3.request import Request

POLICY = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:Put*"],
            "Resource": "arn:b/sites/${credentials-iot:ThingName}/*",
        },
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:b/sites/*/locked/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:b",
            "Condition": {"StringLike": {"s3:prefix": "sites/${credentials-iot:ThingName}/*"}},
        },
        {
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": "arn:t",
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["SITE#*"]}},
        },
        {"Effect": "Allow", "Action": "s3:Odd", "Resource": "*", "Condition": {"NumericLessThan": {"x": "1"}}},
    ]
}


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("s3:GetObject", "arn:b/sites/one/a/b", {}, True),
        ("s3:getobject", "arn:b/sites/one/a", {}, True),
        ("s3:PutObjectTagging", "arn:b/sites/one/a", {}, True),
        ("s3:DeleteObject", "arn:b/sites/one/a", {}, False),
        ("s3:GetObject", "arn:b/sites/two/a", {}, False),
        ("s3:GetObject", "arn:b/sites/oneself/a", {}, False),
        ("s3:PutObject", "arn:b/sites/one/locked/a", {}, False),
        ("s3:ListBucket", "arn:b", {"s3:prefix": ["sites/one/x"]}, True),
        ("s3:ListBucket", "arn:b", {"s3:prefix": ["sites/two/x"]}, False),
        ("s3:ListBucket", "arn:b", {}, False),
        ("s3:Odd", "arn:b", {"x": ["0"]}, False),
        ("dynamodb:GetItem", "arn:t", {"dynamodb:LeadingKeys": ["SITE#one"]}, True),
        ("dynamodb:GetItem", "arn:t", {"dynamodb:LeadingKeys": ["SITE#one", "SEG#one"]}, False),
    ],
)
def test_policies_are_read_as_aws_reads_them(
    action: str, resource: str, context: dict[str, list[str]], allowed: bool
) -> None:
    """Allowed is what a statement allows and none denies, with the thing's own name in place of the variable."""
    assert allows([POLICY], action, resource, "one", context) is allowed


def test_nothing_is_allowed_without_a_policy() -> None:
    """What nobody allows is denied."""
    assert not allows([], "s3:GetObject", "arn:b/sites/one/a", "one")


def request(method: str, key: str, query: dict[str, str] | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "", "", "b", key, query or {}, named, io.BufferedReader(io.BytesIO()))


@pytest.mark.parametrize(
    ("asked", "actions"),
    [
        (request("GET", "k"), ["s3:GetObject"]),
        (request("HEAD", "k"), ["s3:GetObject"]),
        (request("GET", "k", {"versionId": "1"}), ["s3:GetObjectVersion"]),
        (request("PUT", "k"), ["s3:PutObject"]),
        (request("PUT", "k", x_amz_tagging="a=1"), ["s3:PutObject", "s3:PutObjectTagging"]),
        (request("PUT", "k", x_amz_copy_source="/c/d?versionId=1"), ["s3:PutObject", "s3:GetObject"]),
        (request("DELETE", "k"), ["s3:DeleteObject"]),
        (request("DELETE", "k", {"versionId": "1"}), ["s3:DeleteObjectVersion"]),
        (request("POST", "k", {"uploads": ""}), ["s3:PutObject"]),
        (request("PUT", "k", {"uploadId": "u", "partNumber": "1"}), ["s3:PutObject"]),
        (request("POST", "k", {"uploadId": "u"}), ["s3:PutObject"]),
        (request("GET", "k", {"uploadId": "u"}), ["s3:ListMultipartUploadParts"]),
        (request("DELETE", "k", {"uploadId": "u"}), ["s3:AbortMultipartUpload"]),
        (request("GET", "k", {"tagging": ""}), ["s3:GetObjectTagging"]),
        (request("PUT", "k", {"tagging": ""}), ["s3:PutObjectTagging"]),
        (request("GET", "k", {"attributes": ""}), ["s3:GetObject", "s3:GetObjectAttributes"]),
        (request("GET", "", {"list-type": "2"}), ["s3:ListBucket"]),
        (request("GET", "", {"uploads": ""}), ["s3:ListBucketMultipartUploads"]),
        (request("GET", "", {"policy": ""}), ["s3:GetBucketSetting"]),
        (request("POST", "", {"delete": ""}), ["s3:DeleteObject"]),
    ],
)
def test_each_request_needs_the_actions_that_aws_names(asked: Request, actions: list[str]) -> None:
    """A request comes to the actions of S3's own list."""
    assert [action for action, _, _ in s3_needs(asked)] == actions


def arn(service: str, name: str) -> str:
    return f"arn:{service}:{name}"


@pytest.mark.parametrize(
    ("method", "path", "shadow", "expected"),
    [
        ("GET", "/things/one/shadow", "site", ("iot:GetThingShadow", "arn:iot:thing/one/site")),
        ("POST", "/things/one/shadow", None, ("iot:UpdateThingShadow", "arn:iot:thing/one")),
        ("POST", "/topics/nvr/v1/one/x", None, ("iot:Publish", "arn:iot:topic/nvr/v1/one/x")),
        (
            "GET",
            "/api/things/shadow/ListNamedShadowsForThing/one",
            None,
            ("iot:ListNamedShadowsForThing", "arn:iot:thing/one"),
        ),
    ],
)
def test_device_data_need_their_own_actions(method: str, path: str, shadow: str | None, expected: Any) -> None:
    """Shadows and topics are resources of the IoT service, a named shadow below its thing."""
    action, resource, _ = device_data_need(method, path, shadow, arn)
    assert (action, resource) == expected


def test_a_secret_may_be_named_either_way() -> None:
    """A secret's name and its ARN come to the same resource, but for the six letters that only the ARN has."""
    by_name = secret_need("secretsmanager.GetSecretValue", "edgenvr/one/cam", arn)
    assert by_name[:2] == ("secretsmanager:GetSecretValue", "arn:secretsmanager:secret:edgenvr/one/cam-??????")
    assert secret_need("secretsmanager.GetSecretValue", "arn:x", arn)[1] == "arn:x"


def test_a_tables_request_says_which_keys_it_is_about() -> None:
    """A request for an item names its table and its first key; one for an index names the index."""
    body = {"TableName": "t", "Key": {"pk": {"S": "SITE#one"}, "sk": {"S": "SITE"}}}
    expected = ("dynamodb:GetItem", "arn:dynamodb:table/t", {"dynamodb:LeadingKeys": ["SITE#one"]})
    assert table_need("DynamoDB_20120810.GetItem", body, arn) == expected
    by_index = table_need("DynamoDB_20120810.Query", {"TableName": "t", "IndexName": "by-time"}, arn)
    assert by_index == ("dynamodb:Query", "arn:dynamodb:table/t/index/by-time", {})


def test_a_message_needs_the_right_to_its_queue() -> None:
    """A request for a queue is about the queue at the end of its URL."""
    need = queue_need("AmazonSQS.SendMessage", {"QueueUrl": "http://127.0.0.1:1/123/q"}, arn)
    assert need == ("sqs:SendMessage", "arn:sqs:q", {})


def test_publishing_to_an_encrypted_topic_needs_its_key() -> None:
    """Who publishes to a topic with a key needs both rights; who only asks for its attributes, one."""
    form = {"Action": ["Publish"], "TopicArn": ["t"]}
    assert topic_needs(form, {}) == [("sns:Publish", "t", {})]
    with_key = topic_needs(form, {"t": "k"})
    assert with_key == [("sns:Publish", "t", {}), ("kms:GenerateDataKey", "k", {}), ("kms:Decrypt", "k", {})]
    asked = topic_needs({"Action": ["GetTopicAttributes"], "TopicArn": ["t"]}, {"t": "k"})
    assert asked == [("sns:GetTopicAttributes", "t", {})]


def test_the_list_of_uploads_knows_no_prefix() -> None:
    """As in S3, a condition on the prefix allows a list of objects and never one of uploads under way."""
    (listed,) = s3_needs(request("GET", "", {"prefix": "sites/one/x"}))
    (begun,) = s3_needs(request("GET", "", {"uploads": "", "prefix": "sites/one/x"}))
    assert listed[2] == {"s3:prefix": ["sites/one/x"]}
    assert begun[2] == {}
