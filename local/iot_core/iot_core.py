"""AWS IoT Core on one machine: broker, shadows, rules and HTTP put together.

What is published, by whomever, goes one way: to the rules, to the subscribers, and, if it is a shadow request, to
the shadow service, whose answers are published in turn. Requests that come as messages are done one after another in
a thread of their own, so that the broker's loop never waits for a disk.
"""

from __future__ import annotations

import fcntl
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from local.iot_core import credentials, shadow_service
from local.iot_core.broker import Broker, BrokerLimits, Overlap
from local.iot_core.iot_data_app import IotDataApp
from local.iot_core.message import Message
from local.iot_core.presence import Connection
from local.iot_core.rules import Action, RuleCounts, RuleEngine
from local.iot_core.shadow import Refused
from local.iot_core.shadow_service import ShadowRequest, ShadowService
from local.iot_core.shadow_store import ShadowStore

WAITING_REQUESTS_MAX = 1_000  # a request above it is refused with 429, as AWS throttles
STOP_WAIT_S = 5.0  # for the requests that are waiting
NUMBERS_PER_START = 1_000_000  # connections of one client in one life of the stand-in

_log = logging.getLogger(__name__)


class IotCore:
    """The stand-in. It owns `store_dir`; a second one on the same folder raises BlockingIOError."""

    def __init__(
        self,
        store_dir: Path,
        clock: Callable[[], int] = time.time_ns,
        *,
        limits: BrokerLimits | None = None,
        overlap: Overlap = Overlap.COPY_PER_FILTER,
        credentials_validity_s: int = credentials.VALIDITY_S,
        http_follows_network: bool = True,
    ) -> None:
        """`clock` gives nanoseconds since the epoch.

        Without `http_follows_network`, HTTP is answered whatever `set_online` says: whoever stands before it decides.
        """
        store_dir.mkdir(parents=True, exist_ok=True)
        self._owned = (store_dir / "lock").open("w")
        fcntl.flock(self._owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._online = True
        self._stopped = False
        self._rules = RuleEngine(lambda: clock() // 1_000_000)
        self.shadows = ShadowService(
            ShadowStore(store_dir / "shadows"), lambda: clock() // 1_000_000_000, self._pass_on
        )
        self._broker = Broker(
            publish=lambda message: self._pass_on([message]),
            now_ms=lambda: clock() // 1_000_000,
            new_session_id=lambda: str(uuid.uuid4()),
            may_publish=may_publish,
            limits=limits or BrokerLimits(),
            overlap=overlap,
            first_number=_starts_before(store_dir) * NUMBERS_PER_START,
        )
        self.wsgi_app = IotDataApp(
            self.shadows,
            publish=lambda message: self._pass_on([message]),
            may_publish=may_publish,
            now_s=lambda: clock() // 1_000_000_000,
            is_online=lambda: self._online or not http_follows_network,
            credentials_validity_s=credentials_validity_s,
        )
        self._requests: queue.Queue[ShadowRequest | None] = queue.Queue(WAITING_REQUESTS_MAX)
        self._worker = threading.Thread(target=self._serve_requests, name="iot-shadows", daemon=True)
        self._worker.start()

    def start_mqtt(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Start the broker and return its port; OSError when the address is taken."""
        return self._broker.start(host, port)

    def publish(self, topic: str, payload: bytes, qos: int = 0) -> None:
        """Publish as the cloud itself, to any topic; the subscribers' queues have it when this returns."""
        self._pass_on([Message(topic, payload, qos)])

    def add_rule(self, name: str, sql: str, action: Action) -> None:
        """Add a topic rule, or replace the one of this name; `rule_sql.RuleFault` when the SQL is not understood.

        The action is called with a `RuleMessage` in the rules' thread; what it raises is logged and counted.
        """
        self._rules.add(name, sql, action)

    def remove_rule(self, name: str) -> None:
        """Remove a rule if it is there."""
        self._rules.remove(name)

    def rule_counts(self) -> dict[str, RuleCounts]:
        """Return how often each rule's action ran well and how often it failed."""
        return self._rules.counts()

    def connections(self) -> list[Connection]:
        """Return the MQTT connections that are open."""
        return self._broker.connections()

    def messages_dropped(self) -> int:
        """Return how many messages were lost to a full queue: of a slow client, or of the rules."""
        return self._broker.dropped + self._rules.not_offered

    def set_online(self, online: bool) -> None:
        """Switch the network that leads here off or on; what is kept, and calls in this process, go on."""
        self._online = online
        self._broker.set_online(online)

    def stop(self) -> None:
        """Close connections, finish what is waiting, and give the folder up."""
        if self._stopped:
            return
        self._stopped = True
        self._broker.stop()
        try:
            self._requests.put(None, timeout=STOP_WAIT_S)
            self._worker.join(STOP_WAIT_S)
        except queue.Full:
            _log.error("iot_shadow_requests_not_finished waiting=%d", self._requests.qsize())
        self._rules.stop()
        self._owned.close()

    def _pass_on(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._rules.offer(message)
        self._broker.deliver(messages)
        for message in messages:
            request = shadow_service.request_in(message)
            if request is not None:
                self._enqueue(request)

    def _enqueue(self, request: ShadowRequest) -> None:
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            _log.warning("iot_shadow_request_refused thing=%s shadow=%s", request.thing, request.name)
            self.shadows.refuse(request, Refused(429, "Too many requests"))

    def _serve_requests(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self.shadows.handle(request)
            except OSError:  # a full disk, say: the requester hears it, the next request gets its chance
                _log.exception("iot_shadow_request_failed thing=%s shadow=%s", request.thing, request.name)
                self.shadows.refuse(request, Refused(500, "Internal service failure"))


def _starts_before(store_dir: Path) -> int:
    """How often a stand-in was started on this folder before; this start is counted.

    AWS goes on counting a client's connections when it comes back: whoever orders their events by that may rely on it.
    """
    path = store_dir / "starts"
    before = int(path.read_text()) if path.exists() else 0
    unfinished = path.with_suffix(".part")
    unfinished.write_text(str(before + 1))
    unfinished.replace(path)
    return before


def may_publish(topic: str) -> bool:
    """Tell whether a client may publish to this topic: not if the service alone speaks there."""
    return not (topic.startswith("$aws/events/") or shadow_service.is_answer_topic(topic))
