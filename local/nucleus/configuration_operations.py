"""GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate.

A component reads the configuration of any component and writes its own only, except its accessControl.
No policy is asked, as on the real runtimes.
"""

from dataclasses import dataclass

from local.nucleus.configuration import KeyPath, MissingKeyError
from local.nucleus.configuration_store import ConfigurationStore, Watch
from local.nucleus.ipc_error import INVALID_ARGUMENTS, NOT_FOUND, IpcError
from local.nucleus.json_value import Json
from local.nucleus.profile import Profile
from local.nucleus.request import Answer, Operation, Request


@dataclass(frozen=True)
class ConfigurationOperations:
    """The operations on component configuration."""

    store: ConfigurationStore
    profile: Profile

    def table(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "GetConfiguration": Operation(self._get),
            "UpdateConfiguration": Operation(self._update),
            "SubscribeToConfigurationUpdate": Operation(self._subscribe, is_streaming=True),
        }

    def _read(self, component: str, path: KeyPath) -> Json:
        try:
            return self.store.read(component, path)
        except MissingKeyError as error:
            fields = {"resourceType": "key", "resourceName": "/".join(path)}
            raise IpcError(NOT_FOUND, "Key not found", **fields) from error

    async def _get(self, request: Request) -> Answer:
        path = request.arguments.key_path()
        component = request.arguments.optional_text("componentName") or request.component
        value = self._read(component, path)
        if not isinstance(value, dict):
            value = {path[-1]: value}
        return Answer({"componentName": component, "value": value})

    async def _update(self, request: Request) -> Answer:
        values = request.arguments.values
        timestamp = values.get("timestamp")
        merge = values.get("valueToMerge")
        if "valueToMerge" not in values or not isinstance(timestamp, float):
            raise IpcError(INVALID_ARGUMENTS, "valueToMerge and timestamp are required")
        if self.profile.merge_must_be_map and not isinstance(merge, dict):
            raise IpcError(INVALID_ARGUMENTS, "valueToMerge is a map")
        path = request.arguments.key_path()
        in_root = not path and isinstance(merge, dict) and "accessControl" in merge
        if path[:1] == ("accessControl",) or in_root:
            raise IpcError(INVALID_ARGUMENTS, "accessControl is changed by deployments only")
        await self.store.update(request.component, path, merge, int(timestamp * 1000))
        return Answer()

    async def _subscribe(self, request: Request) -> Answer:
        path = request.arguments.key_path()
        component = request.arguments.optional_text("componentName") or request.component
        self._read(component, path)
        stream = request.stream
        stream.hold(lambda: self.store.unwatch(stream))
        return Answer(afterwards=lambda: self.store.watch(Watch(stream, component, path)))
