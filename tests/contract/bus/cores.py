"""What the bus suite runs on: the fake broker, and the local Greengrass core through the official client.

`GG_CONTRACT_SOCKET` and `GG_CONTRACT_TOKENS` (JSON, component to token) run it against any other core that has the
components of `recipes/` with their access policies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import yaml

from components.shared.runtime.bus import Bus, CloudMessage
from components.shared.runtime.clock import Clock, SystemClock
from components.shared.runtime.log import Log
from local.iot_core import IotCore, RuleMessage
from tests.contract.bus.wire_tap import WireTap
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

ROOT = Path(__file__).parents[3]
THING = "site-1"
VERSION = "0.1.0"
NAMES = ("Capture", "VideoProcessor", "CloudSync", "HealthMonitor", "SiteConfig")
READY_S_MAX = 30.0


class Core(Protocol):
    """A core under test, for one test."""

    asks_before_updates: bool
    """Whether components may put a deployment off; Nucleus Lite does not know that."""
    tells_offline: bool
    """Whether a message for the cloud is refused while offline; the classic nucleus spools it."""

    def bus(self, component: str, log: Log | None = None, clock: Clock | None = None) -> Bus:
        """A component's bus; closed after the test."""

    def inject(self, topic: str, payload: bytes) -> None:
        """Publish any bytes on a local topic, past our own checks."""

    def set_connected(self, is_connected: bool) -> None:
        """Cut the connections of all buses and refuse new ones, or allow them again."""

    def set_online(self, is_online: bool) -> None:
        """The core's connection to the cloud."""

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """The cloud sends a message."""

    def to_cloud(self) -> list[CloudMessage]:
        """What has arrived in the cloud."""

    def redeploy(self) -> None:
        """The core carries out a deployment."""

    def close(self) -> None:
        """Close the buses."""


class FakeCore:
    """The fake broker as a core."""

    asks_before_updates = True
    tells_offline = True

    def __init__(self) -> None:
        self.broker = FakeBroker()

    def bus(self, component: str, log: Log | None = None, clock: Clock | None = None) -> Bus:
        """A component's bus."""
        return FakeBus(component, self.broker, log, clock)

    def inject(self, topic: str, payload: bytes) -> None:
        """Publish any bytes."""
        self.broker.inject(topic, payload)

    def set_connected(self, is_connected: bool) -> None:
        """The connection of all buses."""
        self.broker.connected = is_connected

    def set_online(self, is_online: bool) -> None:
        """The connection to the cloud."""
        self.broker.online = is_online

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """The cloud sends."""
        self.broker.from_cloud(topic, payload)

    def to_cloud(self) -> list[CloudMessage]:
        """What has arrived."""
        return list(self.broker.to_cloud)

    def redeploy(self) -> None:
        """It asks."""
        self.broker.announce("deployment-1")

    def close(self) -> None:
        """Nothing is left open."""


