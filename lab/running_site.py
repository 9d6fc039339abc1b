"""A whole site as a user starts it, `./nvr up` in a process of its own, to be looked at and hurt from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.2
START_S_MAX = 420.0
"""A first start sets up nothing but encodes the cameras' scene."""

END_S_MAX = 90.0


class SiteFailedError(RuntimeError):
    """The site did not do what the show needs; the message holds the end of what it printed."""


@dataclass
class RunningSite:
    """A site under test. `data` is its data root."""

    data: Path
    process: subprocess.Popen[bytes]
    outcome_file: Path
    output_file: Path

    def status(self) -> dict[str, Any]:
        """What `./nvr status --json` says."""
        status: dict[str, Any] = nvr_json("status", "--data", str(self.data))["site"]
        return status

    def core_status(self) -> dict[str, Any]:
        """What the core says of its components."""
        path = self.data / "local" / "core" / "status.json"
        try:
            status: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        return status

    def launcher_facts(self, component: str) -> dict[str, Any]:
        """What a component's launcher says of itself; empty while it is not there."""
        try:
            facts: dict[str, Any] = json.loads((self.data / "run" / f"{component}.json").read_text())
        except FileNotFoundError:
            return {}
        return facts

    def worker_pid(self, component: str) -> int | None:
        """The process of a component's worker, or None between two of them."""
        return self.launcher_facts(component).get("worker_pid")

    def wait_until(self, what: str, is_so: Callable[[], bool], within_s: float) -> float:
        """Wait until something is so; returns the seconds it took. SiteFailedError when it takes too long."""
        begun = time.monotonic()
        while not is_so():
            if self.process.poll() is not None:
                raise SiteFailedError(f"the site ended while waiting until {what}: {self.tail()}")
            if time.monotonic() - begun > within_s:
                raise SiteFailedError(f"not within {within_s:.0f} s: {what}; {self.tail()}")
            time.sleep(POLL_S)
        return time.monotonic() - begun

    def wait_recording(self, cameras: int) -> None:
        """Wait until so many cameras record."""

        def is_recording() -> bool:
            if not (self.data / "catalogue" / "capture.db").exists():
                return False
            states = [camera["state"] for camera in self.status()["cameras"]]
            return states.count("recording") == cameras

        self.wait_until(f"{cameras} cameras record", is_recording, START_S_MAX)

    def finish(self) -> dict[str, Any]:
        """Let the site's time be over and its queues drain; what it wrote with --json."""
        self.process.send_signal(signal.SIGUSR1)
        try:
            self.process.wait(END_S_MAX)
        except subprocess.TimeoutExpired as error:
            raise SiteFailedError(f"the site did not end: {self.tail()}") from error
        if not self.outcome_file.exists():
            raise SiteFailedError(f"the site ended with {self.process.returncode} and no outcome: {self.tail()}")
        outcome: dict[str, Any] = json.loads(self.outcome_file.read_text())
        return outcome

    def tail(self) -> str:
        """The end of what the site printed."""
        return " | ".join(self.output_file.read_text(errors="replace").splitlines()[-8:])


@contextmanager
def running_site(work: Path, *options: str) -> Iterator[RunningSite]:
    """Start `./nvr up` with these options and a data root in `work`; it is ended when the block is left."""
    data, outcome_file, output_file = work / "data", work / "outcome.json", work / "up.log"
    outcome_file.unlink(missing_ok=True)
    command = [str(ROOT / "nvr"), "up", "--data", str(data), "--json", str(outcome_file), *options]
    with output_file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield RunningSite(data, process, outcome_file, output_file)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def nvr_json(*arguments: str) -> Any:
    """The answer of an `./nvr` command as JSON."""
    done = subprocess.run([str(ROOT / "nvr"), *arguments, "--json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SiteFailedError(f"nvr {' '.join(arguments)} answered nothing: {done.stderr.strip()}")
    return json.loads(done.stdout)


def scene_cache(work: Path) -> None:
    """Share encoded scenes between runs: encoding them is not what is measured."""
    shared = scene_folder()
    local = work / "data" / "local"
    local.mkdir(parents=True, exist_ok=True)
    if not (local / "scenes").exists():
        (local / "scenes").symlink_to(shared)


def scene_folder() -> Path:
    """Where encoded scenes are kept for all runs on this machine."""
    shared = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "edgenvr" / "scenes"
    shared.mkdir(parents=True, exist_ok=True)
    return shared
