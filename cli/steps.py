"""Running a list of named commands one after another, for `check` and `test`: what ran, how long, what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OK = "ok"
NOT_THERE = 127
"""What a shell exits with for a program that is not there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command line; `tool` is a program of the project's environment unless it is a path."""

    name: str
    command: tuple[str, ...]


def tool(name: str) -> str:
    """The path of a program in the project's environment."""
    return str(Path(sys.executable).parent / name)


def run_steps(steps: Sequence[Step], environment: dict[str, str] | None = None) -> list[str]:
    """Run all steps, whatever fails, and return the names of those that failed."""
    return [step.name for step in steps if run_step(step, environment) != 0]


def run_step(step: Step, environment: dict[str, str] | None = None, folder: Path = ROOT) -> int:
    """Run one step in a folder and return what it exited with."""
    print(f"== {step.name}: {Path(step.command[0]).name} {' '.join(step.command[1:])}", flush=True)
    begun = time.monotonic()
    try:
        code = subprocess.run(
            step.command, cwd=folder, env={**os.environ, **(environment or {})}, check=False
        ).returncode
        verdict = OK if code == 0 else f"FAILED with {code}"
    except FileNotFoundError:
        code, verdict = NOT_THERE, f"FAILED, {step.command[0]} is not there"
    print(f"== {step.name}: {verdict} in {time.monotonic() - begun:.1f} s", flush=True)
    return code
