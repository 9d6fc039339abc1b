"""A whole site on one machine: a cloud, cameras and a Greengrass core, as three processes put together.

It knows nothing of the product but what a real core is given: a build folder and a deployment. Everything lies under
one data root; what belongs to the stand-ins, and not to the recorder, lies in `local/` below it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.stand_in import READY_POLL_S, StandIn, StandInError, start

CLOUD_READY_S_MAX = 120.0
CAMERAS_READY_S_MAX = 300.0
"""The first start encodes the cameras' scene, which a slow machine needs minutes for."""
CORE_READY_S_MAX = 60.0
UNDEPLOY_S_MAX = 20.0
STAND_IN_STOP_S_MAX = 1.5
"""Cameras have nothing to lose, and the embedded AWS loses nothing by being killed: nobody should wait for them."""

REGION = "eu-central-1"
FUNCTION_SECONDS = {"FunctionTimeoutSeconds": 20, "RetrySeconds": 20}
"""On one machine nobody wants to wait the minutes for which a failed event stays hidden in the real cloud."""

CAMERA_USER = "viewer"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a local site keeps its things."""

    data: Path

    @property
    def local(self) -> Path:
        """What belongs to the stand-ins."""
        return self.data / "local"

    @property
    def logs(self) -> Path:
        """Logs of the components and of the stand-ins."""
        return self.data / "logs"

    @property
    def core(self) -> Path:
        """The Greengrass root."""
        return self.local / "core"

    @property
    def core_status(self) -> Path:
        """What the core says of its components, once a second."""
        return self.core / "status.json"

    def ready(self, name: str) -> Path:
        """The ready file of a stand-in."""
        return self.local / f"{name}.ready.json"


class Site:
    """The stand-ins of one site. Start the cloud, then the cameras, then the core; `stop` ends what was started."""

    def __init__(self, layout: Layout, while_waiting: Callable[[], None] = lambda: None) -> None:
        """`while_waiting` is called again and again while a stand-in starts; what it raises ends the wait."""
        self.layout = layout
        self._while_waiting = while_waiting
        self.cloud: StandIn | None = None
        self.cameras: StandIn | None = None
        self.core: StandIn | None = None
        layout.local.mkdir(parents=True, exist_ok=True)

    def start_cloud(self, template: Path) -> StandIn:
        """Start the embedded AWS with the resources of the template."""
        arguments = ["local.aws", "--data", str(self.layout.local / "cloud"), "--template", str(template)]
        arguments += ["--ready", str(self.layout.ready("cloud")), "--die-with-parent"]
        arguments += ["--port", str(self._kept_port("cloud")), "--mqtt-port", str(self._kept_port("mqtt"))]
        for name, seconds in FUNCTION_SECONDS.items():
            arguments += ["--parameter", f"{name}={seconds}"]
        self.cloud = self._start("cloud", arguments, CLOUD_READY_S_MAX, cloud_environment(os.environ))
        return self.cloud

    def start_cameras(self, specs: list[dict[str, Any]]) -> StandIn:
        """Start RTSP cameras; the first start encodes their scene, with its progress in the log."""
        spec_file = self.layout.local / "cameras.json"
        password = self.camera_password()
        write_private(
            spec_file, json.dumps([{**spec, "user": CAMERA_USER, "password": password} for spec in specs], indent=1)
        )
        arguments = ["local.cameras", "--spec", str(spec_file), "--cache", str(self.layout.local / "scenes")]
        arguments += ["--ready", str(self.layout.ready("cameras")), "--die-with-parent"]
        # The port is kept, since the cameras' addresses stand in the site's configuration.
        arguments += ["--port", str(self._kept_port("cameras"))]
        self.cameras = self._start("cameras", arguments, CAMERAS_READY_S_MAX, dict(os.environ))
        return self.cameras

    def start_core(self, build: Path, deployment: dict[str, Any], profile: str, drop_local_messages: bool) -> StandIn:
        """Start the Greengrass core with a deployment; the components run when this returns."""
        deployment_file = self.layout.local / "deployment.json"
        deployment_file.write_text(json.dumps(deployment, indent=1))
        arguments = ["local.nucleus", "--root", str(self.layout.core), "--build", str(build)]
        arguments += ["--deployment", str(deployment_file), "--profile", profile]
        arguments += ["--log-dir", str(self.layout.logs)]
        if drop_local_messages:
            arguments.append("--drop-local-messages")
        self.layout.core_status.unlink(missing_ok=True)
        self.core = self._start(
            "core",
            arguments,
            CORE_READY_S_MAX,
            dict(os.environ),
            ready_file=self.layout.core_status,
            is_ready=lambda status: bool(status.get("ready")),
        )
        return self.core

    def undeploy(self, component: str) -> None:
        """Take one component out of the deployment and wait until it has stopped."""
        if self.core is None:
            return
        deployment_file = self.layout.local / "deployment.json"
        document = json.loads(deployment_file.read_text())
        document["components"].pop(component, None)
        deployment_file.write_text(json.dumps(document, indent=1))
        pid = self.core_status().get("components", {}).get(component, {}).get("pid")
        self.core.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + UNDEPLOY_S_MAX
        while component in self.core_status().get("components", {}) or (pid and Path(f"/proc/{pid}").exists()):
            self.core.check()
            if time.monotonic() > deadline:
                raise StandInError(f"core did not stop {component} within {UNDEPLOY_S_MAX:.0f} s")
            time.sleep(READY_POLL_S)

    def check(self) -> None:
        """Raise StandInError when a stand-in has ended by itself."""
        for stand_in in (self.cloud, self.cameras, self.core):
            if stand_in is not None:
                stand_in.check()

    def stop_core(self) -> None:
        """Stop the components, then the core."""
        if self.core is not None:
            self.core.stop()
            self.core = None

    def stop(self) -> None:
        """Stop everything that was started: components first, so that they can still finish what they do."""
        self.stop_core()
        left = [stand_in for stand_in in (self.cameras, self.cloud) if stand_in is not None]
        for stand_in in left:
            stand_in.ask_to_stop()
        for stand_in in left:
            stand_in.stop(STAND_IN_STOP_S_MAX)
        self.cameras = self.cloud = None

    def core_status(self) -> dict[str, Any]:
        """What the core last said of itself; empty when it has said nothing yet."""
        try:
            status: dict[str, Any] = json.loads(self.layout.core_status.read_text())
        except FileNotFoundError:
            return {}
        return status

    def camera_password(self) -> str:
        """The password of this site's stand-in cameras, made at first use and kept."""
        path = self.layout.local / "camera-password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(12))
        return path.read_text()

    def _start(
        self,
        name: str,
        arguments: list[str],
        ready_s_max: float,
        environment: dict[str, str],
        ready_file: Path | None = None,
        is_ready: Callable[[dict[str, Any]], bool] = bool,
    ) -> StandIn:
        log_file = self.layout.logs / f"{name}.log"
        return start(
            name,
            arguments,
            ready_file or self.layout.ready(name),
            log_file,
            environment,
            ready_s_max,
            self._while_waiting,
            is_ready,
        )

    def _kept_port(self, name: str) -> int:
        """The port that `name` had last time when it is still free, else another."""
        path = self.layout.local / "ports.json"
        ports = json.loads(path.read_text()) if path.exists() else {}
        if name not in ports or not is_free(ports[name]):
            ports[name] = free_port()
            path.write_text(json.dumps(ports))
        port: int = ports[name]
        return port


def component_environment(endpoint_url: str) -> dict[str, str]:
    """What makes a component speak to the embedded AWS: the one difference from a real site."""
    return {"AWS_ENDPOINT_URL": endpoint_url}


def cloud_environment(environment: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The embedded AWS runs with a region and without the developer's own credentials or endpoint."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return {**kept, "AWS_DEFAULT_REGION": REGION}


def deployment(thing: str, cloud: StandIn, components: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The deployment document of a local core."""
    endpoint_url = cloud.addresses["endpoint_url"]
    return {
        "thingName": thing,
        "region": REGION,
        "environment": component_environment(endpoint_url),
        "path": [str(Path(sys.executable).parent)],
        "mqtt": {"host": cloud.addresses["mqtt_host"], "port": cloud.addresses["mqtt_port"]},
        "credentialsUrl": endpoint_url,
        "roleAlias": cloud.addresses["outputs"]["DeviceRoleAliasName"],
        "components": components,
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def free_port() -> int:
    """A TCP port on loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether the port can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
