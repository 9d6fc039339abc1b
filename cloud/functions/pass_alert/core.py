"""Decides whether what came on an alert topic is a notice of the site whose topic it is. Pure.

A device's policy lets it publish below its own thing's name only, so the topic says who sent it and the body has to
agree: otherwise one site could raise another's alerts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.alert_notice import AlertNotice, alert_topic, decode_notice


def read_event(event: Mapping[str, Any]) -> AlertNotice:
    """The notice in an event of the rule: the payload in base64 and its topic. Rejected when they are not one."""
    topic, encoded = event.get("topic"), event.get("payload")
    if not isinstance(topic, str) or not isinstance(encoded, str):
        raise Rejected(f"event is not one of the rule for alerts: {str(event)[:500]}")
    try:
        payload = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Rejected(f"payload on {topic} is not base64: {error}") from error
    try:
        notice = decode_notice(payload)
    except Rejected as error:
        raise Rejected(f"{error} (on {topic})") from error
    if alert_topic(notice.thing, notice.state) != topic:
        raise Rejected(f"alert notice {notice.id} of {notice.thing}, {notice.state}, came on {topic}")
    return notice
