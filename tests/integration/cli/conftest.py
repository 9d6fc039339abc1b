"""Commands as real processes, for what needs a terminal, a signal or a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command: `start("logs", "-f", stdout=PIPE)`. What still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: object, **streams: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "cli", *map(str, arguments)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        process: subprocess.Popen[bytes] = subprocess.Popen(command, env=environment, **streams)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
