"""A site's SiteConfig with everything around it: an embedded AWS as a process, and the other components on a bus."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from components.shared.runtime.applied import AppliedReporter
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.component import Context, StatusBoard
from components.shared.runtime.config import ConfigWatcher, Snapshot, read_snapshot
from components.shared.wire import topics
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256
from components.site_config.app import build
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

STOP_S_MAX = 2.0


def camera(name: str = "Yard", **more: Any) -> dict[str, Any]:
    """A valid camera document."""
    return {"schema": 1, "name": name, "source": {"url": "rtsp://192.0.2.1/1"}, **more}


class HasClients(Protocol):
    """An AWS that gives boto3 clients."""

    def client(self, service: str) -> Any:
        """A client of that service."""


class Operator:
    """Somebody in the cloud who configures a site with the AWS SDK."""

    def __init__(self, aws: HasClients, thing: str) -> None:
        self.thing = thing
        aws.client("iot").create_thing(thingName=thing)
        self._shadows = aws.client("iot-data")
        self._secrets = aws.client("secretsmanager")

    def shadow(self, name: str) -> dict[str, Any]:
        """The state of a shadow; empty when there is none."""
        try:
            answer = self._shadows.get_thing_shadow(thingName=self.thing, shadowName=name)
        except ClientError:
            return {}
        state: dict[str, Any] = json.loads(answer["payload"].read())["state"]
        return state

    def desired(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.shadow(name).get("desired", {})
        return found

    def reported(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.shadow(name).get("reported", {})
        return found

    def update(self, name: str, changes: Mapping[str, Any]) -> None:
        payload = json.dumps({"state": {"desired": changes}}).encode()
        self._shadows.update_thing_shadow(thingName=self.thing, shadowName=name, payload=payload)

    def configure(self, cameras: Mapping[str, Mapping[str, Any]], **site: Any) -> None:
        """The cameras' documents first, then the site's that names their hashes."""
        for name, document in cameras.items():
            self.update(camera_shadow(name), document)
        hashes = {name: document_sha256(self.desired(camera_shadow(name))) for name in cameras}
        self.update(SITE, {"schema": 1, "cameras": hashes, **site})

    def set_secret(self, name: str, value: str) -> None:
        secret = f"edgenvr/{self.thing}/{name}"
        try:
            self._secrets.create_secret(Name=secret, SecretString=value)
        except ClientError:
            self._secrets.put_secret_value(SecretId=secret, SecretString=value)


class SiteBox:
    """A box with a data root; SiteConfig runs on it between `start` and `stop`."""

    def __init__(self, data: Path, thing: str) -> None:
        self.data = data
        self.thing = thing
        self.clock = SystemClock()
        self.broker = FakeBroker()
        self.log = RecordingLog()
        self.status = StatusBoard(self.clock)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._capture = FakeBus(topics.CAPTURE, self.broker, self.log, self.clock)
        self._watcher = ConfigWatcher(data, self.clock)
        self._applied = AppliedReporter(self._capture, topics.CAPTURE, self.clock)
        self.refused_by_capture: dict[str, str] = {}

    def start(self) -> None:
        """Start SiteConfig's tasks as its worker does."""
        self._stop = threading.Event()
        context = Context(
            name=topics.SITE_CONFIG,
            version="1",
            data=self.data,
            thing=self.thing,
            bus=FakeBus(topics.SITE_CONFIG, self.broker, self.log, self.clock),
            clock=self.clock,
            log=self.log,
            stop=self._stop,
            status=self.status,
            config=ConfigWatcher(self.data, self.clock),
            settings={},
        )
        tasks = build(context)
        self._threads = [threading.Thread(target=task.run, name=task.name, daemon=True) for task in tasks]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, and see that it does so in time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_S_MAX)
            assert not thread.is_alive(), f"task {thread.name} has not stopped within {STOP_S_MAX} s"
        self._threads = []

    def snapshot(self) -> Snapshot | None:
        """What is in force."""
        return read_snapshot(self.data)

    def in_force(self, name: str) -> dict[str, Any] | None:
        """The document in force of that name."""
        snapshot = self.snapshot()
        if snapshot is None:
            return None
        if name == SITE:
            return snapshot.site.raw
        loaded = snapshot.cameras.get(name.removeprefix("camera-"))
        return loaded.raw if loaded else None

    def capture_answers(self) -> None:
        """Capture reads what is in force and says what it makes of it."""
        snapshot = self._watcher.poll() or self.snapshot()
        if snapshot is not None:
            self._applied.report(snapshot, self.refused_by_capture)

    def report(self) -> dict[str, Any]:
        """The operator's report."""
        path = self.data / "config" / "report.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def propose(self, document: str, changes: Any, base_version: int | None = None) -> str:
        """Put a proposal into the folder; its id."""
        proposal = uuid.uuid4().hex
        path = self.data / "config" / "proposals" / f"{proposal}.json"
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps({"document": document, "changes": changes, "base_version": base_version}))
        part.rename(path)
        return proposal

    def answer(self, proposal: str) -> dict[str, Any]:
        """The answer, waited for."""
        path = self.data / "config" / "proposals" / f"{proposal}.answer.json"
        eventually(path.exists, 10, f"answer to {proposal}")
        found: dict[str, Any] = json.loads(path.read_text())
        return found
