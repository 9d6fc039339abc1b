"""The core that the contract suite runs against.

With GG_CONTRACT_SOCKET, GG_CONTRACT_TOKENS (JSON, component name to token) and GG_CONTRACT_PROFILE in the
environment it is that one, deployed with the two recipes beside this file. Otherwise it is the core of this
project, started here in both profiles with the MQTT server of this project behind it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.ipc.client import LISTENER, SPEAKER, Client, Core, RawClient
from tests.fakes.waiting import eventually

PROJECT = Path(__file__).resolve().parents[3]
RECIPES = Path(__file__).with_name("recipes")
START_S = 60.0  # a loaded machine
STOP_S = 10.0
ANSWER_S = 3
"""How long a component has to answer whether it may be updated; a loaded machine answers in a second."""

EXTERNAL = "GG_CONTRACT_SOCKET" in os.environ
PROFILES = [os.environ.get("GG_CONTRACT_PROFILE", "lite")] if EXTERNAL else ["lite", "classic"]


@pytest.fixture(scope="session", params=PROFILES)
def core(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with the suite's two components running."""
    if EXTERNAL:
        tokens = json.loads(os.environ["GG_CONTRACT_TOKENS"])
        yield Core(request.param, os.environ["GG_CONTRACT_SOCKET"], tokens, is_external=True)
        return
    folder = tmp_path_factory.mktemp(f"core-{request.param}")
    with _running([sys.executable, "-m", "local.iot_core", "--data", folder / "iot", "--ready", folder / "ready"]):
        eventually((folder / "ready").exists, START_S, "the MQTT server is there")
        port = json.loads((folder / "ready").read_text())["mqtt_port"]
        _write_build(folder, port)
        root = folder / "root"
        command = [sys.executable, "-m", "local.nucleus", "--root", root, "--build", folder / "build"]
        command += ["--deployment", folder / "deployment.json", "--profile", request.param]
        with _running(command):
            eventually(lambda: _is_ready(root), START_S, "the core is ready and connected")
            yield Core(request.param, _status(root)["socket"], _tokens(root), is_external=False)


@pytest.fixture
def speaker(core: Core) -> Iterator[Client]:
    """A client with the identity of the Speaker."""
    with Client(core, SPEAKER) as client:
        yield client


@pytest.fixture
def listener(core: Core) -> Iterator[Client]:
    """A client with the identity of the Listener."""
    with Client(core, LISTENER) as client:
        yield client


@pytest.fixture
def lite(core: Core) -> Core:
    """A core that imitates, or is, Nucleus Lite; its tests are not collected for another one."""
    return core


@pytest.fixture
def classic(core: Core) -> Core:
    """A core that imitates, or is, the classic runtime; its tests are not collected for another one."""
    return core


@pytest.fixture
def redeploy(core: Core) -> Callable[[], None]:
    """Lets the core carry out its deployment again; its tests are not collected for a core that is not ours."""

    def deploy() -> None:
        with RawClient(core) as client:
            os.kill(client.peer_process(), signal.SIGHUP)

    return deploy


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of one runtime's habits where the core is the other one."""

    def is_foreign(item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            return False
        if EXTERNAL and "redeploy" in item.fixturenames:
            return True
        wanted = {"lite", "classic"} & set(item.fixturenames)
        return bool(wanted) and item.callspec.params.get("core") not in wanted

    foreign = [item for item in items if is_foreign(item)]
    config.hook.pytest_deselected(items=foreign)
    items[:] = [item for item in items if item not in foreign]


class _running:  # noqa: N801 - used like the function that it stands for
    """A process while a `with` block lasts."""

    def __init__(self, command: list[object]) -> None:
        self._command = [str(part) for part in command]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=PROJECT, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def _write_build(folder: Path, mqtt_port: int) -> None:
    shutil.copytree(RECIPES, folder / "build" / "recipes")
    deployment = {
        "thingName": "contract",
        "region": "us-east-1",
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port},
        "components": {SPEAKER: {"version": "1.0.0"}, LISTENER: {"version": "1.0.0"}},
        "componentUpdatePolicy": {"timeoutInSeconds": ANSWER_S},
    }
    (folder / "deployment.json").write_text(json.dumps(deployment))


def _status(root: Path) -> dict[str, Any]:
    path = root / "status.json"
    status: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"ready": False}
    return status


def _is_ready(root: Path) -> bool:
    status = _status(root)
    return bool(status["ready"]) and status["mqtt"] == {"connected": True}


def _tokens(root: Path) -> dict[str, str]:
    """Read the tokens where the components have them: in their environment."""
    tokens = {}
    components = _status(root)["components"]
    for name, status in components.items():
        environment = Path(f"/proc/{status['pid']}/environ").read_text().split("\0")
        tokens[name] = next(one.removeprefix("SVCUID=") for one in environment if one.startswith("SVCUID="))
    return tokens
