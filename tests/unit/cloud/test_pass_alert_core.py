"""What counts as a notice of the site whose topic it came on."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cloud.functions.pass_alert.core import read_event
from components.shared.errors import Rejected
from components.shared.wire.alert_notice import encode_notice, notice_of
from components.shared.wire.units import WallNs

NOTICE = notice_of("site-1", "camera_offline", "front", "critical", "offline", WallNs(5))


def event(payload: bytes, topic: str = "nvr/v1/site-1/alert/raised") -> dict[str, Any]:
    return {"payload": base64.b64encode(payload).decode(), "topic": topic}


def test_a_notice_on_its_own_topic_is_read() -> None:
    """The body and the topic agree: it is that notice."""
    assert read_event(event(encode_notice(NOTICE))) == NOTICE


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (event(encode_notice(NOTICE), "nvr/v1/site-2/alert/raised"), "of site-1, raised, came on nvr/v1/site-2"),
        (event(encode_notice(NOTICE), "nvr/v1/site-1/alert/cleared"), "raised, came on nvr/v1/site-1/alert/cleared"),
        (event(b"\xff"), "alert notice: .*on nvr/v1/site-1/alert/raised"),
        (event(b"{}"), "kind"),
        ({"payload": "%%%", "topic": "t"}, "payload on t is not base64"),
        ({"topic": "t"}, "not one of the rule for alerts"),
        ({"payload": {"v": 1}, "topic": "t"}, "not one of the rule for alerts"),
    ],
)
def test_anything_else_is_rejected(given: dict[str, Any], told: str) -> None:
    """Another site's topic, another state's, and what is no notice are refused, and named."""
    with pytest.raises(Rejected, match=told):
        read_event(given)
