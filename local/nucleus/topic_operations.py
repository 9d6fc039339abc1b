"""PublishToTopic and SubscribeToTopic: arguments and policies, before `pubsub` does the work."""

from collections.abc import Callable
from dataclasses import dataclass

from local.nucleus.authorization import PUBSUB, is_authorized
from local.nucleus.ipc_error import UNAUTHORIZED, IpcError
from local.nucleus.json_value import Json
from local.nucleus.profile import Profile
from local.nucleus.pubsub import PubSub, Subscription
from local.nucleus.request import Answer, Operation, Request
from local.nucleus.topics import has_wildcard

AccessControl = Callable[[str], Json]  # component to the accessControl section of its configuration


def authorize(
    request: Request, destination: str, resource: str, access_control: AccessControl, profile: Profile
) -> None:
    """Raise IpcError unless the component's policies allow the operation on the resource."""
    section = access_control(request.component)
    if not is_authorized(section, destination, request.operation, resource, profile):
        message = (
            f"Principal {request.component} is not authorized to perform "
            f"{destination}:{request.operation} on resource {resource}"
        )
        raise IpcError(UNAUTHORIZED, message)


@dataclass(frozen=True)
class TopicOperations:
    """The operations on local topics."""

    pubsub: PubSub
    access_control: AccessControl
    profile: Profile

    def table(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "PublishToTopic": Operation(self._publish),
            "SubscribeToTopic": Operation(self._subscribe, is_streaming=True),
        }

    async def _publish(self, request: Request) -> Answer:
        arguments = request.arguments
        topic = arguments.text("topic")
        choices = arguments.mapping("publishMessage")
        given = [kind for kind in ("jsonMessage", "binaryMessage") if choices.get(kind) is not None]
        if len(given) != 1:
            raise arguments.wrong("publishMessage has exactly one of jsonMessage and binaryMessage")
        body = choices[given[0]]
        if not isinstance(body, dict) or "message" not in body:
            raise arguments.wrong(f"{given[0]} has no message")
        is_json = given[0] == "jsonMessage"
        if not is_json and not isinstance(body["message"], str):
            raise arguments.wrong("the message of a binaryMessage is base64")
        authorize(request, PUBSUB, topic, self.access_control, self.profile)
        await self.pubsub.publish(request.component, topic, body["message"], is_json=is_json)
        return Answer()

    async def _subscribe(self, request: Request) -> Answer:
        topic_filter = request.arguments.text("topic")
        authorize(request, PUBSUB, topic_filter, self.access_control, self.profile)
        self.pubsub.check_topic(topic_filter, is_filter=True)
        stream = request.stream
        others_only = self._others_only(request, topic_filter)
        subscription = Subscription(topic_filter, stream, others_only)
        stream.hold(lambda: self.pubsub.remove(stream))
        return Answer(afterwards=lambda: self.pubsub.add(subscription))

    def _others_only(self, request: Request, topic_filter: str) -> bool:
        if not self.profile.honours_receive_mode:
            return False
        mode = request.arguments.optional_text("receiveMode")
        if mode is None:
            return has_wildcard(topic_filter)
        if mode not in ("RECEIVE_ALL_MESSAGES", "RECEIVE_MESSAGES_FROM_OTHERS"):
            raise request.arguments.wrong(f"unknown receiveMode {mode}")
        return mode == "RECEIVE_MESSAGES_FROM_OTHERS"
