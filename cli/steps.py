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
    failed = []
    for step in steps:
        print(f"== {step.name}: {Path(step.command[0]).name} {' '.join(step.command[1:])}", flush=True)
        begun = time.monotonic()
        verdict = _verdict(step, {**os.environ, **(environment or {})})
        print(f"== {step.name}: {verdict} in {time.monotonic() - begun:.1f} s", flush=True)
        if verdict != OK:
            failed.append(step.name)
    return failed


def _verdict(step: Step, environment: dict[str, str]) -> str:
    try:
        code = subprocess.run(step.command, cwd=ROOT, env=environment, check=False).returncode
    except FileNotFoundError:
        return f"FAILED, {step.command[0]} is not there"
    return OK if code == 0 else f"FAILED with {code}"
