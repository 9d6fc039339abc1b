"""The bus of a Greengrass core, through the official client: the only importer of awsiot and awscrt.

Coded to what both nuclei do. Messages are binary, because Nucleus Lite drops larger JSON messages and kills the
subscription without telling; callbacks only hand over to bounded inboxes, because one subscriber that does not read
stalls every publisher; errors are told apart by class, because their text is empty there.

One thread, the keeper, connects, connects again when the core closes the connection, and opens every subscription
again that ended or that was quiet for a minute: a dead one looks exactly like a quiet one. Nothing else waits for the
core longer than `CALL_S_MAX`, and after one late answer nobody waits until it has come.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from types import MappingProxyType
from typing import Any

from awscrt.exceptions import AwsCrtError
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup, SocketDomain, SocketOptions
from awsiot.eventstreamrpc import Connection, LifecycleHandler, MessageAmendment
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.client import GreengrassCoreIPCClient
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from components.shared.errors import Fatal, NvrError, Rejected, Transient
from components.shared.runtime.bus import (
    CloudFan,
    CloudInbox,
    Inbox,
    LocalFan,
    Outgoing,
    UpdateFan,
    UpdateInbox,
    check_cloud_filter,
    check_cloud_publication,
    check_subscription,
)
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.runtime.subscription import (
    CLOUD_QUIET_NS_MAX,
    QUIET_NS_MAX,
    UPDATES,
    Handlers,
    StreamOperation,
    Subscription,
)
from components.shared.runtime.supervisor import Backoff, retry
from components.shared.wire.messages import Body
from components.shared.wire.topics import Topic
from components.shared.wire.units import NS_PER_MS, NS_PER_S

SOCKET_VARIABLE = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"
THING_VARIABLE = "AWS_IOT_THING_NAME"
TOKEN_VARIABLE = "SVCUID"  # noqa: S105 - the name of the variable, not the token

CALL_S_MAX = 2.0
"""A healthy core answers in milliseconds; one with a stalled subscriber in 5 to 10 s, which no hint is worth."""

CONNECT_S_MAX = 5.0
"""How long the keeper waits for a core to accept; a stopped one takes the connection and stays silent."""

FIRST_CONNECT_S_MAX = 1.0
"""How long a starting component waits, so that its first words are heard; without a core it goes on alone."""

CLOSE_S_MAX = 0.3
"""How long an orderly end may take: it counts towards the 2 s of a stop."""

LOOK_NS = 5 * NS_PER_S
"""How often the keeper looks for quiet subscriptions; an ended connection or subscription wakes it."""

REFUSED_NS = 60 * NS_PER_S
"""How soon a subscription that the core refused is tried again: access policies change by deployments."""

CONNECT_BACKOFF = Backoff(schedule_s=(0.2, 0.5, 1, 2, 5))
"""A core that restarts is away for a second or two; its socket costs nothing to try."""

_QOS = model.QOS.AT_LEAST_ONCE


class _Link(LifecycleHandler):  # type: ignore[misc]  # awsiot carries no types
    """One connection to the core, from its making to its loss."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.lost = threading.Event()
        self.reason = ""
        self.client: Any = None
        self.late: Future[object] | None = None
        self._on_lost = on_lost

    def on_disconnect(self, reason: Exception | None) -> None:
        """Called by the client's own thread: hand over only."""
        self.reason = "closed" if reason is None else str(reason) or type(reason).__name__
        self.lost.set()
        self._on_lost()

    def on_error(self, error: Exception) -> bool:
        """Called by the client's own thread; the connection is ended and made anew."""
        self.reason = str(error) or type(error).__name__
        return True

    def call(self, doing: str, start: Callable[[], Future[object]]) -> object:
        """The answer to a request; Transient or Rejected when it is none or comes late."""
        late = self.late
        if late is not None and not late.done():
            raise Transient(f"{doing}: the core has not answered an earlier request yet")
        with _translated(doing):
            future = start()
            try:
                return future.result(CALL_S_MAX)
            except LateError:
                self.late = future
                raise

    def close(self) -> None:
        """End the connection in order, within `CLOSE_S_MAX`."""
        if self.client is None:
            return
        future = self.client.client.close()
        try:
            future.result(CLOSE_S_MAX)
        except (RuntimeError, AwsCrtError, LateError):
            self.reason = self.reason or "did not close in time"
        self.client.close(executor_wait=False)


