"""Whether a request to S3 was signed by whom it says, and in time. Pure.

Signature version 4, in headers or in the address (presigned). The rules are S3's own: the path is signed as it is
sent, not normalised. A signature is checked whenever the secret of its key is known; an unknown key is refused in an
address and in a header alike.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from local.aws.s3.faults import S3Fault, access_denied
from local.aws.s3.request import Request

EXPIRES_S_MAX = 604_800  # a presigned address lives a week at most
SKEW_S_MAX = 900  # a request's clock may differ by 15 minutes
_ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})"
)

SecretOf = Callable[[str, str | None], str | None]
"""The secret of an access key (and its session token), None when nobody gave out such a key."""


@dataclass(frozen=True, slots=True)
class _Signed:
    credential: str
    headers: tuple[str, ...]
    signature: str
    stamp: str
    token: str | None
    payload: str
    query: tuple[tuple[str, str], ...]


def check(request: Request, secret_of: SecretOf, now: datetime) -> None:
    """Returns when the request is signed rightly and in time, else raises what S3 answers."""
    query = tuple(parse_qsl(request.raw_query, keep_blank_values=True))
    parameters = dict(query)
    if "X-Amz-Signature" in parameters:
        signed = _from_query(request, query, parameters, now)
    elif "authorization" in request.headers:
        signed = _from_headers(request, query, now)
    else:
        raise access_denied()
    parts = signed.credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or parts[1] != signed.stamp[:8]:
        raise S3Fault(400, "AuthorizationHeaderMalformed", f"The credential {signed.credential!r} is malformed")
    secret = secret_of(parts[0], signed.token)
    if secret is None:
        raise S3Fault(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if not hmac.compare_digest(_signature(request, signed, secret, parts), signed.signature):
        raise S3Fault(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and"
            " signing method.",
        )


def session_token(request: Request) -> str | None:
    """The session token of a request, wherever it stands."""
    return request.headers.get("x-amz-security-token") or request.query.get("X-Amz-Security-Token")


def _from_query(
    request: Request, query: tuple[tuple[str, str], ...], parameters: Mapping[str, str], now: datetime
) -> _Signed:
    try:
        stamp = parameters["X-Amz-Date"]
        begin = _moment(stamp)
        expires_s = int(parameters["X-Amz-Expires"])
        headers = tuple(parameters["X-Amz-SignedHeaders"].split(";"))
        credential = parameters["X-Amz-Credential"]
    except (KeyError, ValueError) as error:
        raise S3Fault(
            400, "AuthorizationQueryParametersError", f"A parameter of the presigned address is amiss: {error}"
        ) from error
    if parameters.get("X-Amz-Algorithm") != _ALGORITHM or not 1 <= expires_s <= EXPIRES_S_MAX:
        raise S3Fault(400, "AuthorizationQueryParametersError", "X-Amz-Algorithm or X-Amz-Expires is not allowed")
    if now > begin + timedelta(seconds=expires_s):
        raise access_denied("Request has expired")
    if begin > now + timedelta(seconds=SKEW_S_MAX):
        raise access_denied("Request is not valid yet")
    return _Signed(
        credential=credential,
        headers=headers,
        signature=parameters["X-Amz-Signature"],
        stamp=stamp,
        token=session_token(request),
        payload=request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        query=tuple(pair for pair in query if pair[0] != "X-Amz-Signature"),
    )


def _from_headers(request: Request, query: tuple[tuple[str, str], ...], now: datetime) -> _Signed:
    found = _HEADER.match(request.headers["authorization"])
    if found is None:
        raise S3Fault(400, "AuthorizationHeaderMalformed", "The authorization header is malformed")
    stamp = request.headers.get("x-amz-date", "")
    try:
        skew = abs(now - _moment(stamp))
    except ValueError as error:
        raise access_denied("AWS authentication requires a valid Date or x-amz-date header") from error
    if skew > timedelta(seconds=SKEW_S_MAX):
        raise S3Fault(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        raise S3Fault(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    return _Signed(
        credential=found["credential"],
        headers=tuple(found["headers"].split(";")),
        signature=found["signature"],
        stamp=stamp,
        token=session_token(request),
        payload=payload,
        query=query,
    )


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _signature(request: Request, signed: _Signed, secret: str, parts: list[str]) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.headers)
    canonical = "\n".join(
        [
            request.method,
            request.raw_path,
            "&".join(f"{name}={value}" for name, value in sorted((_quoted(n), _quoted(v)) for n, v in signed.query)),
            headers,
            ";".join(signed.headers),
            signed.payload,
        ]
    )
    scope = "/".join(parts[1:])
    text = "\n".join([_ALGORITHM, signed.stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in parts[1:]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
