"""All checks and all tests.

As root it installs the Debian packages that some tests need; elsewhere it names them and what they are for, and the
tests that need them say so and are skipped. With CI=true in the environment anything missing is a failure.

A few tests that were red beside others run again, each alone, after everything else; `second_look` decides.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.check import STATIC
from cli.pytest_notes import read_notes
from cli.second_look import Ended, Judged, judge
from cli.steps import ROOT, Step, run_step, run_steps

HELP = "everything: sets up what it can, then all checks and tests"

DEBIAN_PACKAGES = {
    "chromium": "the browser that plays footage from the cloud's page",
    "btrfs-progs": "the disk that `./nvr lab power-cut` copies at random moments",
    "ffmpeg": "an independent judge of recorded files and of the stand-in cameras",
    "gstreamer1.0-tools": "another independent judge of the stand-in cameras",
    "gstreamer1.0-plugins-good": "its RTSP client",
    "gstreamer1.0-plugins-bad": "its H.264 and H.265 parsers",
    "gir1.2-gst-rtsp-server-1.0": "an independent RTSP server to record from",
    "python3-gi": "its Python binding",
    "systemd": "systemd-creds, which keeps secrets encrypted at rest",
}

PYTEST = (sys.executable, "-m", "pytest", "-q")
BUSY = (
    "tests/unit",
    "tests/property",
    "tests/sync",
    "tests/artifact",
    "tests/integration/capture",
    "tests/integration/video_processor",
)
"""Tests that compute, or have many cameras at once."""

GROUPS = (
    Step(
        "what computes, two at a time",
        (*PYTEST, *BUSY, "-n", "2", "--dist", "loadfile", "--durations=15"),
    ),
    Step(
        "what waits most of the time, three at a time",
        (
            *(*PYTEST, "tests", *(f"--ignore={folder}" for folder in BUSY), "-m", "not alone"),
            *("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", "--durations=15"),  # long ones not at the end
        ),
    ),
    Step("what promises time, alone", (*PYTEST, "tests/faults", "-m", "alone", "--durations=15")),
)
"""Every test is in one of them: a new folder in the second, until it is named here. See `alone` in pyproject.toml."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--no-install", action="store_true", help="do not install Debian packages, even as root")


def run(arguments: argparse.Namespace) -> int:
    """Set up, run everything; 1 when anything is red, or missing with CI=true."""
    must_be_whole = os.environ.get("CI") == "true"
    missing = missing_packages()
    if missing and os.geteuid() == 0 and not arguments.no_install:
        install(missing)
        missing = missing_packages()
    for package in missing:
        print(f"not installed: {package} ({DEBIAN_PACKAGES[package]}); as root: apt-get install {package}")
    failed = run_steps(STATIC)
    with tempfile.TemporaryDirectory(prefix="nvr-test-") as folder:
        judged = run_groups(GROUPS, Path(folder))
    failed += judged.reasons
    if missing and must_be_whole:
        failed.append("missing Debian packages")
    if judged.forgiven:
        print(f"test: RED BESIDE OTHERS, GREEN ALONE ({len(judged.forgiven)}; what they said is above):")
        print("\n".join(f"    {test}" for test in judged.forgiven))
    if failed:
        print(f"test: red: {', '.join(failed)}")
        return 1
    print("test: green" + (" (without what needs the packages named above)" if missing else ""))
    return 0


def run_groups(groups: Sequence[Step], notes_folder: Path, root: Path = ROOT) -> Judged:
    """Run groups of tests one after another, then those that get a second look; each step is a command of pytest."""

    def run_group(step: Step) -> Ended:
        notes = notes_folder / f"{len(list(notes_folder.iterdir()))}.jsonl"
        notes.touch()
        command = (*step.command, "-p", "cli.pytest_notes", f"--notes={notes}")
        return Ended(step.name, run_step(Step(step.name, command), folder=root), read_notes(notes))

    ended = [run_group(group) for group in groups]
    return judge(ended, lambda test: run_group(Step(f"again, alone: {test}", (*PYTEST, test))))


def missing_packages(query: str = "dpkg-query") -> list[str]:
    """The Debian packages that are not installed here; all of them where there is no dpkg."""
    command = [query, "--show", "--showformat", "${Package} ${db:Status-Status}\n", *DEBIAN_PACKAGES]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return list(DEBIAN_PACKAGES)
    installed = {line.split()[0] for line in found.splitlines() if line.endswith(" installed")}
    return [package for package in DEBIAN_PACKAGES if package not in installed]


def install(packages: list[str]) -> None:
    """Install Debian packages; what could not be installed shows afterwards as missing."""
    print(f"installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print(f"{' '.join(command[:2])} failed with {done.returncode}", file=sys.stderr)
