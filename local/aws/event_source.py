"""Feeds queues to functions as Lambda's event source mappings do.

A batch is received, its messages hidden for the queue's time; the function is called; what it did not name as failed
is deleted. A call that fails as a whole deletes nothing: its messages come again when their time is over, and after
the queue's limit of deliveries go to its dead-letter queue. Waiting is long polling; an idle feed costs nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from moto.sqs.models import Message

from local.aws.durable_queues import DurableQueues
from local.aws.lambda_process import FunctionFault, FunctionProcess
from local.aws.stack import Function, QueueFeed
from local.aws.template import TemplateError

log = logging.getLogger(__name__)

POLL_S = 20  # of long polling, the longest that SQS has
FAULTS_KEPT = 20  # the latest faults, for the figures


class EventSource:
    """One feed, a thread of its own."""

    def __init__(self, feed: QueueFeed, function: Function, process: FunctionProcess, queues: DurableQueues) -> None:
        self._queue = feed.queue_arn.rpartition(":")[2]
        self._feed = feed
        self._function = function
        self._process = process
        self._queues = queues
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{self._queue}", daemon=True)
        self._counts: Counter[str] = Counter()
        self._faults: list[str] = []
        hidden_s = self._hidden_s()
        if hidden_s < function.timeout_s:
            raise TemplateError(
                f"queue {self._queue} hides messages for {hidden_s} s, less than the {function.timeout_s} s that"
                f" {function.name} may take: AWS refuses the mapping"
            )

    @property
    def function_name(self) -> str:
        """The function that it feeds."""
        return self._function.name

    def start(self) -> None:
        """Begins to feed."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; a call under way is killed, its messages come again."""
        self._stop.set()
        self._queues.queue(self._queue).wake()
        self._process.stop()
        if self._thread.is_alive():
            self._thread.join(5)
        self._process.stop()

    def figures(self) -> dict[str, Any]:
        """What has happened so far."""
        return {
            "calls": self._counts["calls"],
            "messages_done": self._counts["done"],
            "messages_failed": self._counts["failed"],
            "starts": self._process.starts,
            "pid": self._process.pid,
            "faults": list(self._faults),
        }

    def _hidden_s(self) -> int:
        return int(self._queues.get_queue(self._queue).visibility_timeout)  # type: ignore[attr-defined]

    def _run(self) -> None:
        while not self._stop.is_set():
            messages = self._batch()
            if messages and not self._stop.is_set():
                self._handle(messages)

    def _batch(self) -> list[Message]:
        limit, hidden_s = self._feed.batch_messages, self._hidden_s()
        unless = self._stop.is_set
        messages = self._queues.receive(self._queue, limit, POLL_S, hidden_s, unless)
        deadline = time.monotonic() + self._feed.batch_window_s
        while messages and len(messages) < limit and (left_s := deadline - time.monotonic()) > 0:
            messages += self._queues.receive(self._queue, limit - len(messages), left_s, hidden_s, unless)
        return messages

    def _handle(self, messages: Sequence[Message]) -> None:
        self._counts["calls"] += 1
        try:
            result = self._process.call({"Records": [self._record(m) for m in messages]}, self._function.timeout_s)
            failed = failed_ids(result, {m.id for m in messages}) if self._feed.reports_failures else set()
        except FunctionFault as fault:
            if self._stop.is_set():
                return
            failed = {m.id for m in messages}
            self._tell(str(fault))
        for message in messages:
            if message.id not in failed:
                assert message.receipt_handle is not None
                self._queues.delete_message(self._queue, message.receipt_handle)
        self._counts["done"] += len(messages) - len(failed)
        self._counts["failed"] += len(failed)

    def _tell(self, fault: str) -> None:
        log.error("function_failed function=%s fault=%s", self._function.name, fault)
        self._faults = [*self._faults, fault[:2_000]][-FAULTS_KEPT:]

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": message.sender_id,
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            },
            "messageAttributes": {},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._feed.queue_arn,
            "awsRegion": self._feed.queue_arn.split(":")[3],
        }


def failed_ids(result: Any, sent: set[str]) -> set[str]:
    """The messages that a function names as failed. An answer that makes no sense fails them all, as in AWS."""
    if result is None:
        return set()
    if not isinstance(result, dict):
        return sent
    failures = result.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return sent
    named = {entry.get("itemIdentifier") if isinstance(entry, dict) else None for entry in failures}
    return {name for name in named if name} if named <= sent else sent
