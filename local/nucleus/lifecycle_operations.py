"""UpdateState and RestartComponent."""

from dataclasses import dataclass
from typing import get_args

from local.nucleus.authorization import CLI
from local.nucleus.component import State
from local.nucleus.ipc_error import NOT_FOUND, SERVICE_ERROR, IpcError
from local.nucleus.lifecycle import Lifecycle
from local.nucleus.profile import Profile
from local.nucleus.request import Answer, Operation, Request
from local.nucleus.topic_operations import AccessControl, authorize


@dataclass(frozen=True)
class LifecycleOperations:
    """The operations on components' states."""

    lifecycle: Lifecycle
    access_control: AccessControl
    profile: Profile

    def table(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {"UpdateState": Operation(self._update), "RestartComponent": Operation(self._restart)}

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
