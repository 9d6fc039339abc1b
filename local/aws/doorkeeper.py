"""Lets a site's devices do what their role allows and nothing else.

Requests with a device's session token are held against the policies of the role that its alias stands for. Whoever
comes with other credentials (the stand-in's own, or a role of STS) is let through: what this checks is the device's
role in the template, which no other place on this machine would.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from local.aws import authorization
from local.aws.http_server import WsgiApp, with_body_read
from local.aws.identities import Device, Identities
from local.aws.resources import Stack
from local.aws.s3.faults import S3Fault, access_denied
from local.aws.s3.request import Request
from local.aws.s3.signatures import session_token

log = logging.getLogger(__name__)


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
        """Raises AccessDenied when the sender is a device that may not do this."""
        device = self._identities.device(session_token(request))
        if device is None:
            return
        for need in authorization.s3_needs(request):
            if not self._may(device, need):
                raise access_denied(_told(device, need))

    def hides_absence(self, request: Request) -> bool:
        """Whether S3 answers 403 instead of 404: it tells only those what is missing who may list the bucket."""
        device = self._identities.device(session_token(request))
        listing: authorization.Need = ("s3:ListBucket", f"arn:aws:s3:::{request.bucket}", {})
        return device is not None and not self._may(device, listing)

    def around(self, service: str, application: WsgiApp) -> WsgiApp:
        """The application for a service other than S3, behind this door."""

        def behind(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            try:
                device = self._identities.device(environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
            except S3Fault:
                return _refuse(start_response, service, "The security token included in the request is expired")
            if device is not None:
                need = self._need(service, environ)
                if not self._may(device, need):
                    return _refuse(start_response, service, _told(device, need))
            return application(environ, start_response)

        return behind

    def _need(self, service: str, environ: dict[str, Any]) -> authorization.Need:
        if service == "secretsmanager":
            with_body_read(environ)
            body = environ["wsgi.input"].read()
            environ["wsgi.input"] = io.BytesIO(body)
            return authorization.secret_need(environ.get("HTTP_X_AMZ_TARGET", ""), _secret_id(body), self._arn)
        if service == "iotdata":
            shadow = parse_qs(environ.get("QUERY_STRING", "")).get("name", [None])[0]
            path = unquote(environ["PATH_INFO"])
            return authorization.device_data_need(environ["REQUEST_METHOD"], path, shadow, self._arn)
        return f"{service}:Anything", "*", {}

    def _may(self, device: Device, need: authorization.Need) -> bool:
        action, resource, context = need
        policies = self._stack.roles.get(self._stack.aliases.get(device.role_alias, ""), [])
        return authorization.allows(policies, action, resource, device.thing, context)


def _secret_id(body: bytes) -> str:
    try:
        named = json.loads(body)
    except ValueError:
        return ""
    return str(named.get("SecretId") or named.get("Name") or "") if isinstance(named, Mapping) else ""


def _told(device: Device, need: authorization.Need) -> str:
    action, resource, _ = need
    return f"thing {device.thing} as {device.role_alias} is not authorized to perform {action} on resource {resource}"


def _refuse(start_response: Callable[..., Any], service: str, message: str) -> list[bytes]:
    log.info("device_refused service=%s reason=%s", service, message)
    name, status = (
        ("ForbiddenException", "403 Forbidden")
        if service == "iotdata"
        else ("AccessDeniedException", "400 Bad Request")
    )
    body = json.dumps({"__type": name, "message": message}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ("x-amzn-ErrorType", name)])
    return [body]
