"""One stream of messages that should be open whenever there is a connection to the core.

Decides when it is due to be opened or renewed, and hands what arrives to its fan. Knows the official client only by
the shape of what it hands over; the callbacks run in the client's executor and do nothing but hand over.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from components.shared.runtime.bus import CloudFan, LocalFan, UpdateFan
from components.shared.wire.units import NS_PER_S

QUIET_NS_MAX = 60 * NS_PER_S
"""A local subscription that heard nothing for so long is made anew: 3 ms, and a dead one costs at most a minute."""

CLOUD_QUIET_NS_MAX = 600 * NS_PER_S
"""The same for the cloud, where every renewal is a packet over the line and each message is also swept for."""


UPDATES = "component updates"
"""The name of the stream of announcements, which has no topic."""


class StreamOperation(Protocol):
    """The client's open stream."""

    def close(self) -> object:
        """End the stream."""


class Caller(Protocol):
    """A connection to the core: makes a request and gives its answer, Transient or Rejected."""

    client: Any

    def call(self, doing: str, start: Callable[[], Future[object]]) -> object:
        """The answer to the request that `start` sends."""


Start = Callable[[Any, "Handlers"], tuple[Future[object], StreamOperation]]


class Subscription:
    """One stream of messages that should be open whenever there is a connection."""

    def __init__(
        self,
        name: str,
        fan: LocalFan | CloudFan | UpdateFan,
        start: Start,
        quiet_ns_max: int,
        overlaps: bool,
        is_optional: bool = False,
    ) -> None:
        """`is_optional`: a core may not have it at all, and that is nobody's fault."""
        self.name = name
        self.is_optional = is_optional
        self.fan = fan
        self._start = start
        self._quiet_ns_max = quiet_ns_max
        self._overlaps = overlaps
        self._operation: StreamOperation | None = None
        self._handlers: Handlers | None = None
        self.heard_ns = 0
        self.not_before_ns = 0
        self.failures = 0

    def is_due(self, now_ns: int) -> bool:
        """Whether it should be opened, or opened anew, now."""
        if now_ns < self.not_before_ns:
            return False
        is_dead = self._handlers is None or self._handlers.ended
        return is_dead or now_ns - self.heard_ns >= self._quiet_ns_max

    def open(self, link: Caller, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        """Open it on this connection; an older stream of it is closed. Transient or Rejected when not possible."""
        before = self._operation
        if not self._overlaps:
            self._close(before)
        handlers = Handlers(self, now_ns, wake)
        opened: list[StreamOperation] = []

        def start() -> Future[object]:
            future, operation = self._start(link.client, handlers)
            opened.append(operation)
            return future

        self.heard_ns = now_ns()  # counts from its opening
        link.call(f"subscribe to {self.name}", start)
        self._operation, self._handlers = opened[0], handlers
        if self._overlaps:
            self._close(before)

    def forget(self) -> None:
        """The connection is gone, and the stream with it."""
        self._operation = self._handlers = None
        self.not_before_ns = 0

    def close(self) -> None:
        """Hear nothing any more."""
        self._close(self._operation)
        self.forget()

    @staticmethod
    def _close(operation: StreamOperation | None) -> None:
        if operation is not None:
            operation.close()


class Handlers:
    """The callbacks of one stream. They run in the client's executor and only hand over."""

    def __init__(self, subscription: Subscription, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        self._subscription = subscription
        self._now_ns = now_ns
        self._wake = wake
        self.ended = False

    def on_local(self, event: Any) -> None:
        """A message on a local topic; one that is not binary is none of ours."""
        self._subscription.heard_ns = self._now_ns()
        fan = self._subscription.fan
        assert isinstance(fan, LocalFan)
        fan.receive(event.binary_message.message if event.binary_message is not None else None)

    def on_cloud(self, event: Any) -> None:
        """A message from the cloud."""
        self._subscription.heard_ns = self._now_ns()
        fan = self._subscription.fan
        assert isinstance(fan, CloudFan)
        if event.message is not None:
            fan.receive(event.message.topic_name, event.message.payload or b"")

    def on_update(self, event: Any) -> None:
        """A core announces an update; that it is done is nothing that anybody waits for."""
        self._subscription.heard_ns = self._now_ns()
        fan = self._subscription.fan
        assert isinstance(fan, UpdateFan)
        if event.pre_update_event is not None and event.pre_update_event.deployment_id:
            fan.receive(event.pre_update_event.deployment_id)

    def on_error(self, _error: Exception) -> bool:
        """Something that the client could not read; the stream goes on, and if it does not, it is told as closed."""
        return False

    def on_closed(self) -> None:
        """The core ended the stream, or we did."""
        self.ended = True
        self._wake()
