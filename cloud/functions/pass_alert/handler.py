"""Called by IoT Core's rule with each notice of a site: passes it on once, and answers the site.

The answer is sent only when the notice is told. Without one the box sends again, so that whatever dies here costs time
and no alert. A notice that cannot be read fails its call and ends in the dead letters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cloud import aws_clients
from cloud.alert_telling import Context, TellingDoors, tell
from cloud.function_log import begin
from cloud.functions.pass_alert import core
from components.shared.wire.alert_notice import acknowledged_topic, encode_acknowledged

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient


@dataclass(frozen=True, slots=True)
class Doors:
    """What the function speaks to."""

    telling: TellingDoors
    iot_data: IoTDataPlaneClient


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(aws_clients.telling(), aws_clients.iot_data())


def handle(event: dict[str, Any], context: Context) -> None:
    """Handles one notice."""
    begin(context)
    pass_on(event, doors(), int(time.time() * 1000), context.get_remaining_time_in_millis())


def pass_on(event: dict[str, Any], doors: Doors, now_ms: int, left_ms: int) -> None:
    """Tell people of the notice in an event, and its site that they are told; Rejected when there is none in it."""
    notice = core.read_event(event)
    if tell(notice, doors.telling, now_ms, left_ms) == "under_way":
        return
    doors.iot_data.publish(topic=acknowledged_topic(notice.thing), qos=1, payload=encode_acknowledged([notice.id]))