class _translated:  # noqa: N801 - reads as what it is: `with _translated(...)`
    """Turn the client's exceptions into ours. By class: their text is empty on Nucleus Lite."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, NvrError) or not isinstance(error, Exception):
            return
        text = f"{self._doing}: {str(error) or type(error).__name__}"
        if isinstance(error, model.UnauthorizedError):
            raise Rejected(f"{self._doing}: the core does not allow it; see accessControl in the recipe") from error
        if isinstance(error, model.InvalidArgumentsError):
            raise Rejected(text) from error
        if isinstance(error, LateError):
            raise Transient(f"{self._doing}: no answer from the core within {CALL_S_MAX:g} s") from error
        if isinstance(error, model.ServiceError):
            raise Transient(f"{self._doing}: the core answered ServiceError") from error
        if isinstance(error, (RuntimeError, AwsCrtError, OSError)):  # the bases of all that the client raises
            raise Transient(text) from error


class GreengrassBus:
    """A component's bus over the core that started it; thread-safe."""

    def __init__(
        self, component: str, log: Log, clock: Clock, environment: Mapping[str, str] = MappingProxyType(os.environ)
    ) -> None:
        socket, token = environment.get(SOCKET_VARIABLE, ""), environment.get(TOKEN_VARIABLE, "")
        if not socket or not token:
            missing = " and ".join(
                name for name, value in ((SOCKET_VARIABLE, socket), (TOKEN_VARIABLE, token)) if not value
            )
            raise Fatal(f"{missing} not in the environment: this worker is started by a Greengrass core")
        # The client logs every failed connection through `logging`, which would print it past our log.
        logging.getLogger("awsiot").addHandler(logging.NullHandler())
        logging.getLogger("awsiot").propagate = False
        self._component = component
        self._log = log
        self._clock = clock
        self._outgoing = Outgoing(component, clock, secrets.token_hex(6), environment.get(THING_VARIABLE, ""))
        self._socket = socket
        self._amender = MessageAmendment.create_static_authtoken_amender(token)
        loops = EventLoopGroup(num_threads=1)
        self._bootstrap = ClientBootstrap(loops, DefaultHostResolver(loops))
        self._socket_options = SocketOptions()
        self._socket_options.domain = SocketDomain.Local
        self._lock = threading.RLock()  # held while subscriptions are opened, so that each is opened once
        self._subscriptions: dict[str, Subscription] = {}
        self._link: _Link | None = None
        self._failure: BaseException | None = None
        self._closing = threading.Event()
        self._connected = threading.Event()
        self._work = threading.Event()
        self._keeper = threading.Thread(target=self._keep_or_fail, name="bus", daemon=True)
        self._keeper.start()
        self._connected.wait(FIRST_CONNECT_S_MAX)

    def publish(self, body: Body, trace_id: str = "") -> None:
        """Say it to whoever listens now. Transient when the core does not take it; Rejected when it may not be said."""
        topic, payload = self._outgoing.message(body, trace_id)
        doing = f"publish on {topic.name}"
        link = self._connection(doing)
        message = model.PublishMessage(binary_message=model.BinaryMessage(message=payload))
        link.call(doing, lambda: link.client.publish_to_topic_async(topic=topic.name, publish_message=message))

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Hand it to the core for the cloud. Transient when offline. No error is not yet delivery."""
        check_cloud_publication(topic, payload)
        doing = f"publish to the cloud on {topic}"
        link = self._connection(doing)
        link.call(doing, lambda: link.client.publish_to_iot_core_async(topic_name=topic, qos=_QOS, payload=payload))

    def subscribe(self, topic: Topic, inbox: Inbox) -> None:
        """Have the topic's messages put into `inbox` for as long as it is referred to; Rejected when not allowed."""
        check_subscription(self._component, topic)

        def start(client: Any, handlers: Handlers) -> tuple[Future[object], StreamOperation]:
            future, operation = client.subscribe_to_topic_async(
                topic=topic.name,
                on_stream_event=handlers.on_local,
                on_stream_error=handlers.on_error,
                on_stream_closed=handlers.on_closed,
            )
            return future, operation

        with self._lock:
            known = self._subscriptions.get(topic.name)
            if known is None:
                known = Subscription(topic.name, LocalFan(topic, self._log), start, QUIET_NS_MAX, overlaps=True)
            assert isinstance(known.fan, LocalFan)
            known.fan.add(inbox)
            self._open_new(known)

    def subscribe_cloud(self, topic_filter: str, inbox: CloudInbox) -> None:
        """Have matching messages from the cloud put into `inbox`; Rejected when not allowed."""
        check_cloud_filter(topic_filter)

        def start(client: Any, handlers: Handlers) -> tuple[Future[object], StreamOperation]:
            future, operation = client.subscribe_to_iot_core_async(
                topic_name=topic_filter,
                qos=_QOS,
                on_stream_event=handlers.on_cloud,
                on_stream_error=handlers.on_error,
                on_stream_closed=handlers.on_closed,
            )
            return future, operation

        with self._lock:
            known = self._subscriptions.get(topic_filter)
            if known is None:
                # Overlapping filters multiply deliveries on Nucleus Lite: the old stream is closed first.
                known = Subscription(topic_filter, CloudFan(), start, CLOUD_QUIET_NS_MAX, overlaps=False)
            assert isinstance(known.fan, CloudFan)
            known.fan.add(inbox)
            self._open_new(known)

    def subscribe_updates(self, inbox: UpdateInbox) -> None:
        """Have announcements of updates put into `inbox`, for as long as it is referred to."""

        def start(client: Any, handlers: Handlers) -> tuple[Future[object], StreamOperation]:
            future, operation = client.subscribe_to_component_updates_async(
                on_stream_event=handlers.on_update,
                on_stream_error=handlers.on_error,
                on_stream_closed=handlers.on_closed,
            )
            return future, operation

        with self._lock:
            known = self._subscriptions.get(UPDATES)
            if known is None:
                # Renewed seldom: an announcement that is lost costs a cut at another moment, and nothing else.
                known = Subscription(UPDATES, UpdateFan(), start, CLOUD_QUIET_NS_MAX, overlaps=True, is_optional=True)
            assert isinstance(known.fan, UpdateFan)
            known.fan.add(inbox)
            self._open_new(known)

    def put_off_update(self, deployment: str, duration_ns: int, reason: str) -> None:
        """Answer an announcement. Transient when it is too late for that."""
        doing = f"put off deployment {deployment}"
        link = self._connection(doing)
        link.call(
            doing,
            lambda: link.client.defer_component_update_async(
                deployment_id=deployment, recheck_after_ms=duration_ns // NS_PER_MS, message=reason
            ),
        )

    def close(self) -> None:
        """Say and hear nothing any more. May be called twice."""
        self._closing.set()
        self._work.set()
        self._keeper.join(CLOSE_S_MAX)

    def _open_new(self, subscription: Subscription) -> None:
        """Open it now if there is a connection, else leave it to the keeper. The caller holds the lock."""
        if subscription.name in self._subscriptions:
            return
        link = self._link
        if link is not None:
            try:
                subscription.open(link, self._clock.monotonic_ns, self._work.set)
            except (Transient, Rejected) as error:
                if isinstance(error, Rejected) and not subscription.is_optional:
                    raise
                self._put_off(subscription, error)
        self._subscriptions[subscription.name] = subscription

    def _connection(self, doing: str) -> _Link:
        if self._failure is not None:
            raise Fatal(f"{doing}: the bus has failed") from self._failure
        link = self._link
        if link is None or link.lost.is_set() or self._closing.is_set():
            raise Transient(f"{doing}: not connected to the core")
        return link

    def _keep_or_fail(self) -> None:
        try:
            self._keep()
        except BaseException as error:  # noqa: BLE001 - told to the next one who publishes, which ends the worker
            self._log.error("bus_failed", error=error, kind=type(error).__name__)
            self._failure = error

    def _keep(self) -> None:
        while not self._closing.is_set():
            link = retry("connect", self._connect, CONNECT_BACKOFF, self._clock, self._closing, self._log)
            if link is None:
                return
            self._log.info("bus_connected")
            with self._lock:
                self._link = link
                self._tend(link)
            self._connected.set()
            while not link.lost.is_set() and not self._closing.is_set():
                self._clock.wait(self._work, LOOK_NS)
                self._work.clear()
                with self._lock:
                    self._tend(link)
            with self._lock:
                self._link = None
                for subscription in self._subscriptions.values():
                    subscription.forget()
            link.close()
            if not self._closing.is_set():
                self._log.warning("bus_lost", reason=link.reason)

    def _connect(self) -> _Link:
        link = _Link(self._work.set)
        connection = Connection(
            host_name=self._socket,
            port=0,
            bootstrap=self._bootstrap,
            socket_options=self._socket_options,
            connect_message_amender=self._amender,
        )
        with _translated("connect to the core"):
            try:
                connection.connect(link).result(CONNECT_S_MAX)
            except LateError:
                connection.close()
                raise
        executor = ThreadPoolExecutor(1, thread_name_prefix="bus-callback")  # one thread: keeps the order per topic
        link.client = GreengrassCoreIPCClientV2(client=GreengrassCoreIPCClient(connection), executor=executor)
        return link

    def _tend(self, link: _Link) -> None:
        """Open what is not open, renew what is quiet, close what nobody listens to. The caller holds the lock."""
        for subscription in list(self._subscriptions.values()):
            now_ns = self._clock.monotonic_ns()
            if link.lost.is_set() or self._closing.is_set():
                return
            if subscription.fan.is_empty:
                subscription.close()
                del self._subscriptions[subscription.name]
            elif subscription.is_due(now_ns):
                self._open_again(subscription, link)

    def _open_again(self, subscription: Subscription, link: _Link) -> None:
        try:
            subscription.open(link, self._clock.monotonic_ns, self._work.set)
        except (Transient, Rejected) as error:
            self._put_off(subscription, error)
            return
        if subscription.failures:
            self._log.info("subscription_open", topic=subscription.name, failures=subscription.failures)
            subscription.failures = 0

    def _put_off(self, subscription: Subscription, error: Transient | Rejected) -> None:
        """Try again later; repeats are counted, not told."""
        # Nucleus Lite answers an operation that it does not have as it answers a failure.
        is_refused = isinstance(error, Rejected) or subscription.is_optional
        subscription.not_before_ns = self._clock.monotonic_ns() + (REFUSED_NS if is_refused else LOOK_NS)
        subscription.failures += 1
        if subscription.failures == 1:
            tell = self._log.error if is_refused else self._log.warning
            if subscription.is_optional:
                tell = self._log.info
            tell("subscription_not_open", topic=subscription.name, error=error)
