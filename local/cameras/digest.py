"""Digest authentication as a camera asks for it: the challenge, and whether an answer proves the password.

MD5 with a nonce, with qop=auth (RFC 7616) or without (RFC 2069), as the client chose among what was
offered. It keeps no state: who calls it remembers which nonces are out.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True)
class Account:
    """Who may watch: an empty user means everybody."""

    realm: str
    user: str
    password: str = field(repr=False)
    offers_qop: bool = True


def fresh_nonce() -> str:
    """A nonce that nobody has seen before."""
    return secrets.token_hex(16)


def challenge(account: Account, nonce: str, *, is_stale: bool = False) -> str:
    """The value of a WWW-Authenticate header; `is_stale` says that only the nonce of the answer was too old."""
    text = f'Digest realm="{account.realm}", nonce="{nonce}", algorithm=MD5'
    if is_stale:
        text += ", stale=true"
    return f'{text}, qop="auth"' if account.offers_qop else text


def is_authorized(account: Account, header: str, method: str, nonces: Collection[str]) -> bool:
    """Whether the Authorization header answers one of the nonces with the right user and password."""
    if not account.user:
        return True
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return False
    given = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(rest)}
    if given.get("nonce") not in nonces or given.get("username") != account.user:
        return False
    if given.get("algorithm", "MD5").upper() != "MD5" or given.get("qop", "auth") != "auth":
        return False
    return hmac.compare_digest(given.get("response", "").lower(), _response(account, given, method))


def _response(account: Account, given: dict[str, str], method: str) -> str:
    secret = _md5(f"{account.user}:{account.realm}:{account.password}")
    request = _md5(f"{method}:{given.get('uri', '')}")
    if "qop" in given:
        middle = f"{given['nonce']}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
    else:
        middle = given["nonce"]
    return _md5(f"{secret}:{middle}:{request}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
