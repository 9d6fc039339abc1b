"""The credential provider: temporary credentials that name their thing; pure.

Developer guide, "Authorizing direct calls to AWS services using AWS IoT Core credential provider". Nothing here is
secret and nothing is remembered: the session token itself says for whom and until when, so that whoever receives a
request can tell its sender (`grant_in`), after a restart too. Do not mistake it for protection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

VALIDITY_S = 3_600  # a role alias's default
_TOKEN_MARK = "edgenvr-local."  # noqa: S105  it marks our tokens; no secret


@dataclass(frozen=True, slots=True)
class Grant:
    """Whose credentials these are."""

    thing: str
    role_alias: str
    expires_s: int


def issue(grant: Grant) -> dict[str, str]:
    """Return the credentials in the provider's words."""
    body = json.dumps([grant.thing, grant.role_alias, grant.expires_s], separators=(",", ":")).encode()
    digest = hashlib.sha256(body).digest()
    return {
        "accessKeyId": "ASIA" + base64.b32encode(digest[:10]).decode(),
        "secretAccessKey": base64.urlsafe_b64encode(digest[:30]).decode(),
        "sessionToken": _TOKEN_MARK + base64.urlsafe_b64encode(body).decode(),
        "expiration": datetime.fromtimestamp(grant.expires_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def grant_in(session_token: str) -> Grant | None:
    """Return what a session token says; None when it is not one of ours."""
    if not session_token.startswith(_TOKEN_MARK):
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(session_token.removeprefix(_TOKEN_MARK)))
        thing, role_alias, expires_s = body
    except (binascii.Error, ValueError, TypeError):
        return None
    if not isinstance(thing, str) or not isinstance(role_alias, str) or not isinstance(expires_s, int):
        return None
    return Grant(thing, role_alias, expires_s)
