"""Tokens are taken as the authorizer of an HTTP API takes them, and the page's way to one works once."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from local.aws.sign_in import TOKEN_S, NotAllowed, SignIn
from local.aws.web_resources import Authorizer

NOW_S = 1_763_000_000.0
SIGN_IN = SignIn(Authorizer("https://issuer.example/pool", ("client-1",)))


def test_a_token_says_who_and_what() -> None:
    """Its claims come out as texts, the groups as API Gateway writes a list."""
    claims = SIGN_IN.claims(f"Bearer {SIGN_IN.token(['fleet', 'site:a'], 'ann', NOW_S)}", NOW_S)
    assert (claims["username"], claims["cognito:groups"], claims["token_use"]) == ("ann", "[fleet site:a]", "access")


@pytest.mark.parametrize(
    ("claims", "later_s", "why"),
    [
        ({}, TOKEN_S, "expired"),
        ({}, -100, "future"),
        ({"iss": "https://other.example/pool"}, 0, "another issuer"),
        ({"client_id": "client-2"}, 0, "another client"),
        ({"aud": "client-2"}, 0, "another client"),
    ],
)
def test_a_token_that_is_not_for_us(claims: dict[str, Any], later_s: int, why: str) -> None:
    """Each is refused with its reason, though it is signed."""
    with pytest.raises(NotAllowed, match=why):
        SIGN_IN.claims(SIGN_IN.token(["fleet"], "ann", NOW_S, **claims), NOW_S + later_s)


def test_a_token_that_nobody_signed() -> None:
    """Another's key, none at all, changed claims, nonsense."""
    other = SignIn(Authorizer("https://issuer.example/pool", ("client-1",))).token(["fleet"], "ann", NOW_S)
    head, body, signature = SIGN_IN.token(["site:a"], "ann", NOW_S).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    more = base64.urlsafe_b64encode(json.dumps({**claims, "cognito:groups": ["fleet"]}).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (other, "", "x", f"{head}.{more}.{signature}", f"{unsigned}.{body}.", f"{head}.{body}"):
        with pytest.raises(NotAllowed):
            SIGN_IN.claims(f"Bearer {token}", NOW_S)


def test_a_code_is_for_who_began_and_once() -> None:
    """Only the verifier whose hash was told redeems a code, and not twice."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"secret").digest()).decode().rstrip("=")
    code = SIGN_IN.code(challenge)
    assert SIGN_IN.claims(SIGN_IN.redeem(code, "secret", NOW_S)["access_token"], NOW_S)["cognito:groups"] == "[fleet]"
    for taken, verifier in ((code, "secret"), (SIGN_IN.code(challenge), "guess"), ("unknown", "secret")):
        with pytest.raises(NotAllowed):
            SIGN_IN.redeem(taken, verifier, NOW_S)
