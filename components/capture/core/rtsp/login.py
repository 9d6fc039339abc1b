"""Answers to a camera's challenge: Digest with MD5 or SHA-256, with and without qop, and Basic.

Digest is preferred; Basic is only answered when nothing better is offered. The client's nonce is an argument.
Sources: RFC 7616 (Digest), RFC 2069 (its old form, of old firmware), RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.shared.wire.secret import Secret

_FIELD = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    # MD5 is what the protocol prescribes and most cameras know nothing else; it guards no secret of ours on disk.
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a camera asks to be answered. `algorithm` is `basic` or a hash's name."""

    algorithm: str
    realm: str
    nonce: str = ""
    opaque: str | None = None
    has_qop: bool = False
    is_stale: bool = False


def choose_challenge(headers: Sequence[str]) -> Challenge | None:
    """The best of the challenges in these WWW-Authenticate headers; None when none can be answered."""
    found = [challenge for header in headers if (challenge := _parse(header)) is not None]
    order = ("sha-256", "md5", "basic")
    return min(found, key=lambda challenge: order.index(challenge.algorithm), default=None)


def authorization(challenge: Challenge, login: Secret, method: str, url: str, count: int, client_nonce: str) -> str:
    """The Authorization header of a request by `user:password`; `count` is how often the nonce was used, from 1."""
    user, _, password = login.reveal().partition(":")
    if challenge.algorithm == "basic":
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    digest = _HASHES[challenge.algorithm]
    account = digest(f"{user}:{challenge.realm}:{password}".encode())
    action = digest(f"{method}:{url}".encode())
    fields = {"username": user, "realm": challenge.realm, "nonce": challenge.nonce, "uri": url}
    counted = ""
    if challenge.has_qop:
        counted = f"{count:08x}"
        response = digest(f"{account}:{challenge.nonce}:{counted}:{client_nonce}:auth:{action}".encode())
    else:
        response = digest(f"{account}:{challenge.nonce}:{action}".encode())
    fields["response"] = response
    text = ", ".join(f'{name}="{_quoted(value)}"' for name, value in fields.items())
    if challenge.algorithm != "md5":
        text += f", algorithm={challenge.algorithm.upper()}"
    if challenge.opaque is not None:
        text += f', opaque="{_quoted(challenge.opaque)}"'
    if challenge.has_qop:
        text += f', qop=auth, nc={counted}, cnonce="{client_nonce}"'
    return "Digest " + text


def _parse(header: str) -> Challenge | None:
    scheme, _, rest = header.strip().partition(" ")
    fields = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _FIELD.findall(rest)
    }
    if scheme.lower() == "basic":
        return Challenge("basic", fields.get("realm", ""))
    algorithm = fields.get("algorithm", "MD5").lower()
    if scheme.lower() != "digest" or algorithm not in _HASHES or not fields.get("nonce"):
        return None
    offers = [offer.strip().lower() for offer in fields.get("qop", "").split(",")]
    return Challenge(
        algorithm=algorithm,
        realm=fields.get("realm", ""),
        nonce=fields["nonce"],
        opaque=fields.get("opaque"),
        has_qop="auth" in offers,
        is_stale=fields.get("stale", "").lower() == "true",
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
