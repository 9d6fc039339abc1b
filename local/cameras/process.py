"""Start stand-in cameras as a process of their own, and talk to it: for tests, benchmarks and the local site.

    with start_cameras([CameraSpec("cam-1", user="viewer", password="secret")], cache, folder) as cameras:
        container = av.open(cameras.login_url("cam-1"), options={"rtsp_transport": "tcp"})
        cameras.control.set_fault("cam-1", "stall")

It imports neither av nor numpy.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local.cameras.spec import CameraSpec, to_json

_ROOT = Path(__file__).resolve().parents[2]
_LOOK_S = 0.02  # how often the ready file is looked for
_STOP_S = 5.0  # the cameras stop within a second; after this they are killed
_CONTROL_WAIT_S = 120.0  # setting a fault may encode another picture first
_LOG_TAIL_CHARS = 2_000


class CamerasFailedError(Exception):
    """The cameras did not start, or refused an order; the message says why."""


class Control:
    """The control port of running cameras."""

    def __init__(self, port: int) -> None:
        self._port = port

    def set_fault(self, camera: str, fault: str, **settings: object) -> dict[str, Any]:
        """Let a camera misbehave (see faults.Fault), or behave again (`none`); gives its statistics.

        Settings: `drop=True` also cuts off its present clients; `width` and `height` for `resolution`;
        `every` for `loss`.
        """
        return self._ask("POST", f"/cameras/{camera}/fault", {"fault": fault, **settings})

    def set_password(self, camera: str, password: str, *, drop: bool = False) -> None:
        """Have a camera want another password from now on; `drop=True` also cuts off its present clients."""
        self._ask("POST", f"/cameras/{camera}/password", {"password": password, "drop": drop})

    def statistics(self, camera: str) -> dict[str, Any]:
        """One camera's fault, place in its loop, sessions and ended sessions."""
        cameras: dict[str, dict[str, Any]] = self._ask("GET", "/stats", None)["cameras"]
        return cameras[camera]

    def _ask(self, method: str, target: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_CONTROL_WAIT_S)
        try:
            connection.request(method, target, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            content: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise CamerasFailedError(f"{method} {target}: {answer.status} {content.get('error')}")
        return content


@dataclass(frozen=True)
class RunningCameras:
    """Cameras that serve. `ready` is what the ready file tells."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    specs: dict[str, CameraSpec]
    control: Control
    sent_log: Path

    def url(self, camera: str) -> str:
        """The camera's URL without credentials."""
        return str(self.ready["cameras"][camera]["url"])

    def login_url(self, camera: str, password: str | None = None) -> str:
        """The camera's URL with its credentials (or another password) in it, as libav wants them."""
        spec = self.specs[camera]
        if not spec.user:
            return self.url(camera)
        login = f"{quote(spec.user, safe='')}:{quote(password or spec.password, safe='')}"
        return self.url(camera).replace("rtsp://", f"rtsp://{login}@", 1)

    def sent_frames(self, camera: str, session: str | None = None) -> list[dict[str, Any]]:
        """The lines of the sent log in order, of one session when given."""
        text = (self.sent_log / f"{camera}.jsonl").read_text(encoding="utf-8")
        # The last line may be under way: what has no end yet is left for the next reading.
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        return [line for line in lines if session in (None, line["session"])]


@contextmanager
def start_cameras(
    specs: Sequence[CameraSpec],
    cache: Path,
    folder: Path,
    *,
    port: int = 0,
    logs_sent: bool = True,
    ready_s_max: float = 120.0,
) -> Iterator[RunningCameras]:
    """Run cameras while the context lasts; `folder` gets spec, ready file, sent logs and its stderr.

    Started again in the same folder the sent logs go on, and laps begin at 0 again, as after a camera's restart.
    Raises CamerasFailedError when they do not serve within `ready_s_max`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec_path, ready_path, log_path = folder / "spec.json", folder / "ready.json", folder / "cameras.log"
    descriptor = os.open(spec_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(to_json(specs))
    ready_path.unlink(missing_ok=True)
    sent_log = folder / "sent"
    command = [
        *(sys.executable, "-m", "local.cameras", "--spec", str(spec_path), "--cache", str(cache)),
        *("--ready", str(ready_path), "--port", str(port), "--die-with-parent", str(os.getpid())),
        *(("--sent-log", str(sent_log)) if logs_sent else ()),
    ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log)
    try:
        ready = _wait_ready(process, ready_path, log_path, ready_s_max)
        named = {spec.id: spec for spec in specs}
        yield RunningCameras(process, ready, named, Control(int(ready["control_port"])), sent_log)
    finally:
        _stop(process)


def _wait_ready(
    process: subprocess.Popen[bytes], ready_path: Path, log_path: Path, ready_s_max: float
) -> dict[str, Any]:
    deadline = time.monotonic() + ready_s_max
    while not ready_path.exists():
        try:
            process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        tail = log_path.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARS:]
        state = "still starting" if process.poll() is None else f"ended with {process.returncode}"
        raise CamerasFailedError(f"the cameras do not serve ({state}): {tail}")
    ready: dict[str, Any] = json.loads(ready_path.read_text(encoding="utf-8"))
    return ready


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
