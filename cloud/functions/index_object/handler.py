"""Called by Lambda with messages of S3 events: brings the item of each object up to what S3 has now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from cloud import aws_clients
from cloud.function_log import Call, about, begin, tell
from cloud.functions.index_object import core
from cloud.index_writer import Doors, bring_up_to_date
from cloud.message_batch import handle_each
from cloud.object_events import read_event

COMPONENT = "index_object"


@cache
def doors() -> Doors:
    """The doors of this process, made at its first call."""
    return Doors(aws_clients.s3(), aws_clients.dynamodb(), aws_clients.table())


def handle(event: dict[str, Any], context: Call) -> dict[str, Any]:
    """Handles a batch; names the messages that failed, so that only they come again."""
    begin(context)
    return handle_each(event, COMPONENT, "object_not_indexed", lambda body: index_message(body, doors()))


def index_message(body: Mapping[str, Any], doors: Doors) -> None:
    """Brings the items of the objects in one message up to date."""
    for event in read_event(body):
        if not core.concerns(event.key):
            tell(COMPONENT, logging.INFO, "object_ignored", about(event.key))
            continue
        written = bring_up_to_date(event.bucket, event.key, event.mark, doors)
        seen = written.seen
        fields = about(event.key, seen.metadata if seen is not None else None)
        tell(
            COMPONENT, logging.INFO, "object_indexed", {**fields, "present": seen is not None, "written": written.done}
        )
