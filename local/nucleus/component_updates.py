"""Components that want to hear of updates, and may put them off: asked before each deployment, told after it.

What the classic runtime does. Every subscribed component is asked, whatever the deployment changes, and has the time of
the deployment's policy to answer. The longest delay among the answers counts; after it all are asked again, as often as
somebody asks for more. Who does not answer in time puts nothing off. Knows nothing of what a deployment does.
"""

import asyncio
import logging

from local.nucleus.ipc_error import INVALID_ARGUMENTS, SERVICE_ERROR, IpcError
from local.nucleus.json_value import JsonObject
from local.nucleus.pubsub import Delivery
from local.nucleus.request import Stream

log = logging.getLogger(__name__)

MODEL = "ComponentUpdatePolicyEvents"


class ComponentUpdates:
    """The streams that hear of updates, and the answers that are awaited."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._streams: list[Stream] = []
        self._answers: dict[tuple[str, str], asyncio.Future[int]] = {}

    def add(self, stream: Stream) -> None:
        """Tell this stream from now on."""
        self._streams.append(stream)

    def remove(self, stream: Stream) -> None:
        """Tell this stream no more; an answer that its component owes is still awaited."""
        self._streams = [one for one in self._streams if one is not stream]

    async def ask(self, deployment_id: str, timeout_s: float) -> None:
        """Return when no component puts the deployment off (any more)."""
        while self._streams:
            streams = list(self._streams)
            loop = asyncio.get_running_loop()
            self._answers = {(stream.component, deployment_id): loop.create_future() for stream in streams}
            event: JsonObject = {"deploymentId": deployment_id, "isGgcRestarting": False}
            await self._delivery.send(streams, MODEL, {"preUpdateEvent": event})
            done, late = await asyncio.wait(self._answers.values(), timeout=timeout_s)
            if late:
                owing = sorted(component for (component, _), one in self._answers.items() if one in late)
                log.warning("deployment %s: no answer from %s in time", deployment_id, ", ".join(owing))
            self._answers = {}
            delay_ms = max((answer.result() for answer in done), default=0)
            if delay_ms <= 0:
                return
            log.info("deployment %s is put off by %d ms", deployment_id, delay_ms)
            await asyncio.sleep(delay_ms / 1000)

    async def tell_done(self, deployment_id: str) -> None:
        """Tell all that the deployment is carried out."""
        event: JsonObject = {"deploymentId": deployment_id}
        await self._delivery.send(list(self._streams), MODEL, {"postUpdateEvent": event})

    def answer(self, component: str, deployment_id: str, delay_ms: int) -> None:
        """Take a component's answer, or raise IpcError: it is not subscribed, or nobody waits for it (any more)."""
        if not any(stream.component == component for stream in self._streams):
            raise IpcError(INVALID_ARGUMENTS, "Component not subscribed to component updates")
        awaited = self._answers.get((component, deployment_id))
        if awaited is None or awaited.done():
            raise IpcError(SERVICE_ERROR, "Time limit to respond to PreComponentUpdateEvent exceeded")
        awaited.set_result(delay_ms)
