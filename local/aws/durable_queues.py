"""Queues of SQS that survive, in the place of moto's.

moto's queues are lists that every request walks through and that two requests may tear; with some hundred messages
waiting each request takes tens of milliseconds. Here messages are found by their receipt handle and by the time at
which they become visible, one lock guards each queue, and every message is written down until it is deleted. What a
queue is (its attributes, policy, dead-letter queue) stays moto's.

Invariant: who needs the state and a queue takes the state first, then the queue; then, for a dead letter, its other
queue. Nobody who holds a queue waits for the state.

After a start each message that was not deleted is visible again, with its count of deliveries kept, so that a poison
message still ends in its dead-letter queue. Standard queues only: a FIFO queue is refused.
"""

from __future__ import annotations

import base64
import copy
import heapq
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends
from moto.sqs.utils import generate_receipt_handle

from local.aws.state import State

DELAY_S_MAX = 900  # SQS's own limits
HIDDEN_S_MAX = 43_200
HANDLE_LETTERS = 185  # of every handle given out, here as in SQS; anything else never was one


class DurableQueue(Queue):
    """One queue. Its lock is also the condition on which receivers wait."""

    def __init__(self, state: State, name: str, region: str, account_id: str, **attributes: Any) -> None:
        self._state = state
        self._changed = threading.Condition()
        self._held: dict[str, Message] = {}
        self._handles: dict[str, str] = {}
        self._due: list[tuple[float, int, str]] = []  # when visible, a tie-breaker, whose; stale ones are skipped
        self._order = itertools.count()
        super().__init__(name, region, account_id, **attributes)

    def is_created(self) -> bool:
        """Made by us, not by moto's CloudFormation."""
        return True

    def add_message(self, message: Message) -> None:
        """Writes the message down (or moves it here from another queue), then offers it."""
        facts = {
            "body": message.body,
            "attributes": _packed(message.message_attributes),
            "system": message.system_attributes,
            "first_receive_ms": message.approximate_first_receive_timestamp,
        }
        self._state.write(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)",
            (message.id, self.name, message.sent_timestamp, message.approximate_receive_count, json.dumps(facts)),
        )
        self._offer(message)

    def restore(self) -> None:
        """Takes back what was written down."""
        rows = self._state.read(
            "SELECT id, sent_ms, receives, facts FROM message WHERE queue = ? ORDER BY sent_ms", (self.name,)
        )
        for message_id, sent_ms, receives, text in rows:
            facts = json.loads(text)
            message = Message(message_id, facts["body"], facts["system"])
            message.message_attributes = _unpacked(facts["attributes"])
            message.sent_timestamp = sent_ms
            message.approximate_receive_count = receives
            message.approximate_first_receive_timestamp = facts["first_receive_ms"]
            self._offer(message)

    def take(self, count: int, hidden_s: float) -> list[Message]:
        """Up to `count` visible messages, hidden from now on; without waiting."""
        taken: list[Message] = []
        with self._state.change() as db, self._changed:
            now_ms = _now_ms()
            while self._due and self._due[0][0] <= now_ms and len(taken) < count:
                due_ms, _, message_id = heapq.heappop(self._due)
                message = self._held.get(message_id)
                if message is None or message.visible_at != due_ms:
                    continue
                if self._ends(message, now_ms):
                    continue
                message.visible_at = now_ms + hidden_s * 1000
                message.approximate_receive_count += 1
                message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or int(now_ms)
                if message.receipt_handle is not None:
                    message._old_receipt_handles.append(message.receipt_handle)
                message.receipt_handle = generate_receipt_handle()
                self._handles[message.receipt_handle] = message_id
                count_now = message.approximate_receive_count
                db.execute("UPDATE message SET receives = ? WHERE id = ?", (count_now, message_id))
                taken.append(copy.copy(message))
            for message in taken:  # not before the end: one that is not hidden at all must not be taken twice
                self._schedule(message)
        return taken

    def delete(self, handle: str) -> None:
        """Deletes the message for good; deleting it again succeeds."""
        with self._state.change() as db, self._changed:
            message = self._message_of(handle)
            if message is not None:
                self._forget(message)
                db.execute("DELETE FROM message WHERE id = ?", (message.id,))

    def hide(self, handle: str, hidden_s: int) -> None:
        """Hides the message for another time, or shows it at once."""
        with self._changed:
            message = self._message_of(handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            message.visible_at = _now_ms() + hidden_s * 1000
            self._schedule(message)
            self._changed.notify_all()

    def purge(self) -> None:
        """Deletes everything."""
        with self._state.change() as db, self._changed:
            self._held.clear()
            self._handles.clear()
            self._due.clear()
            db.execute("DELETE FROM message WHERE queue = ?", (self.name,))

    def wait(self, left_s: float, unless: Callable[[], bool]) -> None:
        """Returns when a message may have become visible, when `wake` finds `unless` true, or after `left_s`."""
        with self._changed:
            if unless():
                return
            until_s = left_s
            if self._due:
                until_s = min(left_s, max(0.0, (self._due[0][0] - _now_ms()) / 1000) + 0.001)
            self._changed.wait(until_s)

    def wake(self) -> None:
        """Lets those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    @property
    def messages(self) -> list[Message]:
        """What is visible."""
        with self._changed:
            now_ms = _now_ms()
            return [message for message in self._held.values() if message.visible_at <= now_ms]

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        """What is being handled."""
        with self._changed:
            return sum(1 for message in self._held.values() if message.receipt_handle and not message.visible)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        """What was sent with a delay that is not over."""
        with self._changed:
            return sum(1 for message in self._held.values() if not message.receipt_handle and not message.visible)

    def _offer(self, message: Message) -> None:
        with self._changed:
            self._held[message.id] = message
            self._schedule(message)
            self._changed.notify_all()

    def _schedule(self, message: Message) -> None:
        heapq.heappush(self._due, (message.visible_at, next(self._order), message.id))

    def _ends(self, message: Message, now_ms: float) -> bool:
        """Whether the message is too old or was tried too often; then it is gone from here."""
        sent_ms: Any = message.sent_timestamp
        if now_ms - sent_ms > int(self.message_retention_period) * 1000:  # type: ignore[attr-defined]
            self._forget(message)
            self._state.write("DELETE FROM message WHERE id = ?", (message.id,))
            return True
        policy = self.redrive_policy
        if self.dead_letter_queue is None or not policy:
            return False
        if message.approximate_receive_count < policy["maxReceiveCount"]:
            return False
        self._forget(message)
        message.visible_at = 0.0
        message.receipt_handle = None
        self.dead_letter_queue.add_message(message)
        return True

    def _forget(self, message: Message) -> None:
        self._held.pop(message.id, None)
        for handle in [message.receipt_handle, *message._old_receipt_handles]:
            self._handles.pop(handle or "", None)
        message._old_receipt_handles = []

    def _message_of(self, handle: str) -> Message | None:
        if len(handle) != HANDLE_LETTERS:
            raise ReceiptHandleIsInvalid
        return self._held.get(self._handles.get(handle, ""))


class DurableQueues(SQSBackend):
    """All queues of the region."""

    def __init__(self, state: State, region: str) -> None:
        self._state = state
        super().__init__(region, DEFAULT_ACCOUNT_ID)

    @classmethod
    def install(cls, state: State, region: str) -> DurableQueues:
        """Puts these in the place of moto's own."""
        queues = cls(state, region)
        sqs_backends[DEFAULT_ACCOUNT_ID][region] = queues
        return queues

    def create_queue(self, name: str, tags: dict[str, str] | None = None, **kwargs: Any) -> Queue:
        """A queue with what was left in it."""
        if name in self.queues:
            return super().create_queue(name, tags, **kwargs)
        if name.endswith(".fifo"):
            raise InvalidParameterValue("The stand-in does not implement FIFO queues.")
        kwargs.pop("region", None)
        queue = DurableQueue(self._state, name, self.region_name, self.account_id, **kwargs)
        queue.restore()
        queue.tags = tags or {}
        self.queues[name] = queue
        return queue

    def delete_queue(self, queue_name: str) -> None:
        """A queue goes with its messages."""
        self.queue(queue_name).purge()
        super().delete_queue(queue_name)

    def queue(self, queue_name: str) -> DurableQueue:
        """The queue of that name."""
        found = self.get_queue(queue_name)
        assert isinstance(found, DurableQueue)
        return found

    def send_message(
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,  # noqa: ARG002 - part of what moto calls
    ) -> Message:
        """Sends one message."""
        queue = self.queue(queue_name)
        if deduplication_id is not None or group_id is not None:
            raise InvalidParameterValue("The stand-in has no FIFO queues, to which these parameters belong.")
        size_max = queue.maximum_message_size  # type: ignore[attr-defined]
        if len(message_body.encode()) > size_max:
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than {size_max} bytes."
            )
        delay_s = int(queue.delay_seconds if delay_seconds is None else delay_seconds)  # type: ignore[attr-defined]
        if not 0 <= delay_s <= DELAY_S_MAX:
            raise InvalidParameterValue(f"DelaySeconds must be >= 0 and <= {DELAY_S_MAX}.")
        message = Message(str(uuid.uuid4()), message_body, system_attributes)
        message.message_attributes = message_attributes or {}
        message.mark_sent()
        message.visible_at = _now_ms() + delay_s * 1000 if delay_s else 0.0
        queue.add_message(message)
        return message

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """Up to `count` messages; waits for the first without holding anybody up."""
        found = self.receive(queue_name, count, wait_seconds_timeout, visibility_timeout, lambda: False)
        for message in found:
            message.message_attributes = _asked(message.message_attributes, message_attribute_names or [])
        return found

    def receive(
        self, queue_name: str, count: int, wait_s: float, hidden_s: float, unless: Callable[[], bool]
    ) -> list[Message]:
        """As `receive_message`, but waiting ends early when the queue is woken and `unless` is true."""
        deadline = time.monotonic() + wait_s
        queue = self.queue(queue_name)
        while not unless():
            found = queue.take(count, hidden_s)
            left_s = deadline - time.monotonic()
            if found or left_s <= 0:
                return found
            queue.wait(left_s, unless)
        return []

    def delete_message(self, queue_name: str, receipt_handle: str) -> None:
        """Deletes one message."""
        self.queue(queue_name).delete(receipt_handle)

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """Hides a message for another time."""
        if not 0 <= int(visibility_timeout) <= HIDDEN_S_MAX:
            raise InvalidParameterValue(f"VisibilityTimeout must be >= 0 and <= {HIDDEN_S_MAX}.")
        self.queue(queue_name).hide(receipt_handle, int(visibility_timeout))

    def purge_queue(self, queue_name: str) -> None:
        """Empties a queue for good."""
        self.queue(queue_name).purge()

    def figures(self) -> dict[str, dict[str, int]]:
        """How many messages wait in each queue, and how many are being handled."""
        return {
            name: {
                "waiting": queue.approximate_number_of_messages,
                "in_flight": queue.approximate_number_of_messages_not_visible,
            }
            for name, queue in self.queues.items()
        }


def _now_ms() -> float:
    return time.time() * 1000


def _asked(attributes: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Those attributes whose names were asked for, `All` and `prefix.*` included."""
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if "All" in names or name in names or (prefixes and name.startswith(prefixes))
    }


def _packed(attributes: dict[str, Any]) -> Any:
    return {
        name: {key: {"base64": base64.b64encode(v).decode()} if isinstance(v, bytes) else v for key, v in value.items()}
        for name, value in attributes.items()
    }


def _unpacked(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: base64.b64decode(v["base64"]) if isinstance(v, dict) else v for key, v in value.items()}
        for name, value in attributes.items()
    }
