"""The SAM CLI, in an environment of its own: it pins versions of packages that the project has newer ones of."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from cli.pins import uv_program
from cli.steps import ROOT
from components.shared.errors import Transient

PINS = ROOT / "requirements" / "sam-cli.txt"
ENVIRONMENT = ROOT / ".tools" / "sam-cli"
INSTALL_S_MAX = 900

QUIET = {"SAM_CLI_TELEMETRY": "0"}
"""What is deployed where is nobody else's business."""


def sam_program(environment: Path = ENVIRONMENT) -> str:
    """The path of `sam`; its environment is made when it is missing or old. Transient without a package index."""
    program, stamp = environment / "bin" / "sam", environment / ".edgenvr-pins"
    pins = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if program.exists() and stamp.exists() and stamp.read_text() == pins:
        return str(program)
    print("fetching the SAM CLI (once, about 210 MB)", file=sys.stderr, flush=True)
    uv = uv_program()
    shutil.rmtree(environment, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)])
    python = str(environment / "bin" / "python")
    _run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(PINS)])
    stamp.write_text(pins)
    return str(program)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(
            f"the SAM CLI did not come within {INSTALL_S_MAX} s: is the package index reachable?"
        ) from error
    if done.returncode != 0:
        raise Transient(f"the SAM CLI cannot be installed from {PINS.name}: {done.stderr.strip()[-500:]}")
