"""The configurations of all components: kept in one file, with the streams that want to hear of changes.

The file is replaced as a whole after each change and read once at the start. Knows nothing of IPC frames.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from local.nucleus.authorization import PolicyError, check_access_control, fits_memory
from local.nucleus.configuration import (
    Branch,
    KeyPath,
    MissingKeyError,
    check_update,
    deployed,
    differences,
    find,
    from_json,
    pointer_path,
    to_json,
    value_of,
    write,
)
from local.nucleus.deployment import ConfigurationUpdate, DeploymentError
from local.nucleus.durable_file import replace_file
from local.nucleus.ipc_error import IpcError
from local.nucleus.json_value import Json, JsonObject, compact
from local.nucleus.profile import Profile
from local.nucleus.pubsub import Delivery
from local.nucleus.request import Stream

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Watch:
    """One stream that wants to hear of changes at or below a key path."""

    stream: Stream
    component: str
    path: KeyPath


class ConfigurationStore:
    """What GetConfiguration and its siblings read and write, and deployments change."""

    def __init__(self, path: Path, profile: Profile, delivery: Delivery) -> None:
        self._path = path
        self._profile = profile
        self._delivery = delivery
        self._trees: dict[str, Branch] = {}
        self._applied: dict[str, str] = {}
        self._watches: list[Watch] = []
        if path.exists():
            self._load()

    def read(self, component: str, path: KeyPath) -> Json:
        """Return the value or map at a key path, or raise MissingKeyError."""
        tree = self._trees.get(component)
        if tree is None:
            raise MissingKeyError(component)
        return value_of(find(tree, path))

    def access_control(self, component: str) -> Json:
        """Return the accessControl section of a component; None when it has none."""
        try:
            return self.read(component, ("accessControl",))
        except MissingKeyError:
            return None

    async def update(self, component: str, path: KeyPath, value: Json, timestamp_ms: int) -> None:
        """Merge what a component set for itself, keep it and tell who watches; IpcError when refused."""
        tree = self._trees.setdefault(component, Branch())
        check_update(tree, path, value, timestamp_ms, self._profile)
        changed: list[KeyPath] = []
        try:
            changed = write(tree, path, value, timestamp_ms, self._profile)
        finally:
            self._save()
        await self._tell(component, changed)

    async def deploy(self, component: str, defaults: JsonObject, update: ConfigurationUpdate, now_ms: int) -> None:
        """Bring in a recipe's values and a deployment's update; DeploymentError names what cannot be kept."""
        old = self._trees.get(component, Branch())
        digest = hashlib.sha256(compact([update.merge, list(update.reset)])).hexdigest()
        is_new = self._applied.get(component) != digest
        resets = [pointer_path(pointer) for pointer in update.reset] if is_new else []
        self.check(component, defaults)
        self.check(component, update.merge)
        try:
            tree = deployed(old, defaults, resets, self._profile)
            if is_new:
                write(tree, (), update.merge, now_ms, self._profile)
        except IpcError as error:
            raise DeploymentError(f"component {component}: configuration: {error.message}") from error
        self._trees[component] = tree
        self._applied[component] = digest
        self._save()
        await self._tell(component, differences(old, tree))

    def check(self, component: str, values: JsonObject) -> None:
        """Raise DeploymentError for values that this runtime cannot keep."""
        scratch = Branch()
        try:
            write(scratch, (), values, 0, self._profile)
        except IpcError as error:
            raise DeploymentError(f"component {component}: configuration: {error.message}") from error
        section = values.get("accessControl")
        if section is None:
            return
        try:
            check_access_control(section)
        except PolicyError as error:
            raise DeploymentError(f"component {component}: {error}") from error
        for destination, policies in section.items() if isinstance(section, dict) else ():
            if isinstance(policies, dict) and not fits_memory(policies, self._profile):
                log.warning("%s: the policies of %s are too large, none will hold", component, destination)

    def forget(self, component: str) -> None:
        """Drop the configuration of a component that is no longer deployed."""
        if self._trees.pop(component, None) is not None:
            self._applied.pop(component, None)
            self._save()

    def watch(self, watch: Watch) -> None:
        """Tell a stream of every later change at or below its key path."""
        self._watches.append(watch)

    def unwatch(self, stream: Stream) -> None:
        """Tell a stream nothing more."""
        self._watches = [watch for watch in self._watches if watch.stream is not stream]

    async def _tell(self, component: str, changed: list[KeyPath]) -> None:
        for path in changed:
            streams = [
                watch.stream
                for watch in self._watches
                if watch.component == component and path[: len(watch.path)] == watch.path
            ]
            event: Json = {"configurationUpdateEvent": {"componentName": component, "keyPath": list(path)}}
            await self._delivery.send(streams, "ConfigurationUpdateEvents", event)

    def _save(self) -> None:
        document: Json = {
            name: {"applied": self._applied.get(name, ""), "configuration": to_json(tree)}
            for name, tree in self._trees.items()
        }
        replace_file(self._path, json.dumps(document, indent=1).encode())

    def _load(self) -> None:
        try:
            for name, entry in json.loads(self._path.read_bytes()).items():
                tree = from_json({"children": entry["configuration"]["children"]})
                assert isinstance(tree, Branch)
                self._trees[name], self._applied[name] = tree, entry["applied"]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DeploymentError(f"{self._path} cannot be read, remove it to begin anew: {error}") from error
