"""Who people are, in the place of Cognito: signs tokens, and checks them as the authorizer of an HTTP API does.

The page signs people in by OAuth (code with PKCE) as it does in AWS; here everybody is let in, as `local` in the group
`fleet`. `POST /_local/tokens {"groups": [...]}` gives a token of any other groups.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.aws.web_resources import Authorizer

TOKEN_S = 3600
CODES_MAX = 100  # of people who have begun to sign in


class NotAllowed(Exception):  # noqa: N818
    """A token, or a step of signing in, that is refused; the text says why."""


class SignIn:
    """One issuer with a key of this process."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._codes: dict[str, str] = {}  # the challenge by the code
        self._lock = threading.Lock()

    @property
    def client_id(self) -> str:
        """As whom the page signs people in."""
        return self._authorizer.audiences[0]

    def token(self, groups: list[str], user: str, now_s: float, **claims: Any) -> str:
        """An access token as Cognito gives it; `claims` replace its own."""
        told = {
            "iss": self._authorizer.issuer,
            "client_id": self.client_id,
            "sub": user,
            "username": user,
            "token_use": "access",
            "cognito:groups": groups,
            "iat": int(now_s),
            "exp": int(now_s) + TOKEN_S,
            **claims,
        }
        signed = f"{_packed({'alg': 'RS256', 'kid': 'local'})}.{_packed(told)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_written(signature)}"

    def claims(self, header: str, now_s: float) -> dict[str, str]:
        """The claims of a token in the header Authorization, as texts, as the authorizer tells them. NotAllowed."""
        token = header.removeprefix("Bearer ").strip()
        head, _, rest = token.partition(".")
        body, _, signature = rest.partition(".")
        try:
            if json.loads(_read(head)).get("alg") != "RS256":
                raise NotAllowed("the token is not signed by RS256")
            self._key.public_key().verify(
                _read(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            told: Mapping[str, Any] = json.loads(_read(body))
        except (binascii.Error, InvalidSignature, ValueError, AttributeError) as error:
            raise NotAllowed("the token is none of ours") from error
        if told.get("iss") != self._authorizer.issuer:
            raise NotAllowed("the token is of another issuer")
        if told.get("aud", told.get("client_id")) not in self._authorizer.audiences:
            raise NotAllowed("the token is for another client")
        if not told.get("iat", 0) - 60 <= now_s < told.get("exp", 0):
            raise NotAllowed("the token has expired, or is of the future")
        return {name: _as_text(value) for name, value in told.items()}

    def code(self, challenge: str) -> str:
        """The first step of signing in: a code for who can prove the challenge."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = challenge
            while len(self._codes) > CODES_MAX:
                del self._codes[next(iter(self._codes))]
        return code

    def redeem(self, code: str, verifier: str, now_s: float) -> dict[str, Any]:
        """The second: the code and the proof for a token, once."""
        with self._lock:
            challenge = self._codes.pop(code, None)
        if challenge is None or _written(hashlib.sha256(verifier.encode()).digest()) != challenge:
            raise NotAllowed("the code is not known, was used, or is somebody else's")
        token = self.token(["fleet"], "local", now_s)
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S}


def _as_text(value: Any) -> str:
    """A claim as API Gateway hands it on: lists as `[a b]`."""
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _packed(value: Mapping[str, Any]) -> str:
    return _written(json.dumps(value, separators=(",", ":")).encode())


def _written(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
