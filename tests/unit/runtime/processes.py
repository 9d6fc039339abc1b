"""Programs under test as real processes: started with a component's environment, their log read, ended at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.waiting import eventually

ROOT = Path(__file__).parents[3]


class Program:
    """A started program and what it has logged so far."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={"PATH": os.environ["PATH"], **environment},
            )

    def text(self) -> str:
        """All that it has printed."""
        return self._output.read_text()

    def records(self, event: str = "") -> list[dict[str, Any]]:
        """Its log so far, oldest first; of one event, if given."""
        whole = self.text().rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in whole if line.startswith("{")]
        return [record for record in found if event in ("", record["event"])]

    def await_records(self, event: str, count: int = 1, within_s: float = 15) -> list[dict[str, Any]]:
        """The records of an event once there are so many."""
        eventually(lambda: len(self.records(event)) >= count, within_s, f"{count} times {event} in:\n{self.text()}")
        return self.records(event)

    def terminate(self) -> None:
        """SIGTERM, as a core stops a component."""
        self.process.send_signal(signal.SIGTERM)

    def end(self, within_s: float = 15) -> int:
        """The exit code once it has ended."""
        return self.process.wait(within_s)

    def kill(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(15)


def lives(process: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
