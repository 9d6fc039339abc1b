"""One stand-in as a process: started, waited for until it serves, stopped, its output in a log file.

A stand-in tells that it serves by writing its ready file: a JSON object with its addresses. It dies with its parent,
so that nothing is left behind when that is killed.
"""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY_POLL_S = 0.05
STOP_S_MAX = 5.0
"""A stand-in that has not gone after this is killed: Ctrl-C must end everything within that time."""

LOG_TAIL_LINES = 5

_PRCTL = ctypes.CDLL(None).prctl  # found before any fork: little may be done after it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class StandInError(RuntimeError):
    """A stand-in did not start or ended by itself; the message holds the end of its log."""


@dataclass
class StandIn:
    """A running stand-in and what it said when it was ready."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path
    addresses: dict[str, Any]

    def check(self) -> None:
        """Raise StandInError when the process has ended."""
        if self.process.poll() is not None:
            raise StandInError(
                f"{self.name} ended by itself with code {self.process.returncode}: {tail(self.log_file)}"
            )

    def ask_to_stop(self) -> None:
        """Tell the process to stop, without waiting; harmless when it has gone."""
        if self.process.poll() is None:
            self.process.terminate()

    def stop(self, within_s: float = STOP_S_MAX) -> None:
        """Stop the process, by force when it does not go by itself in time; harmless when it has gone."""
        self.ask_to_stop()
        if self.process.poll() is None:
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(
    name: str,
    arguments: list[str],
    ready_file: Path,
    log_file: Path,
    environment: Mapping[str, str],
    ready_s_max: float,
    while_waiting: Callable[[], None] = lambda: None,
    is_ready: Callable[[dict[str, Any]], bool] = bool,
) -> StandIn:
    """Start `python -m ARGUMENTS`, wait until it has written its ready file, and return it.

    `is_ready` judges what the ready file says. Raises StandInError when the process ends before or is not ready within
    `ready_s_max` seconds.
    """
    ready_file.unlink(missing_ok=True)
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment, "PYTHONPATH": str(ROOT)},
            # A group of its own: Ctrl-C at the terminal is ours to hand on, in the right order.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - we start stand-ins from the main thread only
        )
    deadline = time.monotonic() + ready_s_max
    stand_in = StandIn(name, process, log_file, {})
    while not is_ready(_said(ready_file)):
        stand_in.check()
        if time.monotonic() > deadline:
            stand_in.stop()
            raise StandInError(f"{name} was not ready within {ready_s_max:.0f} s: {tail(log_file)}")
        try:
            while_waiting()
        except BaseException:
            stand_in.stop()
            raise
        time.sleep(READY_POLL_S)
    stand_in.addresses = _said(ready_file)
    return stand_in


def _end_with_parent() -> None:
    """In the child: have the kernel send SIGTERM when the parent ends, however it does."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _said(ready_file: Path) -> dict[str, Any]:
    """What a stand-in has written into its ready file; empty before."""
    try:
        said: dict[str, Any] = json.loads(ready_file.read_text())
    except FileNotFoundError:
        return {}
    return said


def tail(log_file: Path) -> str:
    """The end of a log, for an error message."""
    lines = log_file.read_text(errors="replace").splitlines() if log_file.exists() else []
    return " | ".join(lines[-LOG_TAIL_LINES:]) or f"nothing in {log_file}"
