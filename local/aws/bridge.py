"""EventBridge: takes the events that changes of objects have left, and sends them where the rules say.

An event is removed from the state only when every target has it, so that a kill in between makes it come twice and
never not at all, as AWS promises. Rules and patterns are moto's.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.events.models import events_backends

from local.aws.durable_queues import DurableQueues
from local.aws.state import State

log = logging.getLogger(__name__)

BATCH = 100  # events read from the state at a time


class Bridge:
    """The sender, a thread of its own."""

    def __init__(self, state: State, queues: DurableQueues) -> None:
        self._state = state
        self._queues = queues
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)
        self._sent = 0
        self._failed = 0

    def start(self) -> None:
        """Begins with what an earlier run has left."""
        self._wake.set()
        self._thread.start()

    def told(self) -> None:
        """There may be an event."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the event under way."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def figures(self) -> dict[str, int]:
        """How many events were sent, could not be, and wait."""
        ((waiting,),) = self._state.read("SELECT count(*) FROM event")
        return {"sent": self._sent, "failed": self._failed, "waiting": waiting}

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._stop.is_set():
                rows = self._state.read("SELECT id, body FROM event ORDER BY id LIMIT ?", (BATCH,))
                if not rows:
                    break
                for number, body in rows:
                    if self._stop.is_set():
                        return
                    self._send(json.loads(body))
                    self._state.write("DELETE FROM event WHERE id = ?", (number,))

    def _send(self, left: dict[str, Any]) -> None:
        detail = left["detail"]
        event: Any = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": left["kind"],
            "source": "aws.s3",
            "account": DEFAULT_ACCOUNT_ID,
            "time": f"{datetime.fromtimestamp(left['moment_ms'] // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": self._queues.region_name,
            "resources": [f"arn:aws:s3:::{detail['bucket']['name']}"],
            "detail": detail,
        }
        body = json.dumps(event)
        bus = events_backends[DEFAULT_ACCOUNT_ID][self._queues.region_name].event_buses["default"]
        for rule in list(bus.rules.values()):
            if rule.state == "ENABLED" and rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    self._send_to(rule.name, target, body)
        self._sent += 1

    def _send_to(self, rule: str, target: dict[str, Any], body: str) -> None:
        """To the target's queue, else to its dead-letter queue, else it is told and lost, as in AWS."""
        try:
            self._queues.send_message(_queue_name(target["Arn"]), body)
        except ServiceException:
            log.exception("event_not_sent rule=%s event=%s", rule, body)
            self._failed += 1
            dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
            if dead_letters is not None and _queue_name(dead_letters) in self._queues.queues:
                self._queues.send_message(_queue_name(dead_letters), body)


def _queue_name(arn: str) -> str:
    return arn.rpartition(":")[2]
