"""A running stand-in for the tests of this folder, and clients that speak to it over real sockets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[3]
START_S_MAX = 240.0
"""It takes 5 s; with twenty others who want the same two cores, more than 60."""

STOP_S_MAX = 60.0
_KEPT = tempfile.TemporaryDirectory(prefix="expanded-templates-")
EXPANDED = Path(_KEPT.name)
"""Expansions of templates, which take two seconds each: made once for all tests of this process."""


@dataclass
class Running:
    """One process of `python -m local.aws`."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    log: Path
    data: Path
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        return str(self.ready["resources"]["MediaBucket"])

    @property
    def table(self) -> str:
        return str(self.ready["resources"]["MediaTable"])

    def client(self, service: str, **options: Any) -> Any:
        key = service + repr(sorted(options.items()))
        if key not in self.clients:
            config = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, **options.pop("config", {})}
            arguments: dict[str, Any] = {
                "endpoint_url": self.ready["endpoint_url"],
                "region_name": self.ready["region"],
                "aws_access_key_id": self.ready["access_key_id"],
                "aws_secret_access_key": self.ready["secret_access_key"],
                "config": Config(**config),
                **options,
            }
            self.clients[key] = boto3.client(service, **arguments)  # type: ignore[call-overload]
        return self.clients[key]

    def kill(self) -> None:
        """Kill -9, and waits until it is gone."""
        self.process.kill()
        self.process.wait(STOP_S_MAX)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S_MAX)


Start = Callable[..., Running]


def start_aws(data: Path, template: Path = ROOT / "cloud" / "template.yaml", *extra: str) -> Running:
    """Starts a stand-in on `data` and waits until it is ready."""
    (data / "cache").mkdir(parents=True, exist_ok=True)
    for expanded in EXPANDED.glob("*.json"):
        shutil.copy(expanded, data / "cache")
    ready, log = data / "ready.json", data / "log.txt"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "local.aws", "--data", str(data), "--template", str(template)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--ready", str(ready), "--die-with-parent", *extra],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + START_S_MAX
    while not ready.exists():
        if process.poll() is not None:
            raise AssertionError(f"the stand-in ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        assert time.monotonic() < deadline, f"not ready after {START_S_MAX} s:\n{log.read_text()[-4000:]}"
        time.sleep(0.05)
    for expanded in (data / "cache").glob("*.json"):
        shutil.copy(expanded, EXPANDED)
    return Running(process, json.loads(ready.read_text()), log, data)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts stand-ins that end with the test."""
    running: list[Running] = []

    def begin(*extra: str, data: Path = tmp_path / "aws", template: Path | None = None) -> Running:
        running.append(start_aws(data, template or ROOT / "cloud" / "template.yaml", *extra))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One stand-in for all tests that do not disturb it."""
    running = start_aws(tmp_path_factory.mktemp("aws"))
    yield running
    running.stop()
