"""Credentials that name their thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.iot_core.credentials import Grant, grant_in, issue

grants = st.builds(Grant, st.text(max_size=20), st.text(max_size=20), st.integers(0, 4_000_000_000))


@given(grants)
def test_a_token_tells_its_grant(grant: Grant) -> None:
    """Whoever receives the session token knows the thing, the role alias and the end."""
    assert grant_in(issue(grant)["sessionToken"]) == grant


def test_credentials_look_like_aws_s() -> None:
    """The four fields have the form of AWS's."""
    issued = issue(Grant("site-1", "alias", 1_500_000_000))
    assert set(issued) == {"accessKeyId", "secretAccessKey", "sessionToken", "expiration"}
    assert len(issued["accessKeyId"]) == 20
    assert issued["accessKeyId"].startswith("ASIA")
    assert len(issued["secretAccessKey"]) == 40
    assert issued["expiration"] == "2017-07-14T02:40:00Z"


@pytest.mark.parametrize(
    "token", ["", "x", "edgenvr-local.", "edgenvr-local.!!!", "edgenvr-local.WzFd", "edgenvr-local.WzEsMiwzXQ=="]
)
def test_other_tokens_are_nobody_s(token: str) -> None:
    """A token that is not one of ours, or is damaged, names nobody."""
    assert grant_in(token) is None


@given(st.text(max_size=60))
def test_any_text_is_decided(noise: str) -> None:
    """Text of any kind names somebody or nobody; nothing is raised."""
    grant = grant_in("edgenvr-local." + noise)
    assert grant is None or grant == Grant(grant.thing, grant.role_alias, grant.expires_s)
