"""The MQTT broker: an MQTT 3.1.1 server on a loop and a thread of its own.

Behaves as AWS IoT Core's message broker (developer guide, "MQTT", and its quotas), with these choices:

- every session is clean: a client that asks for a persistent one is served and told "no session present";
- overlapping subscriptions of a client: a copy for each matching filter, as mosquitto does (`Overlap`);
- nothing is retained: the flag is taken off and the message goes its way;
- a QoS 1 message is not sent again while the connection lasts; at most `unacknowledged_max` wait for their PUBACK,
  the rest waits behind them, and what does not fit in `queued_bytes_max` is dropped, counted and logged;
- QoS 2, a payload above 128 KB, an invalid topic or filter, too many filters, and publishing to a topic that belongs
  to the service itself close the connection.

Knows nothing of shadows and rules: whatever is published goes to the function given at the start, which calls
`deliver` for whatever should reach subscribers. State is touched by the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, cast

from local.iot_core import mqtt_codec, presence, topics
from local.iot_core.message import Message
from local.iot_core.presence import Connection, Reason

LOOP_WAIT_S = 10.0  # the loop never blocks; on a machine this busy nothing else would work either
MESSAGE_OVERHEAD_BYTES = 64  # about what a queued message takes beside topic and payload
PACKET_OVERHEAD_BYTES = 2 + topics.TOPIC_BYTES_MAX + 2 + 5  # beside the payload: topic, packet id, fixed header

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Overlap(Enum):
    """How many copies a client gets of a message that several of its filters match."""

    COPY_PER_FILTER = "copy per filter"
    ONE_COPY = "one copy"


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """AWS IoT Core's message broker quotas, and what AWS does not tell."""

    payload_bytes_max: int = 131_072
    client_id_bytes_max: int = 128
    keep_alive_s_min: int = 30  # AWS takes anything shorter for 30 s
    keep_alive_s_max: int = 1_200  # and 0, or anything longer, for 1200 s
    filters_per_subscribe_max: int = 8
    subscriptions_max: int = 50  # per connection
    unacknowledged_max: int = 100  # per connection, towards the client
    queued_bytes_max: int = 16 * 1024 * 1024  # ours: what waits for a slow client; 10 000 messages of 1.5 KB
    connect_wait_s: float = 10.0  # ours: a connection that does not say CONNECT


