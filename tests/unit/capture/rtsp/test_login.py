"""Answers to challenges, against the examples of the standards."""

import pytest

from components.capture.core.rtsp.login import Challenge, authorization, choose_challenge
from components.shared.wire.secret import Secret


def test_digest_example_of_rfc_7616() -> None:
    """Section 3.9.1, MD5 and SHA-256."""
    header = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    responses = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, response in responses.items():
        challenge = choose_challenge([header.format(algorithm)])
        assert challenge is not None
        assert challenge.has_qop
        text = authorization(challenge, Secret("Mufasa:Circle of Life"), "GET", "/dir/index.html", 1, client_nonce)
        assert f'response="{response}"' in text
        assert "nc=00000001" in text
        assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in text


def test_digest_without_qop() -> None:
    """The form of RFC 2069, which old firmware speaks: no count and no nonce of ours."""
    challenge = choose_challenge(['Digest realm="cam", nonce="abc"'])
    assert challenge == Challenge("md5", "cam", "abc")
    text = authorization(challenge, Secret("u:p"), "DESCRIBE", "rtsp://h/1", 1, "c")
    assert 'response="' in text
    assert "cnonce" not in text
    assert "nc=" not in text


def test_the_best_of_several_is_taken() -> None:
    """SHA-256 before MD5 before Basic; what cannot be answered is passed over."""
    basic, md5 = 'Basic realm="b"', 'Digest realm="m", nonce="n"'
    sha = 'Digest realm="s", nonce="n", algorithm=SHA-256'
    other = 'Digest realm="o", nonce="n", algorithm=SHA-512-256'
    assert [
        found.realm if found else None
        for found in (
            choose_challenge([basic, md5, sha]),
            choose_challenge([basic, md5]),
            choose_challenge([other, basic]),
            choose_challenge([other, "Negotiate"]),
            choose_challenge([]),
        )
    ] == ["s", "m", "b", None, None]


def test_basic() -> None:
    """RFC 7617, section 2."""
    challenge = choose_challenge(['Basic realm="WallyWorld"'])
    assert challenge is not None
    text = authorization(challenge, Secret("Aladdin:open sesame"), "DESCRIBE", "rtsp://h", 1, "")
    assert text == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(("text", "is_stale"), [("stale=true", True), ('stale="TRUE"', True), ("stale=false", False)])
def test_a_nonce_may_go_stale(text: str, is_stale: bool) -> None:
    """The login is right then; only the nonce is old."""
    challenge = choose_challenge([f'Digest realm="r", nonce="n", {text}'])
    assert challenge is not None
    assert challenge.is_stale is is_stale


def test_quotes_in_names_stay_inside() -> None:
    """A user's name cannot end its field."""
    challenge = Challenge("md5", 'a"b', "n")
    text = authorization(challenge, Secret('x", uri="y:p'), "DESCRIBE", "rtsp://h", 1, "")
    assert r'username="x\", uri=\"y"' in text
    assert r'realm="a\"b"' in text
