"""What a role of the template allows, read as AWS reads it. Pure.

Only what our policies use is understood: Allow and Deny, wildcards, StringLike and StringEquals, ForAllValues of
them, the variable `credentials-iot:ThingName`. A condition that is not understood allows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.aws.s3.request import Request

_THING = "${credentials-iot:ThingName}"


def allows(
    policies: Sequence[Mapping[str, Any]],
    action: str,
    resource: str,
    thing: str,
    context: Mapping[str, Sequence[str]] | None = None,
) -> bool:
    """Whether these policies allow `action` to `resource`; what is not allowed is denied.

    `thing` stands in for the variable; `context` is what conditions can see, by their keys.
    """
    allowed = False
    for policy in policies:
        for statement in policy["Statement"]:
            if _applies(statement, action, resource, thing, context or {}):
                if statement["Effect"] == "Deny":
                    return False
                allowed = True
    return allowed


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, thing: str, context: Mapping[str, Sequence[str]]
) -> bool:
    if not any(_like(pattern, action, re.IGNORECASE) for pattern in _list(statement.get("Action", []))):
        return False
    if not any(_like(pattern.replace(_THING, thing), resource) for pattern in _list(statement.get("Resource", []))):
        return False
    return all(
        _holds(operator, key, [pattern.replace(_THING, thing) for pattern in _list(patterns)], context)
        for operator, tests in statement.get("Condition", {}).items()
        for key, patterns in tests.items()
    )


def _holds(operator: str, key: str, patterns: Sequence[str], context: Mapping[str, Sequence[str]]) -> bool:
    test = operator.removeprefix("ForAllValues:")
    values = context.get(key)
    if values is None:
        return test != operator  # of no values at all, all are as you like
    if test == "StringLike":
        return all(any(_like(pattern, value) for pattern in patterns) for value in values)
    return test == "StringEquals" and all(value in patterns for value in values)


def _like(pattern: str, text: str, flags: int = 0) -> bool:
    expression = "".join(".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# ---------------------------------------------------------------------------------------------- what a request does

Need = tuple[str, str, dict[str, list[str]]]
"""An action, the resource it is done to, and what its conditions can see."""


def s3_needs(request: Request) -> list[Need]:
    """The actions that a request for S3 comes to."""
    bucket = f"arn:aws:s3:::{request.bucket}"
    if not request.key:
        return [_bucket_need(request, bucket)]
    resource = f"{bucket}/{request.key}"
    return [
        *[(action, resource, {}) for action in _object_actions(request)],
        *_copy_needs(request.headers.get("x-amz-copy-source")),
    ]


def _bucket_need(request: Request, bucket: str) -> Need:
    context = {"s3:prefix": [request.query["prefix"]]} if "prefix" in request.query else {}
    if request.method in {"GET", "HEAD"}:
        if "versions" in request.query:
            return "s3:ListBucketVersions", bucket, context
        if "uploads" in request.query:
            return "s3:ListBucketMultipartUploads", bucket, {}  # S3 knows no s3:prefix for this action
        settings = set(request.query) - {"list-type", "prefix", "delimiter", "marker", "max-keys", "encoding-type"}
        settings -= {"continuation-token", "start-after", "fetch-owner"}
        return ("s3:GetBucketSetting" if settings else "s3:ListBucket"), bucket, context
    return ("s3:DeleteObject" if "delete" in request.query else "s3:PutBucketSetting"), f"{bucket}/*", context


def _object_actions(request: Request) -> list[str]:
    query, version = request.query, "Version" if "versionId" in request.query else ""
    verb = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Put"}.get(request.method, "Put")
    if "tagging" in query:
        return [f"s3:{verb}Object{version}Tagging"]
    if "uploadId" in query and request.method in {"GET", "DELETE"}:
        return ["s3:ListMultipartUploadParts" if request.method == "GET" else "s3:AbortMultipartUpload"]
    actions = [f"s3:{verb}Object" + (version if verb in {"Get", "Delete"} else "")]
    if "attributes" in query:
        actions.append(f"s3:GetObject{version}Attributes")
    if verb == "Put" and "x-amz-tagging" in request.headers:
        actions.append("s3:PutObjectTagging")
    return actions


def _copy_needs(source: str | None) -> list[Need]:
    return [] if source is None else [("s3:GetObject", f"arn:aws:s3:::{source.lstrip('/').partition('?')[0]}", {})]


def secret_need(target: str, secret: str, arn: Callable[[str, str], str]) -> Need:
    """The action that a request for Secrets Manager comes to. A secret may be named by its name or its ARN."""
    # An ARN ends in six letters that nobody knows beforehand; a policy names them with a wildcard.
    resource = secret if secret.startswith("arn:") else arn("secretsmanager", f"secret:{secret}-??????")
    return f"secretsmanager:{target.rpartition('.')[2]}", resource, {}


def table_need(target: str, body: Mapping[str, Any], arn: Callable[[str, str], str]) -> Need:
    """The action that a request for one table of DynamoDB comes to. The first of its keys is called `pk`."""
    resource = f"table/{body.get('TableName', '')}" + (f"/index/{body['IndexName']}" if "IndexName" in body else "")
    key = (body.get("Key") or body.get("Item") or {}).get("pk", {}).get("S")
    context = {"dynamodb:LeadingKeys": [key]} if key is not None else {}
    return f"dynamodb:{target.rpartition('.')[2]}", arn("dynamodb", resource), context


def queue_need(target: str, body: Mapping[str, Any], arn: Callable[[str, str], str]) -> Need:
    """The action that a request for one queue of SQS comes to."""
    name = str(body.get("QueueUrl") or body.get("QueueName") or "").rpartition("/")[2]
    return f"sqs:{target.rpartition('.')[2]}", arn("sqs", name), {}


def topic_needs(form: Mapping[str, Sequence[str]], keys: Mapping[str, str]) -> list[Need]:
    """The actions that a request for SNS comes to, `keys` being the topics' keys: who publishes has to encrypt."""
    action, topic = (form.get(name, [""])[0] for name in ("Action", "TopicArn"))
    needs: list[Need] = [(f"sns:{action}", topic, {})]
    if action in {"Publish", "PublishBatch"} and topic in keys:
        needs += [(verb, keys[topic], {}) for verb in ("kms:GenerateDataKey", "kms:Decrypt")]
    return needs


_SHADOW_VERBS = {"GET": "iot:GetThingShadow", "POST": "iot:UpdateThingShadow", "DELETE": "iot:DeleteThingShadow"}


def device_data_need(method: str, path: str, shadow: str | None, arn: Callable[[str, str], str]) -> Need:
    """The action that a request for the data plane of IoT comes to."""
    parts = path.strip("/").split("/")
    if parts[0] == "things" and parts[-1] == "shadow":
        name = f"thing/{parts[1]}" + (f"/{shadow}" if shadow else "")
        return _SHADOW_VERBS.get(method, "iot:UpdateThingShadow"), arn("iot", name), {}
    if parts[0] == "topics":
        return "iot:Publish", arn("iot", f"topic/{'/'.join(parts[1:])}"), {}
    if parts[0] == "api":
        return "iot:ListNamedShadowsForThing", arn("iot", f"thing/{parts[-1]}"), {}
    return "iot:GetRetainedMessage", arn("iot", f"topic/{'/'.join(parts[1:])}"), {}
