"""PublishToIoTCore and SubscribeToIoTCore, and the way of the cloud's messages to the streams.

The broker sends a copy of a message for each matching filter of the core's one session, and every copy goes
to every stream with a matching filter: with k overlapping filters each of their streams gets k copies, as
was seen on Nucleus Lite.
"""

import asyncio
import base64
import binascii
import logging
from dataclasses import dataclass, field

from local.nucleus.authorization import MQTT_PROXY
from local.nucleus.ipc_error import SERVICE_ERROR, IpcError
from local.nucleus.json_value import Json
from local.nucleus.mqtt_link import MqttLink
from local.nucleus.profile import Profile
from local.nucleus.pubsub import Delivery
from local.nucleus.request import Answer, Arguments, Operation, Request, Stream
from local.nucleus.topic_operations import AccessControl, authorize
from local.nucleus.topics import mqtt_matches

log = logging.getLogger(__name__)

WAITING_MAX = 1_000  # messages from the cloud that no stream has taken yet; more are dropped and logged


@dataclass
class CloudStreams:
    """The streams that want messages of the cloud."""

    delivery: Delivery
    _streams: list[tuple[str, Stream]] = field(default_factory=list)
    _waiting: asyncio.Queue[tuple[str, bytes]] = field(default_factory=lambda: asyncio.Queue(maxsize=WAITING_MAX))

    def add(self, topic_filter: str, stream: Stream) -> None:
        """Bring matching messages to a stream from now on."""
        self._streams.append((topic_filter, stream))

    def remove(self, stream: Stream) -> None:
        """Bring no more messages to a stream."""
        self._streams = [entry for entry in self._streams if entry[1] is not stream]

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one copy of a message from the cloud."""
        try:
            self._waiting.put_nowait((topic, payload))
        except asyncio.QueueFull:
            log.warning("%d messages of the cloud wait already; one on %s is dropped", WAITING_MAX, topic)

    async def bring(self) -> None:
        """Bring messages to streams, in their order, for ever."""
        while True:
            topic, payload = await self._waiting.get()
            streams = [stream for topic_filter, stream in self._streams if mqtt_matches(topic, topic_filter)]
            event: Json = {"message": {"topicName": topic, "payload": base64.b64encode(payload).decode("ascii")}}
            await self.delivery.send(streams, "IoTCoreMessage", event)


@dataclass(frozen=True)
class CloudOperations:
    """The operations on topics of the cloud."""

    link: MqttLink
    streams: CloudStreams
    access_control: AccessControl
    profile: Profile

    def table(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "PublishToIoTCore": Operation(self._publish),
            "SubscribeToIoTCore": Operation(self._subscribe, is_streaming=True),
        }

    async def _publish(self, request: Request) -> Answer:
        arguments = request.arguments
        topic, qos = arguments.text("topicName"), self._qos(arguments)
        text = arguments.optional_text("payload")
        if text is None and self.profile.mqtt.needs_qos_and_payload:
            raise arguments.wrong("payload is required")
        try:
            payload = base64.b64decode(text or "", validate=True)
        except binascii.Error as error:
            raise arguments.wrong("payload is no base64") from error
        authorize(request, MQTT_PROXY, topic, self.access_control, self.profile)
        self.link.publish(topic, payload, qos)
        return Answer()

    async def _subscribe(self, request: Request) -> Answer:
        topic_filter, qos = request.arguments.text("topicName"), self._qos(request.arguments)
        authorize(request, MQTT_PROXY, topic_filter, self.access_control, self.profile)
        limit = self.profile.topic_bytes_max
        if not topic_filter or (limit is not None and len(topic_filter.encode()) > limit):
            raise IpcError(SERVICE_ERROR, "the topic has a wrong length")
        stream = request.stream
        self.link.subscribe(topic_filter, qos)

        def release() -> None:
            self.streams.remove(stream)
            self.link.unsubscribe(topic_filter)

        try:
            stream.hold(release)
        except IpcError:
            self.link.unsubscribe(topic_filter)
            raise
        return Answer(afterwards=lambda: self.streams.add(topic_filter, stream))

    def _qos(self, arguments: Arguments) -> int:
        value = arguments.values.get("qos")
        if value is None and not self.profile.mqtt.needs_qos_and_payload:
            return 0
        if str(value) not in ("0", "1"):
            raise arguments.wrong("qos is 0 or 1; IoT Core has no 2")
        return int(str(value))
