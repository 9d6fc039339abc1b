"""The door for people: does with a request what the template's distribution and HTTP API do, on plain HTTP.

    by its path to a behaviour > cookies, if it has key groups > its origin: a bucket, or the API
    API: the route > its authorizer's token > the function

What a bucket's policy does not allow the distribution is refused, as in AWS. CloudFront answers people over TLS only:
policies of cookies are compared with the address as `https`. Nothing is cached. Beside the template's own there are

    /config.json                    what the page has to know, which a deployment puts into the bucket
    /oauth2/authorize, /token       signing in (see `sign_in`);   /_local/tokens  a token for tests
"""

from __future__ import annotations

import fnmatch
import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from botocore.exceptions import ClientError

from local.aws import authorization, viewer_cookies
from local.aws.http_server import HEADERS_KEY
from local.aws.lambda_process import FunctionFault
from local.aws.sign_in import NotAllowed, SignIn
from local.aws.web_resources import Behavior, Web

log = logging.getLogger(__name__)

Call = Callable[[str, Mapping[str, Any]], Any]
"""Calls the function of an ARN with an event; FunctionFault."""

Start = Callable[..., Any]
BODY_BYTES_MAX = 10 << 20  # of a request for the API, as in AWS
CHUNK_BYTES = 256 << 10
_PASSED_ON = ("ContentLength", "ContentType", "ContentRange", "ETag", "LastModified", "AcceptRanges")
_HEADERS = ("Content-Length", "Content-Type", "Content-Range", "ETag", "Last-Modified", "Accept-Ranges")


