"""The deployment document: which components in which versions, with what configuration and environment.

Pure: JSON text in, a frozen value out, or one DeploymentError that names every fault with its key.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from local.nucleus.json_value import Json, JsonObject, is_string_list, strings

COMPONENT_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_KEYS = {
    "thingName",
    "region",
    "environment",
    "path",
    "mqtt",
    "credentialsUrl",
    "roleAlias",
    "components",
    "componentUpdatePolicy",
}
_ACTIONS = ("NOTIFY_COMPONENTS", "SKIP_NOTIFY_COMPONENTS")


class DeploymentError(ValueError):
    """A deployment cannot be carried out; the text names component and key."""


@dataclass(frozen=True)
class ConfigurationUpdate:
    """What a deployment changes in a configuration: first `reset` (JSON pointers), then `merge`."""

    merge: JsonObject = field(default_factory=dict)
    reset: tuple[str, ...] = ()


@dataclass(frozen=True)
class WantedComponent:
    """One component of a deployment."""

    version: str
    update: ConfigurationUpdate = field(default_factory=ConfigurationUpdate)


@dataclass(frozen=True)
class Broker:
    """Where the MQTT link connects to."""

    host: str
    port: int


@dataclass(frozen=True)
class UpdatePolicy:
    """Whether components are asked before they are updated, and how long each has to answer."""

    asks: bool = True
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Deployment:
    """The whole document."""

    thing_name: str
    region: str
    components: dict[str, WantedComponent]
    environment: dict[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    broker: Broker | None = None
    credentials_url: str | None = None
    role_alias: str = ""
    update_policy: UpdatePolicy = UpdatePolicy()


def read_deployment(path: Path) -> Deployment:
    """Read a deployment file, or raise DeploymentError."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DeploymentError(f"deployment {path}: {error}") from error
    return parse_deployment(document)


def parse_deployment(document: Json) -> Deployment:
    """Check a deployment document and return it, or raise DeploymentError with all its faults."""
    if not isinstance(document, dict):
        raise DeploymentError("the deployment is no map")
    reader = _Reader(document)
    deployment = Deployment(
        thing_name=reader.text("thingName"),
        region=reader.text("region"),
        components=reader.components(),
        environment=reader.environment(),
        path=reader.folders(),
        broker=reader.broker(),
        credentials_url=reader.optional_text("credentialsUrl"),
        role_alias=reader.optional_text("roleAlias") or "",
        update_policy=reader.update_policy(),
    )
    if reader.faults:
        raise DeploymentError("; ".join(reader.faults))
    return deployment


class _Reader:
    """Reads the keys of a document and gathers what is wrong with them."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self.faults = [f"deployment: unknown key {key}" for key in document if key not in _KEYS]

    def text(self, key: str) -> str:
        value = self._document.get(key)
        if isinstance(value, str) and value:
            return value
        self.faults.append(f"deployment: {key} is required and is a string")
        return ""

    def optional_text(self, key: str) -> str | None:
        value = self._document.get(key)
        if value is None or isinstance(value, str):
            return value
        self.faults.append(f"deployment: {key} is a string or null")
        return None

    def environment(self) -> dict[str, str]:
        value = self._document.get("environment", {})
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return {key: item for key, item in value.items() if isinstance(item, str)}
        self.faults.append("deployment: environment is a map of strings")
        return {}

    def folders(self) -> tuple[str, ...]:
        value = self._document.get("path", [])
        if is_string_list(value):
            return tuple(strings(value))
        self.faults.append("deployment: path is a list of folders")
        return ()

    def broker(self) -> Broker | None:
        value = self._document.get("mqtt")
        if value is None:
            return None
        if isinstance(value, dict):
            host, port = value.get("host"), value.get("port")
            if isinstance(host, str) and isinstance(port, int) and 0 < port < 65_536:
                return Broker(host, port)
        self.faults.append("deployment: mqtt is null or a map of host and port")
        return None

    def update_policy(self) -> UpdatePolicy:
        value = self._document.get("componentUpdatePolicy", {})
        if not isinstance(value, dict) or not set(value) <= {"action", "timeoutInSeconds"}:
            self.faults.append("deployment: componentUpdatePolicy is a map of action and timeoutInSeconds")
            return UpdatePolicy()
        action, timeout_s = value.get("action", _ACTIONS[0]), value.get("timeoutInSeconds", 60)
        if action not in _ACTIONS:
            self.faults.append(f"deployment: componentUpdatePolicy.action is one of {', '.join(_ACTIONS)}")
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int) or timeout_s < 1:
            self.faults.append("deployment: componentUpdatePolicy.timeoutInSeconds is a number of seconds, 1 or more")
            return UpdatePolicy()
        return UpdatePolicy(action == _ACTIONS[0], float(timeout_s))

    def components(self) -> dict[str, WantedComponent]:
        value = self._document.get("components")
        if not isinstance(value, dict):
            self.faults.append("deployment: components is required and is a map")
            return {}
        return {name: self._component(name, entry) for name, entry in value.items()}

    def _component(self, name: str, entry: Json) -> WantedComponent:
        where = f"component {name}"
        if not COMPONENT_NAME.fullmatch(name):
            self.faults.append(f"{where}: the name has other characters than letters, digits, dot, dash, underscore")
        if not isinstance(entry, dict):
            self.faults.append(f"{where}: is no map")
            return WantedComponent("")
        version = entry.get("version")
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            self.faults.append(f"{where}: version is required and looks like 1.0.0")
            version = ""
        for key in entry:
            if key not in ("version", "configurationUpdate"):
                self.faults.append(f"{where}: unknown key {key}")
        return WantedComponent(version, self._update(where, entry.get("configurationUpdate")))

    def _update(self, where: str, value: Json) -> ConfigurationUpdate:
        if value is None:
            return ConfigurationUpdate()
        if not isinstance(value, dict):
            self.faults.append(f"{where}: configurationUpdate is no map")
            return ConfigurationUpdate()
        merge, reset = value.get("merge", {}), value.get("reset", [])
        if not isinstance(merge, dict):
            self.faults.append(f"{where}: configurationUpdate.merge is no map")
            merge = {}
        if not is_string_list(reset):
            self.faults.append(f"{where}: configurationUpdate.reset is no list of JSON pointers")
        self.faults += [
            f"{where}: configurationUpdate: unknown key {key}" for key in value if key not in ("merge", "reset")
        ]
        return ConfigurationUpdate(merge, tuple(strings(reset)))
