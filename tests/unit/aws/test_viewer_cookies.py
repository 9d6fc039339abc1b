"""Signed cookies are judged as CloudFront does, on cookies that the product's own function makes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cloud.functions.serve_video.cookies import cookies
from local.aws.viewer_cookies import refusal

NOW_S, LASTS_S = 1_763_000_000, 3600
KEY, OTHER = (rsa.generate_private_key(public_exponent=65_537, key_size=2048) for _ in range(2))
KEYS = {
    "K1": KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
}
URL = "https://video.example/sites/site-1/cameras/front/a.mp4"


def signed(key: rsa.RSAPrivateKey = KEY, key_id: str = "K1", site: str = "site-1") -> str:
    """What a browser sends back."""
    made = cookies(
        "video.example",
        site,
        NOW_S,
        LASTS_S,
        key_id,
        lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA1()),
    )
    return "; ".join(one.partition(";")[0] for one in made)


def test_what_was_granted_is_let_through_until_it_ends() -> None:
    """Everything below the site's prefix, whatever the query, from now to the last second."""
    for url in (URL, f"{URL}?x=1", "https://video.example/sites/site-1/"):
        assert refusal(signed(), url, NOW_S, KEYS) is None
    assert refusal(signed(), URL, NOW_S + LASTS_S - 1, KEYS) is None
    assert "ended" in str(refusal(signed(), URL, NOW_S + LASTS_S, KEYS))


@pytest.mark.parametrize(
    "url",
    [
        "https://video.example/sites/site-2/cameras/front/a.mp4",
        "https://video.example/sites/site-10/cameras/front/a.mp4",
        "https://video.example/sites/site-2/cameras/front/a.mp4?x=/sites/site-1/",
        "https://video.example/sites/site-2/cameras/a.mp4?https://video.example/sites/site-1/a",
        "https://other.example/sites/site-1/cameras/front/a.mp4",
        "http://video.example/sites/site-1/cameras/front/a.mp4",
        "https://video.example/",
    ],
)
def test_nothing_else_is(url: str) -> None:
    """No other site, also not one whose name begins alike or that a query pretends; no other domain; no plain HTTP."""
    assert "other addresses" in str(refusal(signed(), url, NOW_S, KEYS))


def test_only_by_a_key_of_the_group() -> None:
    """None at all, another's signature, an unknown key, a changed policy, nonsense: each is refused."""
    assert refusal("", URL, NOW_S, KEYS) == "MissingKey"
    assert refusal(signed().partition("; ")[2], URL, NOW_S, KEYS) == "MissingKey"
    assert refusal(signed(key_id="K2"), URL, NOW_S, KEYS) == "InvalidKey"
    assert "not signed" in str(refusal(signed(OTHER), URL, NOW_S, KEYS))
    for text in (
        wider(signed()),
        signed().replace("Policy=", "Policy=AA"),
        signed().replace("Signature=", "Signature=!"),
    ):
        assert "not signed" in str(refusal(text, URL, NOW_S, KEYS))


def wider(header: str) -> str:
    """The same with a policy for everything, under the old signature."""
    name, _, rest = header.partition("=")
    text, _, others = rest.partition(";")
    policy: Any = json.loads(base64.b64decode(text.translate(str.maketrans("-_~", "+=/"))))
    policy["Statement"][0]["Resource"] = "*"
    again = base64.b64encode(json.dumps(policy).encode()).decode().translate(str.maketrans("+=/", "-_~"))
    return f"{name}={again};{others}"