class WebDoor:
    """The application. `s3` is a client with all rights: what may be read is decided here."""

    def __init__(self, web: Web, s3: Any, call: Call, now_s: Callable[[], float] = time.time) -> None:
        (self._distribution,) = web.distributions
        self._web = web
        self._s3 = s3
        self._call = call
        self._now_s = now_s
        self._sign_ins = {name: SignIn(authorizer) for name, authorizer in web.authorizers.items()}
        self._policies: dict[str, dict[str, Any]] = {}  # of buckets: the template's, which nobody changes while it runs
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def figures(self) -> dict[str, int]:
        """How many requests had which answer."""
        with self._lock:
            return dict(self._counts)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answers one request."""

        def counted(status: str, headers: list[tuple[str, str]]) -> None:
            with self._lock:
                self._counts[status[:3]] += 1
            start_response(status, headers)

        own = self._own(environ, counted)
        if own is not None:
            return own
        path = environ["PATH_INFO"]
        behavior = next(one for one in self._distribution.behaviors if fnmatch.fnmatchcase(path, one.pattern))
        if environ["REQUEST_METHOD"] not in behavior.methods:
            return _json(counted, "403 Forbidden", {"message": "this method is not allowed here"})
        if behavior.key_groups:
            why = self._cookies_refused(environ, behavior)
            if why is not None:
                return _json(counted, "403 Forbidden", {"message": why})
        origin = self._distribution.origins[behavior.origin]
        if ".s3." in origin:
            return self._from_bucket(environ, counted, origin.partition(".s3.")[0], behavior.headers)
        return self._from_api(environ, counted, tells_host=bool(behavior.functions))

    def _cookies_refused(self, environ: Mapping[str, Any], behavior: Behavior) -> str | None:
        keys = {key: self._web.keys[key] for group in behavior.key_groups for key in self._web.key_groups[group]}
        url = f"https://{environ.get('HTTP_HOST', '')}{environ['RAW_URI']}"
        return viewer_cookies.refusal(environ.get("HTTP_COOKIE", ""), url, self._now_s(), keys)

    # ------------------------------------------------------------------------------------------ buckets

    def _from_bucket(
        self, environ: Mapping[str, Any], start_response: Start, bucket: str, added: Mapping[str, str]
    ) -> Iterable[bytes]:
        key = environ["PATH_INFO"].lstrip("/").encode("latin-1").decode() or self._distribution.root_object
        if not self._may_read(bucket, key):
            return _json(start_response, "403 Forbidden", {"message": "the bucket's policy does not allow it"})
        asked = {"Range": environ["HTTP_RANGE"]} if "HTTP_RANGE" in environ else {}
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key, **asked)
        except ClientError as error:
            code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # Who may not list a bucket is not told what is missing.
            status = {404: "403 Forbidden", 416: "416 Requested Range Not Satisfiable"}.get(code, "502 Bad Gateway")
            return _json(start_response, status, {"message": error.response["Error"]["Code"]})
        headers = [
            (name, _header(found[field]))
            for name, field in zip(_HEADERS, _PASSED_ON, strict=True)
            if found.get(field) is not None
        ]
        headers += added.items()
        start_response("206 Partial Content" if "ContentRange" in found else "200 OK", headers)
        return found["Body"].iter_chunks(CHUNK_BYTES)  # type: ignore[no-any-return]

    def _may_read(self, bucket: str, key: str) -> bool:
        if bucket not in self._policies:
            try:
                self._policies[bucket] = json.loads(self._s3.get_bucket_policy(Bucket=bucket)["Policy"])
            except ClientError:
                return False
        own = [one for one in self._policies[bucket]["Statement"] if _service(one) == "cloudfront.amazonaws.com"]
        context = {"AWS:SourceArn": [self._distribution.arn]}
        resource = f"arn:aws:s3:::{bucket}/{key}"
        return authorization.allows([{"Statement": own}], "s3:GetObject", resource, "", context)

    # ------------------------------------------------------------------------------------------ API

    def _from_api(self, environ: dict[str, Any], start_response: Start, tells_host: bool) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        for route in self._web.routes:
            wanted, _, form = route.key.partition(" ")
            found = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(form)), path)
            if wanted != method or found is None:
                continue
            claims: dict[str, str] | None = None
            if route.authorizer is not None:
                try:
                    header = environ.get("HTTP_AUTHORIZATION", "")
                    claims = self._sign_ins[route.authorizer].claims(header, self._now_s())
                except NotAllowed as error:
                    log.info("token_refused path=%s why=%s", path, error)
                    return _json(start_response, "401 Unauthorized", {"message": "Unauthorized"})
            event = self._event(environ, route.key, path, found.groupdict(), claims, tells_host)
            return self._called(self._web.functions[route.target], event, start_response)
        return _json(start_response, "404 Not Found", {"message": "Not Found"})

    def _event(
        self,
        environ: dict[str, Any],
        route: str,
        path: str,
        parameters: dict[str, str],
        claims: dict[str, str] | None,
        tells_host: bool,
    ) -> dict[str, Any]:
        headers = {
            name.lower(): value for name, value in environ[HEADERS_KEY] if name.lower() not in {"host", "cookie"}
        }
        if tells_host:
            headers["x-viewer-host"] = environ.get("HTTP_HOST", "")
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        authorizer = {"authorizer": {"jwt": {"claims": claims, "scopes": None}}} if claims is not None else {}
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": environ["QUERY_STRING"],
            "headers": headers,
            "requestContext": {"http": {"method": environ["REQUEST_METHOD"], "path": path}, **authorizer},
            "isBase64Encoded": False,
        }
        return {
            **event,
            **({"queryStringParameters": query} if query else {}),
            **({"pathParameters": parameters} if parameters else {}),
        }

    def _called(self, function: str, event: Mapping[str, Any], start_response: Start) -> Iterable[bytes]:
        try:
            answer = self._call(function, event)
            body = answer.get("body", "").encode()
            headers = [(name, str(value)) for name, value in answer.get("headers", {}).items()]
            headers += [("set-cookie", cookie) for cookie in answer.get("cookies", ())]
            status = int(answer["statusCode"])
        except (FunctionFault, AttributeError, KeyError, TypeError, ValueError):
            log.exception("function_failed function=%s", function)
            return _json(start_response, "500 Internal Server Error", {"message": "Internal Server Error"})
        start_response(f"{status} Answered", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    # ------------------------------------------------------------------------------------------ this door's own

    def _own(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes] | None:
        sign_in = next(iter(self._sign_ins.values()))
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        path = str(environ["PATH_INFO"])
        request = (environ["REQUEST_METHOD"], path)
        if request == ("GET", "/config.json"):
            told = {"client_id": sign_in.client_id, "authorize": "/oauth2/authorize", "token": "/oauth2/token"}
            return _json(start_response, "200 OK", told)
        if request == ("GET", "/oauth2/authorize"):
            back = {"code": sign_in.code(query.get("code_challenge", "")), "state": query.get("state", "")}
            # Only to this door's own page, as the client's CallbackURLs say.
            start_response(
                "302 Found", [("Location", f"/?{urlencode(back, quote_via=quote)}"), ("Content-Length", "0")]
            )
            return [b""]
        if request not in {("POST", "/oauth2/token"), ("POST", "/_local/tokens")}:
            return None
        text = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), BODY_BYTES_MAX)).decode()
        if path == "/_local/tokens":
            told = {"access_token": sign_in.token(**{"user": "somebody", **json.loads(text)}, now_s=self._now_s())}
            return _json(start_response, "200 OK", told)
        form = dict(parse_qsl(text))
        try:
            token = sign_in.redeem(form.get("code", ""), form.get("code_verifier", ""), self._now_s())
        except NotAllowed as error:
            return _json(start_response, "400 Bad Request", {"error": "invalid_grant", "why": str(error)})
        return _json(start_response, "200 OK", token)


def for_template(web: Web, s3: Any, call: Call) -> WebDoor | None:
    """The door of a template that has a distribution; None for one that has none."""
    return WebDoor(web, s3, call) if web.distributions else None


def _service(statement: Mapping[str, Any]) -> str | None:
    principal = statement.get("Principal")
    return principal.get("Service") if isinstance(principal, Mapping) else None


def _header(value: Any) -> str:
    return f"{value:%a, %d %b %Y %H:%M:%S GMT}" if hasattr(value, "strftime") else str(value)


def _json(start_response: Start, status: str, answer: Mapping[str, Any]) -> list[bytes]:
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
