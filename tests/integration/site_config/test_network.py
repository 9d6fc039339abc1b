"""SiteConfig and its network: gone for a while, gone from the start, and there without ever answering."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from components.shared.wire.site_config import SITE, document_sha256
from local.iot_core import IotCore
from tests.fakes.credentials_endpoint import CredentialsEndpoint
from tests.fakes.waiting import eventually
from tests.integration.site_config.conftest import MakeBox
from tests.integration.site_config.site import SiteBox, camera

pytestmark = pytest.mark.slow

WITHIN_S = 20.0
STOP_S_MAX = 2.0


class Cloud:
    """AWS IoT Core in this process, with a network that can be switched off."""

    def __init__(self, folder: Path, thing: str) -> None:
        self.core = IotCore(folder)
        self.thing = thing
        self._server = make_server("127.0.0.1", 0, self.core.wsgi_app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.core.stop()

    def update(self, name: str, desired: Any) -> None:
        self.core.shadows.update(self.thing, name, json.dumps({"state": {"desired": desired}}).encode())

    def state(self, name: str, section: str) -> Any:
        state: Any = self.core.shadows.get(self.thing, name)["state"]
        return state.get(section, {})


@pytest.fixture
def cloud(tmp_path: Path, thing: str) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path / "iot", thing)
    cloud.update("camera-yard", camera())
    cloud.update(SITE, {"schema": 1, "cameras": {"yard": document_sha256(camera())}})
    yield cloud
    cloud.stop()


@pytest.fixture
def box(cloud: Cloud, make_box: MakeBox) -> SiteBox:
    box = make_box(cloud.url)
    box.start()
    eventually(lambda: box.in_force("camera-yard"), WITHIN_S)
    return box


def test_edit_made_offline(cloud: Cloud, box: SiteBox) -> None:
    """Without a network an edit is in force at once; the shadows have it soon after the network is back."""
    cloud.core.set_online(False)
    box.stop()
    box.start()
    answer = box.answer(box.propose("camera-yard", {"name": "Back yard"}))
    assert answer["state"] == "pending"
    assert box.in_force("camera-yard") == camera("Back yard")
    eventually(lambda: box.status.report("SiteConfig", "1").last_error, WITHIN_S)
    cloud.core.set_online(True)
    eventually(lambda: cloud.state("camera-yard", "desired") == camera("Back yard"), WITHIN_S)
    eventually(lambda: cloud.state(SITE, "desired") == box.in_force(SITE), WITHIN_S)
    eventually(lambda: cloud.state("camera-yard", "reported").get("state") == "in_force", WITHIN_S)


def test_start_without_a_network(cloud: Cloud, box: SiteBox) -> None:
    """What was in force stays in force over a start without a network, byte for byte."""
    box.stop()
    cloud.core.set_online(False)
    files = {path.name: path.read_bytes() for path in (box.data / "config").glob("*.json")}
    box.start()
    eventually(lambda: box.status.report("SiteConfig", "1").last_error, WITHIN_S)
    now = {path.name: path.read_bytes() for path in (box.data / "config").glob("*.json")}
    assert {name: now[name] for name in ("site.json", "camera-yard.json")} == {
        name: files[name] for name in ("site.json", "camera-yard.json")
    }


def test_stop_while_nobody_answers(tmp_path: Path, credentials: CredentialsEndpoint) -> None:
    """A worker in the middle of calls that are never answered stops in time, with a good exit code."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        asked = threading.Event()

        def accept() -> None:
            kept = []
            while True:
                try:
                    kept.append(hole.accept())
                except OSError:
                    return
                asked.set()

        threading.Thread(target=accept, daemon=True).start()
        environment = credentials.environment(f"http://127.0.0.1:{hole.getsockname()[1]}")
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.site_config.worker_process", "--data", str(tmp_path / "data")],
            env={**os.environ, **environment, "AWS_IOT_THING_NAME": "site-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert asked.wait(WITHIN_S)
            begun = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate(timeout=10)
            took_s = time.monotonic() - begun
        finally:
            worker.kill()
    assert worker.returncode == 0, output.decode()
    assert took_s < STOP_S_MAX, f"{took_s:.2f} s"
