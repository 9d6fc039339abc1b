"""The HTTP side as a WSGI application: the iot-data API and the credential provider.

Paths, parameters, statuses and error names are those of the `iot-data` service (API version 2015-05-28), so that an
AWS SDK raises its own exceptions. Signatures are not checked, but credentials of ours that have expired are refused.
Offline it behaves as a host that is not there: under werkzeug's server the connection is cut without an answer,
under another server the answer is 503.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from local.iot_core import credentials, topics
from local.iot_core.credentials import Grant
from local.iot_core.message import Message
from local.iot_core.shadow import Json, JsonObject, Refused
from local.iot_core.shadow_service import THING_NAME, ShadowService

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_BYTES_MAX = 131_072  # the largest payload that IoT Core takes

_log = logging.getLogger(__name__)

# status: the exception's name in the iot-data API
_ERRORS = {
    400: "InvalidRequestException",
    401: "UnauthorizedException",
    403: "ForbiddenException",
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictException",
    413: "RequestEntityTooLargeException",
    415: "UnsupportedDocumentEncodingException",
    429: "ThrottlingException",
    500: "InternalFailureException",
    503: "ServiceUnavailableException",
}
_SHADOW = re.compile(r"/things/([^/]+)/shadow")
_NAMES = re.compile(r"/api/things/shadow/ListNamedShadowsForThing/([^/]+)")
_TOPIC = re.compile(r"/topics/(.+)")
_CREDENTIALS = re.compile(r"/role-aliases/([^/]+)/credentials")


def serves(path: str) -> bool:
    """Tell whether a request path belongs to this application, so that it can share a port with others."""
    return any(pattern.fullmatch(path) for pattern in (_SHADOW, _NAMES, _TOPIC, _CREDENTIALS))


class IotDataApp:
    """A WSGI application; call it from as many threads as you like."""

    def __init__(
        self,
        shadows: ShadowService,
        publish: Callable[[Message], None],
        may_publish: Callable[[str], bool],
        now_s: Callable[[], int],
        is_online: Callable[[], bool],
        credentials_validity_s: int,
    ) -> None:
        self._shadows = shadows
        self._publish = publish
        self._may_publish = may_publish
        self._now_s = now_s
        self._is_online = is_online
        self._credentials_validity_s = credentials_validity_s

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not self._is_online():
            connection = environ.get("werkzeug.socket")
            if isinstance(connection, socket.socket):
                with contextlib.suppress(OSError):  # the client may have gone first
                    connection.shutdown(socket.SHUT_RDWR)
            return _answer(start_response, 503, {"message": "offline"})
        try:
            body = self._route(environ)
        except Refused as refusal:
            return _answer(start_response, refusal.code, {"message": refusal.message})
        except OSError:  # a full disk, say
            _log.exception("iot_data_request_failed path=%s", environ.get("PATH_INFO"))
            return _answer(start_response, 500, {"message": "Internal service failure"})
        return _answer(start_response, 200, body)

    def _route(self, environ: WSGIEnvironment) -> Json:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        method = environ["REQUEST_METHOD"]
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", ""), True).items()}
        self._refuse_expired(environ)
        if found := _SHADOW.fullmatch(path):
            return self._shadow(method, found[1], query.get("name"), environ)
        if found := _NAMES.fullmatch(path):
            _expect(method, "GET")
            return self._shadows.names(found[1], _number(query, "pageSize"), query.get("nextToken"))
        if found := _TOPIC.fullmatch(path):
            _expect(method, "POST")
            return self._publish_to(found[1], query, environ)
        if found := _CREDENTIALS.fullmatch(path):
            _expect(method, "GET")
            return self._credentials(found[1], environ.get("HTTP_X_AMZN_IOT_THINGNAME", ""))
        raise Refused(404, f"no such resource: {path}")

    def _refuse_expired(self, environ: WSGIEnvironment) -> None:
        grant = credentials.grant_in(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
        if grant is not None and grant.expires_s <= self._now_s():
            raise Refused(403, "The security token included in the request is expired")

    def _shadow(self, method: str, thing: str, name: str | None, environ: WSGIEnvironment) -> Json:
        if method == "GET":
            return self._shadows.get(thing, name)
        if method == "POST":
            return self._shadows.update(thing, name, _body(environ))
        _expect(method, "DELETE")
        return self._shadows.delete(thing, name)

    def _publish_to(self, topic: str, query: Mapping[str, str], environ: WSGIEnvironment) -> Json:
        fault = topics.fault_in_topic(topic)
        qos = _number(query, "qos") or 0
        if fault is None and qos not in (0, 1):
            fault = f"qos is {qos}, it must be 0 or 1"
        if fault is not None:
            raise Refused(400, fault)
        if not self._may_publish(topic):
            raise Refused(401, f"topic {topic} belongs to the service")
        self._publish(Message(topic, _body(environ), qos))
        return {"message": "OK"}

    def _credentials(self, role_alias: str, thing: str) -> Json:
        if THING_NAME.fullmatch(thing) is None:
            raise Refused(400, "Invalid thing name passed")
        grant = Grant(thing, role_alias, self._now_s() + self._credentials_validity_s)
        issued: JsonObject = dict(credentials.issue(grant))
        return {"credentials": issued}


def _expect(method: str, due: str) -> None:
    if method != due:
        raise Refused(405, f"method {method} is not allowed here")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise Refused(400, f"{name} is not a number: {text!r}")
    return int(text)


def _body(environ: Mapping[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_BYTES_MAX:
        raise Refused(413, f"body of {length} bytes, at most {BODY_BYTES_MAX} are taken")
    body: bytes = environ["wsgi.input"].read(length)
    return body


def _answer(start_response: StartResponse, code: int, body: Json) -> Iterable[bytes]:
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(raw)))]
    if code != 200:
        headers.append(("x-amzn-ErrorType", _ERRORS[code]))
    start_response(f"{code} {HTTPStatus(code).phrase}", headers)
    return [raw]
