"""What the contract suite speaks with: the official client, and a socket for what that cannot say."""

import concurrent.futures
import os
import queue
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from local.nucleus.event_stream import PRELUDE_BYTES, Frame, decode, decode_prelude, encode
from local.nucleus.json_value import JsonObject
from local.nucleus.message import connect_message, request_message

SPEAKER = "com.edgenvr.contract.Speaker"
LISTENER = "com.edgenvr.contract.Listener"
WAIT_S = 20.0  # a loaded machine; nothing here takes a second on a quiet one


@dataclass(frozen=True)
class Core:
    """A core under test."""

    profile: str
    socket: str
    tokens: dict[str, str]
    is_external: bool

    @property
    def is_lite(self) -> bool:
        """Whether the core is, or imitates, Nucleus Lite."""
        return self.profile == "lite"


@dataclass
class Events:
    """The events of one subscription."""

    operation: Any = None
    received: "queue.Queue[Any]" = field(default_factory=queue.Queue)
    errors: "queue.Queue[Exception]" = field(default_factory=queue.Queue)
    closed: "queue.Queue[bool]" = field(default_factory=queue.Queue)

    def next(self) -> Any:
        """Return the next event."""
        return self.received.get(timeout=WAIT_S)

    def payload(self) -> Any:
        """Return the payload of the next event: bytes of a binary message, or the value of a JSON one."""
        event = self.next()
        if isinstance(event, model.IoTCoreMessage):
            return event.message.payload
        return (event.binary_message or event.json_message).message

    def close(self) -> None:
        """End the subscription and wait until the client knows."""
        self.operation.close().result(WAIT_S)


class Client:
    """The official client as one component, with its events in queues."""

    def __init__(self, core: Core, component: str = SPEAKER, token: str | None = None) -> None:
        self.ipc = GreengrassCoreIPCClientV2(
            client=connect(ipc_socket=core.socket, authtoken=token or core.tokens[component], timeout=WAIT_S),
            executor=concurrent.futures.ThreadPoolExecutor(1),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        concurrent.futures.wait([self.ipc.close()], WAIT_S)  # the core may have hung up before

    def publish(self, topic: str, message: bytes) -> None:
        """Publish bytes."""
        what = model.PublishMessage(binary_message=model.BinaryMessage(message=message))
        self.ipc.publish_to_topic(topic=topic, publish_message=what)

    def publish_json(self, topic: str, message: dict[str, Any]) -> None:
        """Publish a JSON object."""
        what = model.PublishMessage(json_message=model.JsonMessage(message=message))
        self.ipc.publish_to_topic(topic=topic, publish_message=what)

    def subscribe(self, topic: str, receive_mode: str | None = None) -> Events:
        """Subscribe to a local topic."""
        events = Events()
        _, events.operation = self.ipc.subscribe_to_topic(topic=topic, receive_mode=receive_mode, **_callbacks(events))
        return events

    def subscribe_to_cloud(self, topic: str, qos: str = "1") -> Events:
        """Subscribe to a topic of the cloud."""
        events = Events()
        _, events.operation = self.ipc.subscribe_to_iot_core(topic_name=topic, qos=qos, **_callbacks(events))
        return events

    def subscribe_to_configuration(self, *path: str, component: str | None = None) -> Events:
        """Subscribe to changes of a configuration."""
        events = Events()
        _, events.operation = self.ipc.subscribe_to_configuration_update(
            component_name=component, key_path=list(path), **_callbacks(events)
        )
        return events

    def subscribe_to_updates(self) -> Events:
        """Subscribe to announcements of updates."""
        events = Events()
        _, events.operation = self.ipc.subscribe_to_component_updates(**_callbacks(events))
        return events

    def defer(self, deployment: str, recheck_ms: int | None) -> None:
        """Answer an announcement."""
        self.ipc.defer_component_update(deployment_id=deployment, recheck_after_ms=recheck_ms)


def _callbacks(events: Events) -> dict[str, Any]:
    def on_error(error: Exception) -> bool:
        events.errors.put(error)
        return True

    return {
        "on_stream_event": events.received.put,
        "on_stream_error": on_error,
        "on_stream_closed": lambda: events.closed.put(True),
    }


class RawClient:
    """A socket that speaks frames."""

    def __init__(self, core: Core, component: str | None = SPEAKER) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(core.socket)
        if component is not None:
            self.send(connect_message(core.tokens[component]))
            acknowledged = self.receive()
            assert acknowledged is not None
            assert acknowledged.number(":message-flags") == 1

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        self.send_bytes(encode(frame))

    def send_bytes(self, data: bytes) -> None:
        """Send any bytes; the core may have hung up in the middle of them."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def ask(self, operation: str, arguments: JsonObject, stream_id: int = 1) -> Frame:
        """Send a request and return the answer."""
        self.send(request_message(stream_id, operation, arguments))
        answer = self.receive()
        assert answer is not None, "the core hung up"
        return answer

    def receive(self) -> Frame | None:
        """Return the next frame, or None when the core hung up."""
        start = self._exactly(PRELUDE_BYTES)
        if start is None:
            return None
        rest = self._exactly(decode_prelude(start).total_bytes - PRELUDE_BYTES)
        return None if rest is None else decode(start + rest)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def is_hung_up(self) -> bool:
        """Tell whether the core closes the connection, without a word before."""
        return self.receive() is None

    def peer_process(self) -> int:
        """Return the process id of the core."""
        size = struct.calcsize("3i")
        raw = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        process: int = struct.unpack("3i", raw)[0]
        assert process != os.getpid()
        return process
