"""Makes the cookies by which CloudFront lets somebody read a site's media, and nothing else of the bucket. Pure.

The policy names one address with a wildcard at its end: CloudFront compares it with the whole URL, with what comes
after `?` too, so that a wildcard further in front would let a query open other sites.

What is signed, and how it is written, is CloudFront's (developer guide, "Setting signed cookies using a custom
policy"): RSA with SHA-1, base64 with `+=/` as `-_~`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from components.shared.wire.object_keys import site_prefix

_SAFE = str.maketrans("+=/", "-_~")


def policy(host: str, site: str, expires_s: int) -> str:
    """What the cookies allow: everything below a site's prefix until they expire."""
    resource = f"https://{host}/{site_prefix(site)}*"
    statement = {"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": expires_s}}}
    return json.dumps({"Statement": [statement]}, separators=(",", ":"))


def cookies(
    host: str, site: str, now_s: int, lasts_s: int, key_id: str, sign: Callable[[bytes], bytes]
) -> tuple[str, ...]:
    """The three cookies, as values of `Set-Cookie`. `sign` is RSA (PKCS #1, version 1.5) with SHA-1."""
    text = policy(host, site, now_s + lasts_s).encode()
    values = {
        "CloudFront-Policy": _written(text),
        "CloudFront-Signature": _written(sign(text)),
        "CloudFront-Key-Pair-Id": key_id,
    }
    kept = f"Path=/{site_prefix(site)}; Max-Age={lasts_s}; Secure; HttpOnly; SameSite=Strict"
    return tuple(f"{name}={value}; {kept}" for name, value in values.items())


def _written(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(_SAFE)
