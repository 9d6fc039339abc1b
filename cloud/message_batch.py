"""The one loop over a batch of messages from SQS: each is handled by itself, and only what failed comes again.

Powertools' batch processor keeps the account and makes the answer that Lambda expects (`batchItemFailures`). A batch in
which all failed is answered in the same way: the messages come again when their time is over, and after the queue's
limit of deliveries go to its dead letters. Why a message failed is in the log, with the object or site it names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from cloud.function_log import about_message, tell

Handler = Callable[[Mapping[str, Any]], None]
"""Handles the JSON of one message's body; raises when that cannot be done now."""


def handle_each(event: dict[str, Any], component: str, failed: str, handler: Handler) -> dict[str, Any]:
    """Handle each message of a batch; the answer for Lambda. `failed` is the event that is logged of a failure."""

    def handle(record: SQSRecord) -> None:
        try:
            handler(record.json_body)
        except Exception:
            tell(component, logging.ERROR, failed, about_message(record.raw_event), with_error=True)
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer: Any = process_partial_response(event=event, record_handler=handle, processor=processor)
    return {"batchItemFailures": list(answer["batchItemFailures"])}