class Broker:
    """The server and its sessions. Its public methods may be called from any thread."""

    def __init__(
        self,
        publish: Callable[[Message], None],
        now_ms: Callable[[], int],
        new_session_id: Callable[[], str],
        may_publish: Callable[[str], bool],
        limits: BrokerLimits,
        overlap: Overlap,
        first_number: int = 0,
    ) -> None:
        self.publish = publish
        self.now_ms = now_ms
        self.new_session_id = new_session_id
        self.may_publish = may_publish
        self.limits = limits
        self.overlap = overlap
        self.dropped = 0
        self._clients: dict[str, _Client] = {}
        self._unnamed: set[_Client] = set()
        self._first_number = first_number
        self._numbers: dict[str, int] = {}
        self._online = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = asyncio.Event()

    def start(self, host: str, port: int) -> int:
        """Listen, and return the port; OSError when the address is taken. A broker is started once."""
        if self._thread is not None:
            raise RuntimeError("the MQTT broker is already started")
        ready: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(host, port, ready)), name="iot-mqtt", daemon=True
        )
        self._thread.start()
        return ready.result(LOOP_WAIT_S)

    def stop(self) -> None:
        """Close every connection and the port."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return

        def end() -> None:
            self._online = False
            self._end_all(Reason.SERVER_INITIATED_DISCONNECT)

        self._in_loop(end, None)
        self._loop = None
        loop.call_soon_threadsafe(self._stopped.set)
        thread.join(LOOP_WAIT_S)
        self._thread = None

    def deliver(self, messages: Sequence[Message]) -> None:
        """Hand messages to all subscribers' queues; done when this returns."""
        self._in_loop(lambda: self._deliver(messages), None)

    def connections(self) -> list[Connection]:
        """Return the connections that are open."""
        return self._in_loop(lambda: [cast(Connection, one.connection) for one in self._clients.values()], [])

    def set_online(self, online: bool) -> None:
        """Cut all connections and refuse new ones, or take them again."""

        def change() -> None:
            self._online = online
            if not online:
                self._end_all(Reason.CONNECTION_LOST)

        self._online = online
        self._in_loop(change, None)

    def _in_loop(self, work: Callable[[], _T], otherwise: _T) -> _T:
        """Do the work in the loop's thread; return `otherwise` when no loop runs."""
        loop = self._loop
        if loop is None:
            return otherwise
        if threading.current_thread() is self._thread:
            return work()
        outcome: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:
                outcome.set_exception(error)
                raise

        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop closed in this moment
            return otherwise
        return outcome.result(LOOP_WAIT_S)

    async def _run(self, host: str, port: int, ready: concurrent.futures.Future[int]) -> None:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Client(self, loop), host, port)
        except OSError as error:
            self._thread = None
            ready.set_exception(error)
            return
        self._loop = loop
        ready.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()

    # ---- in the loop's thread ----

    def _deliver(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for client in list(self._clients.values()):
                client.offer(message)

    def _end_all(self, reason: Reason) -> None:
        for client in [*self._clients.values(), *self._unnamed]:
            client.end(reason)

    @property
    def online(self) -> bool:
        """Whether connections are taken."""
        return self._online

    def arrived(self, client: _Client) -> None:
        """Note a connection that has not said who it is."""
        self._unnamed.add(client)

    def next_number(self, client_id: str) -> int:
        """Count the connections of a client id, from the first number."""
        number = self._numbers.get(client_id, self._first_number - 1) + 1
        self._numbers[client_id] = number
        return number

    def named(self, client: _Client, connection: Connection) -> None:
        """Register a client, in place of the one that has its id."""
        before = self._clients.get(connection.client_id)
        if before is not None:
            before.end(Reason.DUPLICATE_CLIENTID)
        self._unnamed.discard(client)
        self._clients[connection.client_id] = client

    def left(self, client: _Client) -> None:
        """Forget a client."""
        self._unnamed.discard(client)
        if client.connection and self._clients.get(client.connection.client_id) is client:
            del self._clients[client.connection.client_id]


class _Client(asyncio.Protocol):
    """One connection: its session, its subscriptions, and what it has still to be sent."""

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self._broker = broker
        self._limits = broker.limits
        self._loop = loop
        self._decoder = mqtt_codec.Decoder(broker.limits.payload_bytes_max + PACKET_OVERHEAD_BYTES)
        self.connection: Connection | None = None
        self._will: mqtt_codec.Will | None = None
        self._filters: dict[str, int] = {}
        self._queue: deque[mqtt_codec.Publish] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        self._unacknowledged: set[int] = set()
        self._packet_ids = itertools.cycle(range(1, 65_536))
        self._paused = False
        self._ended = False
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # ---- the transport's side ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._broker.online:
            self._ended = True
            self._transport.abort()
            return
        self._broker.arrived(self)
        self._timer = self._loop.call_later(
            self._limits.connect_wait_s, self._fail, Reason.CLIENT_ERROR, "no CONNECT came"
        )

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            packets = self._decoder.feed(data)
        except mqtt_codec.Malformed as error:
            self._fail(Reason.CLIENT_ERROR, str(error))
            return
        for packet in packets:
            if self._ended:
                return
            self._take(packet)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio gives it
        self.end(Reason.CONNECTION_LOST)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send_queued()

    # ---- the broker's side ----

    def offer(self, message: Message) -> None:
        """Queue the copies of a message that this client's subscriptions ask for."""
        granted = [qos for name, qos in self._filters.items() if topics.matches(name, message.topic)]
        if self._broker.overlap is Overlap.ONE_COPY:
            granted = [max(granted)] if granted else []
        for qos in granted:
            packet = mqtt_codec.Publish(message.topic, message.payload, min(qos, message.qos))
            if self._queued_bytes + _held_bytes(packet) > self._limits.queued_bytes_max:
                self._drop(packet)
            else:
                self._queue.append(packet)
                self._queued_bytes += _held_bytes(packet)
        if granted:
            self._send_queued()

    def end(self, reason: Reason) -> None:
        """Close the connection and tell of it; does nothing the second time."""
        if self._ended:
            return
        self._ended = True
        if self._timer:
            self._timer.cancel()
        if reason is Reason.CLIENT_INITIATED_DISCONNECT:
            self._transport.close()
        else:
            self._transport.abort()
        self._broker.left(self)
        self._queue.clear()
        if self.connection is None:
            return
        will = self._will
        if will is not None and reason is not Reason.CLIENT_INITIATED_DISCONNECT:
            self._broker.publish(Message(will.topic, will.payload, will.qos, self.connection.client_id))
        event = presence.disconnected(self.connection, reason, self._broker.now_ms())
        if event is not None:
            self._broker.publish(event)

    def _name(self) -> str:
        return self.connection.client_id if self.connection else "?"

    def _fail(self, reason: Reason, why: str) -> None:
        if not self._ended:
            _log.warning("mqtt_connection_closed client=%s reason=%s why=%s", self._name(), reason.value, why)
        self.end(reason)

    def _write(self, packet: mqtt_codec.Packet) -> None:
        self._transport.write(mqtt_codec.encode(packet))

    def _send_queued(self) -> None:
        while self._queue and not self._paused and not self._ended:
            message = self._queue[0]
            if message.qos:
                if len(self._unacknowledged) >= self._limits.unacknowledged_max:
                    return
                packet_id = next(one for one in self._packet_ids if one not in self._unacknowledged)
                self._unacknowledged.add(packet_id)
                message = mqtt_codec.Publish(message.topic, message.payload, message.qos, packet_id)
            self._queued_bytes -= _held_bytes(self._queue.popleft())
            self._write(message)
        if self._dropped and not self._queue:
            _log.warning("mqtt_queue_empty_again client=%s dropped=%d", self._name(), self._dropped)
            self._dropped = 0

    def _drop(self, packet: mqtt_codec.Publish) -> None:
        self._broker.dropped += 1
        self._dropped += 1
        if self._dropped == 1:  # the rest is told as a number when the queue is empty
            _log.warning("mqtt_queue_full client=%s topic=%s", self._name(), packet.topic)

    # ---- packets ----

    def _take(self, packet: mqtt_codec.Packet) -> None:
        if isinstance(packet, mqtt_codec.Connect):
            self._connect(packet)
            return
        if self.connection is None:
            self._fail(Reason.CLIENT_ERROR, "the first packet is not CONNECT")
            return
        match packet:
            case mqtt_codec.Publish():
                self._publish(packet)
            case mqtt_codec.PubAck():
                self._unacknowledged.discard(packet.packet_id)
                self._send_queued()
            case mqtt_codec.Subscribe():
                self._subscribe(packet)
            case mqtt_codec.Unsubscribe():
                for name in packet.filters:
                    self._filters.pop(name, None)
                self._write(mqtt_codec.UnsubAck(packet.packet_id))
            case mqtt_codec.PingReq():
                self._write(mqtt_codec.PingResp())
            case mqtt_codec.Disconnect():
                self.end(Reason.CLIENT_INITIATED_DISCONNECT)
            case _:
                self._fail(Reason.CLIENT_ERROR, f"a client does not send {type(packet).__name__}")

    def _connect(self, packet: mqtt_codec.Connect) -> None:
        if self.connection is not None:
            self._fail(Reason.CLIENT_ERROR, "second CONNECT")
            return
        refusal = None
        if (packet.protocol_name, packet.protocol_level) != ("MQTT", 4):
            refusal = mqtt_codec.REFUSED_PROTOCOL
        elif not packet.client_id or len(packet.client_id.encode()) > self._limits.client_id_bytes_max:
            refusal = mqtt_codec.REFUSED_CLIENT_ID
        if refusal is not None:
            self._refuse(refusal)
            return
        if packet.will is not None and (fault := self._fault_in_publishing(packet.will.topic)):
            self._fail(Reason.CLIENT_ERROR, f"will: {fault}")
            return
        keep_alive_s = packet.keep_alive_s or self._limits.keep_alive_s_max
        keep_alive_s = min(max(keep_alive_s, self._limits.keep_alive_s_min), self._limits.keep_alive_s_max)
        connection = Connection(
            packet.client_id,
            self._broker.new_session_id(),
            self._broker.next_number(packet.client_id),
            self._transport.get_extra_info("peername")[0],
            keep_alive_s,
            self._broker.now_ms(),
        )
        self._broker.named(self, connection)
        self.connection, self._will = connection, packet.will
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(1.5 * keep_alive_s, self._check_alive)
        self._write(mqtt_codec.ConnAck())
        event = presence.connected(connection)
        if event is not None:
            self._broker.publish(event)

    def _refuse(self, code: int) -> None:
        self._ended = True
        if self._timer:
            self._timer.cancel()
        self._broker.left(self)
        self._write(mqtt_codec.ConnAck(code))
        self._transport.close()

    def _check_alive(self) -> None:
        due_s = 1.5 * cast(Connection, self.connection).keep_alive_s  # 3.1.2.10
        silent_s = self._loop.time() - self._heard_at
        if silent_s >= due_s:
            self._fail(Reason.MQTT_KEEP_ALIVE_TIMEOUT, f"nothing heard for {silent_s:.1f} s")
        else:
            self._timer = self._loop.call_later(due_s - silent_s, self._check_alive)

    def _fault_in_publishing(self, topic: str) -> str | None:
        fault = topics.fault_in_topic(topic)
        if fault is None and not self._broker.may_publish(topic):
            fault = f"topic {topic} belongs to the service"
        return fault

    def _publish(self, packet: mqtt_codec.Publish) -> None:
        fault = topics.fault_in_topic(packet.topic)
        if fault is None and len(packet.payload) > self._limits.payload_bytes_max:
            fault = f"payload of {len(packet.payload)} bytes"
        if fault is not None:
            self._fail(Reason.CLIENT_ERROR, f"publish: {fault}")
            return
        if not self._broker.may_publish(packet.topic):
            self._fail(Reason.AUTH_ERROR, f"topic {packet.topic} belongs to the service")
            return
        if packet.qos:
            self._write(mqtt_codec.PubAck(packet.packet_id))
        self._broker.publish(Message(packet.topic, packet.payload, packet.qos, self._name()))

    def _subscribe(self, packet: mqtt_codec.Subscribe) -> None:
        limits = self._limits
        faults = [fault for name, _ in packet.filters if (fault := topics.fault_in_filter(name))]
        if len(packet.filters) > limits.filters_per_subscribe_max:
            faults.append(f"{len(packet.filters)} filters, at most {limits.filters_per_subscribe_max} in a packet")
        if len(self._filters.keys() | dict(packet.filters).keys()) > limits.subscriptions_max:
            faults.append(f"more than {limits.subscriptions_max} subscriptions")
        if faults:
            self._fail(Reason.CLIENT_ERROR, f"subscribe: {faults[0]}")
            return
        self._filters.update(packet.filters)
        self._write(mqtt_codec.SubAck(packet.packet_id, tuple(qos for _, qos in packet.filters)))


def _held_bytes(packet: mqtt_codec.Publish) -> int:
    return len(packet.topic) + len(packet.payload) + MESSAGE_OVERHEAD_BYTES
