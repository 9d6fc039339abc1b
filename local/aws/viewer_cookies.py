"""What CloudFront does with signed cookies: is the policy signed by a key of the group, and does it allow this URL now?

As the developer guide has it ("Use signed cookies"): the policy is compared with the whole URL, with its query; `*` is
any text, `?` any letter; it holds until `DateLessThan` and from `DateGreaterThan` on. Pure but for the arithmetic.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_BACK = str.maketrans("-_~", "+=/")
NAMES = ("CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id")


def refusal(cookie_header: str, url: str, now_s: float, keys: Mapping[str, str]) -> str | None:
    """Why a URL may not be had with these cookies, by these public keys (PEM, by id); None when it may."""
    try:
        crumbs = {name: morsel.value for name, morsel in SimpleCookie(cookie_header).items()}
    except CookieError:
        crumbs = {}
    if not set(NAMES) <= set(crumbs):
        return "MissingKey"
    pem = keys.get(crumbs["CloudFront-Key-Pair-Id"])
    if pem is None:
        return "InvalidKey"
    try:
        text, signature = (base64.b64decode(crumbs[name].translate(_BACK), validate=True) for name in NAMES[:2])
        key = serialization.load_pem_public_key(pem.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            return "InvalidKey"
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - what CloudFront verifies
        (statement,) = json.loads(text)["Statement"]
    except (binascii.Error, InvalidSignature, ValueError, KeyError, TypeError):
        return "AccessDenied: the policy is not signed by a key of the group"
    return _against(statement, url, now_s)


def _against(statement: Mapping[str, Any], url: str, now_s: float) -> str | None:
    condition = statement.get("Condition", {})
    pattern = "".join(
        ".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in statement["Resource"]
    )
    if not re.fullmatch(pattern, url, re.DOTALL):
        return "AccessDenied: the policy is for other addresses"
    if now_s >= condition["DateLessThan"]["AWS:EpochTime"]:
        return "AccessDenied: the policy has ended"
    if now_s < condition.get("DateGreaterThan", {}).get("AWS:EpochTime", 0):
        return "AccessDenied: the policy has not begun"
    return None
