"""An MQTT client for tests: paho-mqtt, an implementation that is not ours, with what arrived in a queue."""

import json
import queue
import socket
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 10.0
"""How long anything may take on a machine that does other things too."""


class Listener:
    """A connected client; its methods wait until the broker has answered."""

    def __init__(self, port: int, client_id: str, *, clean: bool = True, keep_alive_s: int = 60) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client_id = client_id
        self.session_present: bool | None = None
        self.connack: int | None = None
        self.ended = threading.Event()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._port = port
        self._keep_alive_s = keep_alive_s
        self._answered = threading.Event()
        self._acknowledged: queue.Queue[tuple[int, list[int]]] = queue.Queue()
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_unsubscribe = self._on_subscribe

    def connect(self) -> "Listener":
        """Connect and wait for CONNACK, accepted or not."""
        self.client.connect("127.0.0.1", self._port, keepalive=self._keep_alive_s)
        connection = self.client.socket()
        assert isinstance(connection, socket.socket)
        # without it a PUBLISH right after a PUBACK waits 40 ms for the other side's delayed acknowledgement
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.loop_start()
        assert self._answered.wait(WAIT_S), f"{self.client_id}: no CONNACK"
        return self

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        """Subscribe in one packet and return the codes of its SUBACK."""
        _, packet_id = self.client.subscribe([(name, qos) for name in filters])
        return self._acknowledgement(packet_id)

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe in one packet and wait for its UNSUBACK."""
        _, packet_id = self.client.unsubscribe(list(filters))
        self._acknowledgement(packet_id)

    def publish(self, topic: str, payload: bytes | str = b"", qos: int = 1) -> None:
        """Publish, and wait for PUBACK if there is one."""
        self.client.publish(topic, payload, qos).wait_for_publish(WAIT_S)

    def next(self) -> paho.MQTTMessage:
        """Return the next message that arrives."""
        return self.messages.get(timeout=WAIT_S)

    def next_json(self) -> tuple[str, Any]:
        """Return topic and document of the next message."""
        message = self.next()
        return message.topic, json.loads(message.payload)

    def close(self) -> None:
        """Leave as a client should."""
        self.client.disconnect()
        self.client.loop_stop()

    def _acknowledgement(self, packet_id: int | None) -> list[int]:
        answered, codes = self._acknowledged.get(timeout=WAIT_S)
        assert answered == packet_id
        return codes

    def _on_connect(self, _client: Any, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
        self.session_present, self.connack = flags.session_present, code.value
        self._answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self.ended.set()

    def _on_subscribe(self, _client: Any, _data: Any, packet_id: int, codes: Any, _properties: Any) -> None:
        self._acknowledged.put((packet_id, [code.value for code in codes]))
