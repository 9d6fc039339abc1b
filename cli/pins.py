"""Compile requirements/*.txt from pyproject.toml: one common set of versions, then each artifact's own part of it.

Pins carry hashes and name no package index, so that a mirror serves as well. Needs the package index; everything
else in the project only reads the pins.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from pathlib import Path

from cli.steps import ROOT, Step, run_steps

HELP = "compile the pinned requirements from pyproject.toml"

ARTIFACT_GROUPS_WITHOUT_PINS = {"all", "local", "cli", "dev"}
SAM_CLI = "aws-sam-cli>=1.170,<2"
"""A tool in an environment of its own, whose versions have nothing to do with ours."""

_COMPILE = ("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url")
_PLAIN = ("--no-annotate", "--no-header", "--python-version", "3.11")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")


def run(arguments: argparse.Namespace) -> int:
    """Compile all pins; 1 when the index could not be reached or versions conflict."""
    uv = uv_program()
    upgrade = ("--upgrade",) if arguments.upgrade else ()
    steps = [Step("all", (uv, *_COMPILE, *_PLAIN, *upgrade, "--group", "all", "-o", "requirements/all.txt"))]
    for group in artifact_groups():
        target = ("-c", "requirements/all.txt", "-o", f"requirements/{group}.txt")
        steps.append(Step(group, (uv, *_COMPILE, *_PLAIN, *upgrade, "--group", group, *target)))
    with tempfile.TemporaryDirectory(prefix="nvr-pins-") as folder:
        wanted = Path(folder, "sam-cli.in")
        wanted.write_text(SAM_CLI + "\n")
        steps.append(Step("sam-cli", (uv, *_COMPILE, *_PLAIN, *upgrade, str(wanted), "-o", "requirements/sam-cli.txt")))
        return 1 if run_steps(steps) else 0


def artifact_groups() -> list[str]:
    """The dependency groups that go into an artifact of their own."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [group for group in groups if group not in ARTIFACT_GROUPS_WITHOUT_PINS]


def uv_program() -> str:
    """uv: the one that `./nvr` has fetched, else the machine's own."""
    own = Path(ROOT, ".tools", "bin", "uv")
    return str(own) if own.exists() else "uv"
