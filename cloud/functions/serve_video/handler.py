"""Called by API Gateway with each request of the HTTP API (payload format 2.0)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cloud import aws_clients
from cloud.function_log import Call, begin, tell
from cloud.functions.serve_video import cookies, core
from cloud.functions.serve_video.request import Refused, read
from cloud.index_queries import IndexReader

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

COMPONENT = "serve_video"
COOKIES_S = 3600
"""How long media can be read after they were granted: as long as a token of Cognito holds."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to, and by what its cookies are signed."""

    index: IndexReader
    secrets: SecretsManagerClient
    key_secret: str
    key_id: str


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(
        IndexReader(aws_clients.dynamodb(), aws_clients.table()),
        aws_clients.secrets(),
        os.environ["MEDIA_KEY_ARN"],
        os.environ["MEDIA_KEY_ID"],
    )


@cache
def signer() -> Callable[[bytes], bytes]:
    """Signs with the media key; fetched at the first grant and kept as long as this process."""
    speak = doors()
    pem = speak.secrets.get_secret_value(SecretId=speak.key_secret)["SecretString"]
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"secret {speak.key_secret} is no RSA key, which is what CloudFront's cookies are signed with")
    # SHA-1 is what CloudFront verifies (developer guide, "Code examples for creating a signature").
    return lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303


def handle(event: Mapping[str, Any], context: Call) -> dict[str, Any]:
    """Answers one request. What is wrong with it is an answer too; what fails here is an error of the function."""
    begin(context)
    try:
        asked = read(event)
        answer = core.answer(asked, doors().index, grant)
        viewer = asked.viewer.name
    except Refused as refused:
        answer, viewer = core.refusal(refused), "?"
    fields = {"route": event.get("routeKey"), "status": answer.status, "viewer": viewer, "bytes": len(answer.body)}
    tell(COMPONENT, logging.INFO, "request_answered", {**fields, "path": event.get("rawPath")})
    return {
        "statusCode": answer.status,
        "headers": {"content-type": answer.kind, "cache-control": "no-store", **answer.headers},
        "cookies": list(answer.cookies),
        "body": answer.body,
    }


def grant(host: str, site: str) -> tuple[str, ...]:
    """The cookies for a site's media on a host."""
    return cookies.cookies(host, site, int(time.time()), COOKIES_S, doors().key_id, signer())
