"""Lets devices and functions do what their roles in the template allow, and nothing else.

A site's device is known by its session token, a function by its access key; both stand for a role, and each of their
requests is held against that role's policies. Whoever comes with other credentials (the stand-in's own, or those of
STS) is let through: what this checks is the template, of which a mistake would else be found after a deployment.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from local.aws import authorization
from local.aws.http_server import WsgiApp, signed_service, with_body_read
from local.aws.identities import FUNCTION_KEY, Identities
from local.aws.s3.faults import S3Fault, access_denied
from local.aws.s3.request import Request
from local.aws.s3.signatures import session_token
from local.aws.stack import Stack

log = logging.getLogger(__name__)

_ACCESS_KEY = re.compile(r"Credential=(?P<key>[^/,\s]+)/")
_WITH_BODY = {"secretsmanager", "dynamodb", "sqs", "sns"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose rights are known."""

    name: str
    policies: Sequence[Mapping[str, Any]]
    thing: str = ""

    def may(self, need: authorization.Need) -> bool:
        """Whether the policies allow it."""
        action, resource, context = need
        return authorization.allows(self.policies, action, resource, self.thing, context)

    def refusal(self, need: authorization.Need) -> str:
        """What is said when they do not."""
        action, resource, _ = need
        return f"{self.name} is not authorized to perform {action} on resource {resource}"


class Doorkeeper:
    """Asks the policies of the stack, which is there after the start only: nobody gets in before."""

    def __init__(self, identities: Identities, arn: Callable[[str, str], str]) -> None:
        self._identities = identities
        self._arn = arn
        self._stack = Stack()

    def now_with(self, stack: Stack) -> None:
        """From now on the policies of this stack count."""
        self._stack = stack

    def check_s3(self, request: Request) -> None:
        """Raises AccessDenied when the sender may not do this."""
        caller = self._of_s3(request)
        if caller is None:
            return
        for need in authorization.s3_needs(request):
            if not caller.may(need):
                raise access_denied(caller.refusal(need))

    def hides_absence(self, request: Request) -> bool:
        """Whether S3 answers 403 instead of 404: it tells only those what is missing who may list the bucket."""
        caller = self._of_s3(request)
        return caller is not None and not caller.may(("s3:ListBucket", f"arn:aws:s3:::{request.bucket}", {}))

    def around(self, service: str, application: WsgiApp) -> WsgiApp:
        """The application for a service other than S3, behind this door."""

        def behind(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            header = environ.get("HTTP_AUTHORIZATION", "")
            try:
                caller = self._caller(header, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
            except S3Fault:
                return _refuse(start_response, service, "The security token included in the request is expired")
            if caller is not None:
                for need in self._needs(service, environ):
                    if not caller.may(need):
                        return _refuse(start_response, service, caller.refusal(need))
            return application(environ, start_response)

        return behind

    def _of_s3(self, request: Request) -> Caller | None:
        header = request.headers.get("authorization") or f"Credential={request.query.get('X-Amz-Credential', '')}"
        return self._caller(header, session_token(request))

    def _caller(self, authorization_header: str, token: str | None) -> Caller | None:
        device = self._identities.device(token)
        if device is not None:
            policies = self._stack.roles.get(self._stack.aliases.get(device.role_alias, ""), [])
            return Caller(f"thing {device.thing} as {device.role_alias}", policies, device.thing)
        found = _ACCESS_KEY.search(authorization_header)
        if found is None or not found["key"].startswith(FUNCTION_KEY):
            return None
        name = found["key"].removeprefix(FUNCTION_KEY)
        roles = [function.role for function in self._stack.functions.values() if function.name == name]
        return Caller(f"function {name}", [policy for role in roles for policy in self._stack.roles.get(role, [])])

    def _needs(self, service: str, environ: dict[str, Any]) -> list[authorization.Need]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if service == "others":
            service = signed_service(environ) or service
        if service in _WITH_BODY:
            with_body_read(environ)
            text = environ["wsgi.input"].read()
            environ["wsgi.input"] = io.BytesIO(text)
            if service == "sns":
                return authorization.topic_needs(parse_qs(text.decode("utf-8", "replace")), self._stack.topic_keys)
            body = _object(text)
            if service == "secretsmanager":
                secret = str(body.get("SecretId") or body.get("Name") or "")
                return [authorization.secret_need(target, secret, self._arn)]
            if service == "sqs":
                return [authorization.queue_need(target, body, self._arn)]
            return [authorization.table_need(target, body, self._arn)]
        if service == "iotdata":
            shadow = parse_qs(environ.get("QUERY_STRING", "")).get("name", [None])[0]
            path = unquote(environ["PATH_INFO"])
            return [authorization.device_data_need(environ["REQUEST_METHOD"], path, shadow, self._arn)]
        return [(f"{service}:Anything", "*", {})]


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _refuse(start_response: Callable[..., Any], service: str, message: str) -> list[bytes]:
    log.info("refused service=%s reason=%s", service, message)
    iot = service == "iotdata"
    name, status = ("ForbiddenException", "403 Forbidden") if iot else ("AccessDeniedException", "400 Bad Request")
    body = json.dumps({"__type": name, "message": message}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ("x-amzn-ErrorType", name)])
    return [body]
