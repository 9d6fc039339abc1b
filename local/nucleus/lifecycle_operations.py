"""UpdateState, RestartComponent, SubscribeToComponentUpdates and DeferComponentUpdate."""

from dataclasses import dataclass
from typing import get_args

from local.nucleus.authorization import CLI
from local.nucleus.component import State
from local.nucleus.component_updates import ComponentUpdates
from local.nucleus.ipc_error import INVALID_ARGUMENTS, NOT_FOUND, SERVICE_ERROR, IpcError
from local.nucleus.lifecycle import Lifecycle
from local.nucleus.profile import Profile
from local.nucleus.request import Answer, Operation, Request
from local.nucleus.topic_operations import AccessControl, authorize


@dataclass(frozen=True)
class LifecycleOperations:
    """The operations on components' states."""

    lifecycle: Lifecycle
    updates: ComponentUpdates
    access_control: AccessControl
    profile: Profile

    def table(self) -> dict[str, Operation]:
        """Return the operations by name; those on updates only where the runtime has them."""
        operations = {"UpdateState": Operation(self._update), "RestartComponent": Operation(self._restart)}
        if self.profile.asks_before_updates:
            operations["SubscribeToComponentUpdates"] = Operation(self._subscribe, is_streaming=True)
            operations["DeferComponentUpdate"] = Operation(self._defer)
        return operations

    async def _update(self, request: Request) -> Answer:
        state = request.arguments.text("state")
        allowed = ("RUNNING", "ERRORED") if self.profile.reported_error_restarts else get_args(State)
        if state not in allowed:
            raise IpcError(SERVICE_ERROR, f"a component cannot report the state {state}")
        component = self.lifecycle.components.get(request.component)
        if component is not None and state == "ERRORED" and self.profile.reported_error_restarts:
            return Answer(afterwards=lambda: self.lifecycle.soon(component.report_error()))
        return Answer()

    async def _restart(self, request: Request) -> Answer:
        name = request.arguments.text("componentName")
        authorize(request, CLI, name, self.access_control, self.profile)
        if name not in self.lifecycle.components:
            raise IpcError(NOT_FOUND, f"component {name} is not deployed")
        return Answer({"restartStatus": "SUCCEEDED"}, lambda: self.lifecycle.soon(self.lifecycle.restart(name)))

    async def _subscribe(self, request: Request) -> Answer:
        """No policy is asked, as on the real runtime."""
        stream = request.stream
        stream.hold(lambda: self.updates.remove(stream))
        return Answer(afterwards=lambda: self.updates.add(stream))

    async def _defer(self, request: Request) -> Answer:
        deployment_id = request.arguments.optional_text("deploymentId")
        if not deployment_id:
            raise IpcError(INVALID_ARGUMENTS, "Cannot defer component update. The deploymentId is null")
        delay_ms = request.arguments.values.get("recheckAfterMs")
        if delay_ms is not None and not isinstance(delay_ms, int | float):
            raise IpcError(INVALID_ARGUMENTS, "recheckAfterMs is a number")
        self.updates.answer(request.component, deployment_id, int(delay_ms or 0))
        return Answer()
