"""The one MQTT session of the core: kept up, its subscriptions counted, its limits those of the runtime.

MQTT 3.1.1 over plain TCP, client id the thing's name, always a clean session. After a connection was lost all
filters are subscribed to anew; what was published meanwhile is gone, as are QoS 1 messages that were not
acknowledged (Nucleus Lite), or they are sent again from the spooler (classic). An answer to `publish` never
means that the broker has the message. Knows nothing of components.

paho runs a thread per connection; everything here but the callbacks marked so runs in the loop's thread.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from local.nucleus.abandonable import in_thread
from local.nucleus.deployment import Broker
from local.nucleus.ipc_error import SERVICE_ERROR, IpcError
from local.nucleus.profile import MqttLimits

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 30  # both runtimes; a dead link is noticed after one to two of them
CONNECT_WAIT_S = 10.0
SENT_AT_ONCE_MAX = 100  # spooled messages on their way; IoT Core takes that many unacknowledged
FIXED_HEADER_BYTES = 5  # one byte of type and up to four of length

Receive = Callable[[str, bytes], None]


@dataclass(frozen=True)
class BackOff:
    """Seconds between two attempts to connect: doubled from the first to the last."""

    first_s: float
    last_s: float

    def after(self, pause_s: float) -> float:
        """Return the pause that follows a pause."""
        return min(self.last_s, pause_s * 2)


LOCAL_BACK_OFF = BackOff(1.0, 10.0)  # a person is waiting
REAL_BACK_OFF = BackOff(5.0, 300.0)  # Nucleus Lite


@dataclass
class Session:
    """One connection to the broker, up or coming up."""

    client: paho.Client
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    unacknowledged: dict[int, int] = field(default_factory=dict)  # packet id to bytes
    spooled: dict[int, int] = field(default_factory=dict)  # packet id to number in the spool


@dataclass(frozen=True)
class Spooled:
    """A QoS 1 message that waits for its acknowledgement."""

    topic: str
    payload: bytes


@dataclass
class Wanted:
    """A filter, with what was asked for it."""

    qos: int
    count: int = 0


class MqttLink:
    """Publishes, subscribes and stays connected."""

    def __init__(self, limits: MqttLimits, back_off: BackOff, receive: Receive) -> None:
        self._limits = limits
        self._back_off = back_off
        self._receive = receive
        self._target: tuple[Broker, str] | None = None
        self._session: Session | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._filters: dict[str, Wanted] = {}
        self._spool: dict[int, Spooled] = {}
        self._spool_bytes = 0
        self._next_spooled = 0

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted the session."""
        session = self._session
        return session is not None and session.accepted.is_set() and not session.lost.is_set()

    async def use(self, broker: Broker | None, client_id: str) -> None:
        """Connect to this broker from now on; None ends the session."""
        target = None if broker is None else (broker, client_id)
        if target == self._target:
            return
        await self.close()
        self._target = target
        if target is not None:
            self._keeping = asyncio.create_task(self._stay_connected(*target))

    async def close(self) -> None:
        """End the session."""
        self._target = None
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Hand a message to the session or the spooler; IpcError when neither takes it."""
        if len(payload) > self._limits.payload_bytes_max:
            raise IpcError(SERVICE_ERROR, f"a payload of {len(payload)} bytes is too large")
        if qos and self._limits.spool_bytes_max is not None:
            self._put_in_spool(Spooled(topic, payload), self._limits.spool_bytes_max)
            return
        session = self._online()
        if qos:
            self._check_unacknowledged(session, len(topic.encode()) + len(payload))
        packet_id = self._send(session, topic, payload, qos)
        if qos:
            session.unacknowledged[packet_id] = len(topic.encode()) + len(payload)

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Count a subscriber of a filter; the first one subscribes. IpcError when that is not possible."""
        wanted = self._filters.get(topic_filter)
        if wanted is None:
            if self._limits.spool_bytes_max is None:
                self._online()
            wanted = Wanted(qos)
            self._subscribe_now(topic_filter, qos)
            self._filters[topic_filter] = wanted
        wanted.count += 1

    def unsubscribe(self, topic_filter: str) -> None:
        """Count a subscriber less; the last one unsubscribes."""
        wanted = self._filters[topic_filter]
        wanted.count -= 1
        if wanted.count == 0:
            del self._filters[topic_filter]
            if self._session is not None and self.is_connected:
                self._session.client.unsubscribe(topic_filter)

    async def _stay_connected(self, broker: Broker, client_id: str) -> None:
        pause_s = self._back_off.first_s
        while True:
            session = self._new_session(client_id)
            try:
                if await self._connect(session, broker):
                    log.info("MQTT is connected to %s:%d", broker.host, broker.port)
                    pause_s = self._back_off.first_s
                    await session.lost.wait()
                    log.warning("MQTT has lost %s:%d", broker.host, broker.port)
            finally:
                self._session = None
                session.client.disconnect()
                await in_thread(session.client.loop_stop)
            await asyncio.sleep(pause_s)
            pause_s = self._back_off.after(pause_s)

    async def _connect(self, session: Session, broker: Broker) -> bool:
        """Connect once and subscribe to all filters; tell whether that succeeded."""
        try:
            await in_thread(lambda: session.client.connect(broker.host, broker.port, KEEP_ALIVE_S))
            session.client.loop_start()
            async with asyncio.timeout(CONNECT_WAIT_S):
                await session.accepted.wait()
        except (OSError, TimeoutError) as error:
            log.info("MQTT cannot connect to %s:%d: %s", broker.host, broker.port, error)
            return False
        self._session = session
        for topic_filter, wanted in self._filters.items():
            session.client.subscribe(topic_filter, wanted.qos)
        self._send_spooled()
        return True

    def _new_session(self, client_id: str) -> Session:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_WAIT_S
        client.max_inflight_messages_set(0)  # the limits are counted here
        session = Session(client)
        loop = asyncio.get_running_loop()

        # These four are called in paho's thread.
        def on_connect(
            _client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _more: Properties | None
        ) -> None:
            if not code.is_failure:
                loop.call_soon_threadsafe(session.accepted.set)

        def on_disconnect(
            _client: paho.Client,
            _data: object,
            _flags: paho.DisconnectFlags,
            _code: ReasonCode,
            _more: Properties | None,
        ) -> None:
            loop.call_soon_threadsafe(session.lost.set)

        def on_publish(
            _client: paho.Client, _data: object, packet_id: int, _code: ReasonCode, _more: Properties
        ) -> None:
            loop.call_soon_threadsafe(self._acknowledged, session, packet_id)

        def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
            loop.call_soon_threadsafe(self._arrived, session, message)

        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_publish = on_publish
        client.on_message = on_message
        return session

    def _online(self) -> Session:
        if self._session is None or not self.is_connected:
            raise IpcError(SERVICE_ERROR, "the core is not connected to the cloud")
        return self._session

    def _check_unacknowledged(self, session: Session, size: int) -> None:
        waiting = session.unacknowledged
        if self._limits.unacked_max is not None and len(waiting) >= self._limits.unacked_max:
            raise IpcError(SERVICE_ERROR, f"{len(waiting)} messages are not acknowledged")
        limit = self._limits.unacked_bytes_max
        if limit is not None and sum(waiting.values()) + size > limit:
            raise IpcError(SERVICE_ERROR, "the messages that are not acknowledged are too large")

    def _send(self, session: Session, topic: str, payload: bytes, qos: int) -> int:
        try:
            info = session.client.publish(topic, payload, qos)
        except ValueError as error:
            raise IpcError(SERVICE_ERROR, f"cannot be published: {error}") from error
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise IpcError(SERVICE_ERROR, f"cannot be published: {paho.error_string(info.rc)}")
        return info.mid

    def _subscribe_now(self, topic_filter: str, qos: int) -> None:
        if self._session is None or not self.is_connected:
            return
        try:
            self._session.client.subscribe(topic_filter, qos)
        except ValueError as error:
            raise IpcError(SERVICE_ERROR, f"cannot be subscribed to: {error}") from error

    def _put_in_spool(self, message: Spooled, bytes_max: int) -> None:
        if self._spool_bytes + len(message.payload) > bytes_max:
            raise IpcError(SERVICE_ERROR, "the spooler is full")
        self._spool[self._next_spooled] = message
        self._next_spooled += 1
        self._spool_bytes += len(message.payload)
        self._send_spooled()

    def _send_spooled(self) -> None:
        session = self._session
        if session is None or not self.is_connected:
            return
        on_the_way = set(session.spooled.values())
        for number, message in list(self._spool.items()):
            if len(on_the_way) >= SENT_AT_ONCE_MAX:
                return
            if number in on_the_way:
                continue
            try:
                session.spooled[self._send(session, message.topic, message.payload, 1)] = number
            except IpcError as error:
                log.warning("a spooled message to %s cannot leave: %s", message.topic, error)
                return
            on_the_way.add(number)

    def _acknowledged(self, session: Session, packet_id: int) -> None:
        session.unacknowledged.pop(packet_id, None)
        number = session.spooled.pop(packet_id, None)
        if number is not None and (message := self._spool.pop(number, None)) is not None:
            self._spool_bytes -= len(message.payload)
            self._send_spooled()

    def _arrived(self, session: Session, message: paho.MQTTMessage) -> None:
        limit = self._limits.inbound_packet_bytes_max
        size = FIXED_HEADER_BYTES + 2 + len(message.topic.encode()) + (2 if message.qos else 0) + len(message.payload)
        if limit is not None and size > limit:
            log.warning("MQTT message of %d bytes on %s is too large and is dropped", size, message.topic)
            return
        if message.qos:
            session.client.ack(message.mid, message.qos)
        self._receive(message.topic, bytes(message.payload))
