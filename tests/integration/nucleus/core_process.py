"""A core of this project as a process, with recipes made by a test."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.ipc.client import Client, Core
from tests.fakes.waiting import eventually

PROJECT = Path(__file__).resolve().parents[3]
WAIT_S = 40.0  # a loaded machine
VERSION = "1.0.0"


class CoreProcess:
    """One core: its build folder, its deployment file, and the process while it runs."""

    def __init__(self, folder: Path, profile: str = "lite") -> None:
        self.root = folder / "root"
        self.build = folder / "build"
        self.deployment_file = folder / "deployment.json"
        self.profile = profile
        self.deployment: dict[str, Any] = {"thingName": "thing-1", "region": "eu-central-1", "components": {}}
        self.process: subprocess.Popen[str] | None = None
        (self.build / "recipes").mkdir(parents=True)

    def __enter__(self) -> "CoreProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def component(
        self,
        name: str,
        run: str | None = "exec sleep 1000000",
        *,
        version: str = VERSION,
        install: str | None = None,
        dependencies: dict[str, str] | None = None,
        configuration: dict[str, Any] | None = None,
        update: dict[str, Any] | None = None,
        artifacts: dict[str, str] | None = None,
        step: dict[str, Any] | None = None,
        run_step: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> None:
        """Write a recipe and put its component into the deployment."""
        steps: dict[str, Any] = {}
        if install is not None:
            steps["install"] = {"Script": textwrap.dedent(install), **(step or {})}
        if run is not None:
            steps["run"] = {"Script": textwrap.dedent(run), **(run_step or {})}
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "ComponentConfiguration": {"DefaultConfiguration": configuration or {}},
            "ComponentDependencies": {
                other: {"VersionRequirement": "*", "DependencyType": kind}
                for other, kind in (dependencies or {}).items()
            },
            "Manifests": [{"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": steps, **(manifest or {})}],
        }
        (self.build / "recipes" / f"{name}-{version}.json").write_text(json.dumps(recipe))
        for file, content in (artifacts or {}).items():
            path = self.build / "artifacts" / name / version / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.deployment["components"][name] = {"version": version, "configurationUpdate": update or {}}

    def start(self, *options: str, ready: bool = True) -> None:
        """Write the deployment and start the core; wait until everything runs."""
        self.deployment_file.write_text(json.dumps(self.deployment))
        command = [sys.executable, "-m", "local.nucleus", "--root", self.root, "--build", self.build]
        command += ["--deployment", self.deployment_file, "--profile", self.profile, *options]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if ready:
            self.wait(lambda: self.status()["ready"], "everything runs")

    def deploy(self, done: Callable[[], object]) -> None:
        """Write the deployment anew, have it carried out, and wait until its effect is there."""
        self.deployment_file.write_text(json.dumps(self.deployment))
        self.signal(signal.SIGHUP)
        self.wait(done, "the deployment was carried out")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the core."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """End the core by SIGTERM and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.end()[0]

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, standard output and standard error."""
        assert self.process is not None
        output, errors = self.process.communicate(timeout=WAIT_S)
        code = self.process.returncode
        self.process = None
        return code, output, errors

    def kill(self) -> None:
        """Kill the core without a warning, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=WAIT_S)
            self.process = None

    def status(self) -> dict[str, Any]:
        """Return the status file; of a core that has not written one, an empty status."""
        path = self.root / "status.json"
        empty: dict[str, Any] = {"pid": None, "ready": False, "components": {}, "deployment": None}
        status: dict[str, Any] = json.loads(path.read_text()) if path.exists() else empty
        is_old = self.process is not None and status["pid"] != self.process.pid
        return empty if is_old else status

    def of(self, name: str) -> dict[str, Any]:
        """Return the status of a component."""
        found: dict[str, Any] = self.status()["components"].get(name, {"state": None, "pid": None, "starts": 0})
        return found

    def kill_component(self, name: str) -> int:
        """Kill the main process of a component and return its id."""
        pid: int = self.of(name)["pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def log(self, name: str) -> str:
        """Return what a component has written."""
        path = self.root / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def wait_for_state(self, name: str, state: str) -> None:
        """Wait until a component is in a state."""
        self.wait(lambda: self.of(name)["state"] == state, f"{name} is {state}")

    def wait_for_log(self, name: str, text: str) -> None:
        """Wait until a component has written a text."""
        self.wait(lambda: text in self.log(name), f"{name} writes {text!r}")

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; when the core has ended instead, show why."""

        def look() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the core ended: {self.process.communicate()}"
            return bool(condition())

        eventually(look, WAIT_S, what)


def client_of(core: CoreProcess, name: str) -> Client:
    """Return a client with the identity of a running component."""
    token = environment_of(core, name)["SVCUID"]
    return Client(Core(core.profile, core.status()["socket"], {name: token}, is_external=False), name)


def environment_of(core: CoreProcess, name: str) -> dict[str, str]:
    """Return the environment of a running component."""
    entries = Path(f"/proc/{core.of(name)['pid']}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process."""
    os.kill(pid, number)


def gone(*pids: int) -> bool:
    """Tell whether none of the processes is there any more."""
    return not any(is_alive(pid) for pid in pids)
