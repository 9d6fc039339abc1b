"""Queues of SQS that survive: moto's own, with every message written down until it is deleted.

moto's queues also lose messages when two requests meet, because they are lists without a lock; here one lock guards
every change. After a start each message that was not deleted is visible again, with its count of deliveries kept, so
that a poison message still ends in its dead-letter queue.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from local.aws.state import State

WAIT_STEP_S = 1.0  # how late a message that becomes visible again may be noticed; a new one is noticed at once


class DurableQueue(Queue):
    """One queue; its backend holds the lock while it changes."""

    def __init__(self, state: State, name: str, region: str, account_id: str, **attributes: Any) -> None:
        self._state = state
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
        super().add_message(message)

    def delete_message(self, receipt_handle: str) -> None:
        """Deletes for good."""
        gone = [message.id for message in self._messages if message.had_receipt_handle(receipt_handle)]
        super().delete_message(receipt_handle)
        for message_id in gone:
            self._state.write("DELETE FROM message WHERE id = ?", (message_id,))

    def restore(self) -> int:
        """Takes back what was written down; how many messages that were."""
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
            self._messages.append(message)
        return len(rows)


class DurableQueues(SQSBackend):
    """All queues of the region."""

    def __init__(self, state: State, region: str) -> None:
        self._state = state
        self._lock = threading.RLock()
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
        kwargs.pop("region", None)
        queue = DurableQueue(self._state, name, self.region_name, self.account_id, **kwargs)
        queue.restore()
        queue.tags = tags or {}
        self.queues[name] = queue
        return queue

    def delete_queue(self, queue_name: str) -> None:
        """A queue goes with its messages."""
        with self._lock:
            super().delete_queue(queue_name)
            self._state.write("DELETE FROM message WHERE queue = ?", (queue_name,))

    def send_message(self, *args: Any, **kwargs: Any) -> Message:
        """Sends one message."""
        with self._lock:
            return super().send_message(*args, **kwargs)

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """Up to `count` messages; waits for the first without holding anybody up."""
        return self.receive(
            queue_name, count, wait_seconds_timeout, visibility_timeout, lambda: False, message_attribute_names
        )

    def receive(
        self,
        queue_name: str,
        count: int,
        wait_s: float,
        hidden_s: int,
        unless: Callable[[], bool],
        attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """As `receive_message`, but waiting ends early when `wake` was called and `unless` is true."""
        deadline = time.monotonic() + wait_s
        queue = self.get_queue(queue_name)
        while not unless():
            with self._lock:
                found = super().receive_message(queue_name, count, 0, hidden_s, attribute_names)
                for message in found:
                    self._state.write(
                        "UPDATE message SET receives = ? WHERE id = ?", (message.approximate_receive_count, message.id)
                    )
            left_s = deadline - time.monotonic()
            if found or left_s <= 0:
                return found
            with queue._messages_lock:
                queue._messages_lock.wait_for(lambda: queue.messages or unless(), min(WAIT_STEP_S, left_s))
        return []

    def wake(self, queue_name: str) -> None:
        """Lets those who wait for a message look again."""
        queue = self.get_queue(queue_name)
        with queue._messages_lock:
            queue._messages_lock.notify_all()

    def delete_message(self, queue_name: str, receipt_handle: str) -> None:
        """Deletes one message."""
        with self._lock:
            super().delete_message(queue_name, receipt_handle)

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """Hides a message for another time."""
        with self._lock:
            super().change_message_visibility(queue_name, receipt_handle, visibility_timeout)

    def purge_queue(self, queue_name: str) -> None:
        """Empties a queue for good."""
        with self._lock:
            super().purge_queue(queue_name)
            self._state.write("DELETE FROM message WHERE queue = ?", (queue_name,))

    def figures(self) -> dict[str, dict[str, int]]:
        """How many messages wait in each queue, and how many are being handled."""
        with self._lock:
            return {
                name: {
                    "waiting": queue.approximate_number_of_messages,
                    "in_flight": queue.approximate_number_of_messages_not_visible,
                }
                for name, queue in self.queues.items()
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