class Nucleus:
    """A running local core with all components deployed; they only keep their place and token."""

    def __init__(self, folder: Path, profile: str) -> None:
        self.profile = profile
        self.cloud = IotCore(folder / "iot")
        self.arrived: list[CloudMessage] = []
        self.cloud.add_rule("all", "SELECT * FROM 'nvr/v1/#'", self._note)
        self._folder = folder
        _write_build(folder / "build")
        deployment = {
            "thingName": THING,
            "region": "eu-central-1",
            "mqtt": {"host": "127.0.0.1", "port": self.cloud.start_mqtt()},
            "components": {f"com.edgenvr.{name}": {"version": VERSION} for name in NAMES},
        }
        (folder / "deployment.json").write_text(json.dumps(deployment))
        arguments = ["--root", "root", "--build", "build", "--deployment", "deployment.json", "--profile", profile]
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.nucleus", *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        eventually(self._is_ready, READY_S_MAX, "the core is ready")
        self.socket = str(self.status()["socket"])
        self.tokens = {name: self._token(name) for name in NAMES}

    def status(self) -> dict[str, Any]:
        """What the core says of itself."""
        try:
            status: dict[str, Any] = json.loads((self._folder / "root" / "status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def _note(self, told: RuleMessage) -> None:
        self.arrived.append(CloudMessage(told.message.topic, told.message.payload))

    def redeploy(self) -> None:
        """Carry out the deployment again."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop the core and its components."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self.cloud.stop()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "output").read_text()
        status = self.status()
        return bool(status.get("ready")) and status["mqtt"]["connected"]

    def _token(self, name: str) -> str:
        path = self._folder / "root" / "work" / f"com.edgenvr.{name}" / "token"
        eventually(lambda: path.exists() and path.read_text().endswith("\n"), READY_S_MAX)
        return path.read_text().strip()


class GreengrassCore:
    """A Greengrass core, through the official client."""

    def __init__(self, socket: str, tokens: dict[str, str], nucleus: Nucleus | None) -> None:
        self.tells_offline = nucleus is None or nucleus.profile == "lite"
        self.asks_before_updates = nucleus is not None and nucleus.profile == "classic"
        self.tap = WireTap(socket)
        self.tokens = tokens
        self._nucleus = nucleus
        self._buses: list[Bus] = []
        self._clients: list[Any] = []

    def bus(self, component: str, log: Log | None = None, clock: Clock | None = None) -> Bus:
        """A component's bus, through the tap."""
        from components.shared.runtime.greengrass import SOCKET_VARIABLE, THING_VARIABLE, TOKEN_VARIABLE, GreengrassBus

        environment = {SOCKET_VARIABLE: self.tap.path, TOKEN_VARIABLE: self.tokens[component], THING_VARIABLE: THING}
        made = GreengrassBus(component, log or RecordingLog(), clock or SystemClock(), environment)
        self._buses.append(made)
        return made

    def client(self, component: str) -> Any:
        """The official client as that component, past our bus."""
        from awsiot.greengrasscoreipc import connect
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

        client = connect(ipc_socket=self.tap.path, authtoken=self.tokens[component])
        self._clients.append(GreengrassCoreIPCClientV2(client=client))
        return self._clients[-1]

    def inject(self, topic: str, payload: bytes) -> None:
        """Publish any bytes, as a component that may."""
        from awsiot.greengrasscoreipc.model import BinaryMessage, PublishMessage

        message = PublishMessage(binary_message=BinaryMessage(message=payload))
        self.client("Capture").publish_to_topic(topic=topic, publish_message=message)

    def set_connected(self, is_connected: bool) -> None:
        """The connection of all buses."""
        self.tap.refuse(not is_connected)
        if not is_connected:
            self.tap.cut()

    def set_online(self, is_online: bool) -> None:
        """The connection to the cloud; waits until the core knows."""
        nucleus = self._with_cloud()
        nucleus.cloud.set_online(is_online)
        eventually(lambda: nucleus.status()["mqtt"]["connected"] == is_online, READY_S_MAX)

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """The cloud sends."""
        self._with_cloud().cloud.publish(topic, payload, 1)

    def to_cloud(self) -> list[CloudMessage]:
        """What has arrived."""
        return self._with_cloud().arrived

    def redeploy(self) -> None:
        """Carry out the same deployment again; a core that is not ours is left alone."""
        if self._nucleus is not None:
            self._nucleus.redeploy()

    def close(self) -> None:
        """Close the buses and the connections."""
        for one in (*self._buses, *self._clients):
            one.close()
        self.tap.close()

    def _with_cloud(self) -> Nucleus:
        assert self._nucleus is not None, "this core's cloud is not ours"
        return self._nucleus


def _write_build(build: Path) -> None:
    """The project's own recipes with their access policies, each running nothing but a wait."""
    (build / "recipes").mkdir(parents=True)
    for name in NAMES:
        text = (ROOT / "recipes" / f"com.edgenvr.{name}.yaml").read_text()
        text = text.replace("{COMPONENT_VERSION}", VERSION).replace("{RUNTIME_HASH}", "none")
        recipe = yaml.safe_load(text)
        recipe.pop("ComponentDependencies", None)
        manifest = recipe["Manifests"][0]
        manifest.pop("Artifacts", None)
        manifest["Lifecycle"] = {"run": {"Script": 'echo "$SVCUID" > token\nexec sleep 86400'}}
        path = build / "recipes" / f"com.edgenvr.{name}-{VERSION}.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
