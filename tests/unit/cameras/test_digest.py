"""Digest authentication as the cameras ask for it."""

import pytest

from local.cameras.digest import Account, challenge, fresh_nonce, is_authorized

_MUFASA = Account("http-auth@example.org", "Mufasa", "Circle of Life")
_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
_ANSWER = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5, '
    f'nonce="{_NONCE}", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
    'response="8ca523f5e9506fed4657c9700eebdbec"'
)


def test_the_example_of_rfc_7616_is_accepted() -> None:
    """The answer that RFC 7616 clause 3.9.1 gives for MD5 with qop=auth proves the password."""
    assert is_authorized(_MUFASA, _ANSWER, "GET", [_NONCE])


def test_the_example_of_rfc_2069_is_accepted() -> None:
    """The answer of RFC 2069 clause 2.4 (as erratum 749 corrects it), without qop, proves the password."""
    account = Account("testrealm@host.com", "Mufasa", "CircleOfLife", offers_qop=False)
    answer = (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"'
    )
    assert is_authorized(account, answer, "GET", ["dcd98b7102dd2f0e8b11d0f600bfb0c093"])


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl",
        _ANSWER.replace("8ca5", "8ca6"),
        _ANSWER.replace("Mufasa", "Simba"),
        _ANSWER.replace("00000001", "00000002"),
        _ANSWER.replace("/dir/", "/other/"),
        _ANSWER.replace("qop=auth", "qop=auth-int"),
        _ANSWER.replace("algorithm=MD5", "algorithm=SHA-256"),
    ],
)
def test_any_other_answer_is_refused(answer: str) -> None:
    """Another scheme, user, count, address, quality or algorithm than the response was made for is refused."""
    assert not is_authorized(_MUFASA, answer, "GET", [_NONCE])


def test_another_password_method_or_nonce_is_refused() -> None:
    """An answer is good for one password, one method and a nonce that was handed out."""
    assert not is_authorized(Account(_MUFASA.realm, "Mufasa", "Hakuna"), _ANSWER, "GET", [_NONCE])
    assert not is_authorized(_MUFASA, _ANSWER, "PLAY", [_NONCE])
    assert not is_authorized(_MUFASA, _ANSWER, "GET", [fresh_nonce()])


def test_without_a_user_everybody_may_watch() -> None:
    """A camera without a user asks for no password."""
    assert is_authorized(Account("cam-1", "", ""), "", "DESCRIBE", [])


def test_the_challenge_offers_qop_unless_the_camera_is_old() -> None:
    """A challenge names realm and nonce; only a camera of the older kind leaves out qop."""
    assert challenge(_MUFASA, "n").endswith('nonce="n", algorithm=MD5, qop="auth"')
    assert "qop" not in challenge(Account("r", "u", "p", offers_qop=False), "n")


def test_a_challenge_can_say_that_only_the_nonce_was_too_old() -> None:
    """A client that is told `stale` answers the new nonce without asking for the password again."""
    assert "stale=true" in challenge(_MUFASA, "n", is_stale=True)
    assert "stale" not in challenge(_MUFASA, "n")
