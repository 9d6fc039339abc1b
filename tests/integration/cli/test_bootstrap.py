"""`./nvr` needs a Python and the package index, and says what to do without them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.checkout import ROOT, checkout

INDEX_SETTINGS = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy", "HOME", "XDG_")
"""What tells pip and uv where the package index is."""
UTILITIES = ("sh", "cat", "cksum", "dirname", "mv", "readlink", "rm")

pytestmark = pytest.mark.slow


class Box:
    """A machine with the project's files and nothing but the programs that a test puts there."""

    def __init__(self, folder: Path, *parts: str) -> None:
        self.root = checkout(folder / "a clean clone", parts)
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in UTILITIES:
            found = shutil.which(name)
            assert found is not None
            (self.programs / name).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        """Put a program there."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def environment_of(self, python: str) -> None:
        """An environment that is set up already, with this Python."""
        program = self.root / ".venv" / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
        program.chmod(0o755)
        pins = self.root / "requirements" / "all.txt"
        with pins.open("rb") as content:
            sums = subprocess.run(["cksum"], stdin=content, capture_output=True, text=True, check=True).stdout
        (self.root / ".venv" / ".edgenvr-pins").write_text(sums.rstrip("\n"))

    def nvr(
        self, *arguments: str, folder: Path | None = None, called_as: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call `nvr` by its path, from somewhere else."""
        return subprocess.run(
            [str(called_as or self.root / "nvr"), *arguments],
            cwd=folder or self.programs,
            env={
                **{name: value for name, value in os.environ.items() if name.startswith(INDEX_SETTINGS)},
                "PATH": str(self.programs),
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """The entry, the pins and the commands, without an environment."""
    return Box(tmp_path, "nvr", "requirements", "cli", "components", "fleet", "lab", "local")


@pytest.fixture
def whole_box(tmp_path: Path) -> Iterator[Box]:
    """A clean clone, whose environment is removed at the end: it is large."""
    box = Box(tmp_path)
    yield box
    shutil.rmtree(box.root)


def test_clean_clone_needs_a_python_alone(whole_box: Box) -> None:
    """The first call makes the environment, without a uv, with a Python of any name; the second only uses it."""
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    (whole_box.programs / base.name).symlink_to(base)
    first = whole_box.nvr("--help")
    assert first.returncode == 0, first.stderr
    assert "run a whole site on this machine" in first.stdout
    assert "fetching uv" in first.stderr
    assert "setting up the environment" in first.stderr
    assert (whole_box.root / ".tools" / "bin" / "uv").exists()
    second = whole_box.nvr("--help")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    # A Python that has gone with an upgrade of the box is replaced.
    python = whole_box.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python3.10-that-was")
    third = whole_box.nvr("--help")
    assert third.returncode == 0, third.stderr
    assert "fetching uv" not in third.stderr
    assert third.stdout == first.stdout


def test_no_python(box: Box) -> None:
    """Without any Python the message says which are good and how to get one."""
    told = box.nvr("status")
    assert (told.returncode, told.stdout) == (2, "")
    assert "nvr: Python 3.11 to 3.14 is needed and was not found; there is none in PATH" in told.stderr
    assert "apt-get install python3" in told.stderr
    assert "NVR_PYTHON=" in told.stderr
    assert not (box.root / ".venv").exists()


def test_python_that_is_too_old(box: Box) -> None:
    """A Python of another version is told with it."""
    box.program("python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    told = box.nvr("status")
    assert told.returncode == 2
    assert "python3 is Python 3.9.2" in told.stderr


def test_newer_python_is_found_beside_an_old_one(box: Box) -> None:
    """An old `python3` does not hide a `python3.12`."""
    box.program("python3", "exit 1")
    box.program("python3.12", f'case "$*" in "-m pip"*) exit 1;; *) exec {sys.executable} "$@";; esac')
    told = box.nvr("status")
    assert told.returncode == 2
    assert f"{sys.executable} has no pip" in told.stderr
    assert "apt-get install python3-pip" in told.stderr


def test_index_that_cannot_be_reached_for_uv(box: Box) -> None:
    """When uv cannot be fetched that is said, and nothing half-made is taken for it next time."""
    script = (
        'case "$1 $2 $3" in "-c "*executable*) echo "$0";; "-m pip --version") ;; "-m pip install") %s;; *) %s;; esac'
    )
    box.program("python3", script % ("echo no route >&2; exit 1", f'exec {sys.executable} "$@"'))
    told = box.nvr("status")
    assert told.returncode == 2
    assert "no route" in told.stderr
    assert "uv could not be fetched" in told.stderr
    assert not (box.root / ".tools").exists()


def test_index_that_cannot_be_reached_for_packages(box: Box) -> None:
    """When the packages cannot be fetched that is said, and the next call tries again."""
    box.program("python3", f'exec {sys.executable} "$@"')
    box.program(
        "uv", 'case "$1" in venv) exec python3 -m venv --without-pip "$5";; *) echo no route >&2; exit 1;; esac'
    )
    for _ in range(2):
        told = box.nvr("status")
        assert told.returncode == 2
        assert "no route" in told.stderr
        assert "is the package index reachable?" in told.stderr
    assert not (box.root / ".venv" / ".edgenvr-pins").exists()


def test_changed_pins_are_installed(box: Box) -> None:
    """The environment follows the pins: another requirements/all.txt is installed at the next call, once."""
    box.environment_of(sys.executable)
    box.program("python3", f'exec {sys.executable} "$@"')
    box.program("uv", f'echo "$*" >> "{box.programs}/calls"')
    assert box.nvr("secret", "list").returncode == 0
    assert not (box.programs / "calls").exists()
    pins = box.root / "requirements" / "all.txt"
    pins.write_text(pins.read_text() + "# changed\n")
    for _ in range(2):
        assert box.nvr("secret", "list").returncode == 0
    calls = (box.programs / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].startswith("pip sync ")
    assert "--require-hashes" in calls[0]


def test_other_modules_do_not_get_in_the_way(box: Box, tmp_path: Path) -> None:
    """Called from a folder with a `cli` and a `json` of its own, and through a link, it runs ours."""
    box.environment_of(sys.executable)
    elsewhere = tmp_path / "else where"
    (elsewhere / "cli").mkdir(parents=True)
    for name in ("cli/__init__.py", "cli/__main__.py", "json.py", "argparse.py"):
        (elsewhere / name).write_text("raise SystemExit('not ours')\n")
    link = elsewhere / "nvr"
    link.symlink_to(box.root / "nvr")
    for called_as in (None, link):
        told = box.nvr("secret", "list", folder=elsewhere, called_as=called_as)
        assert (told.returncode, told.stdout) == (0, "No secrets are set: ./nvr secret set NAME\n"), told.stderr


def test_arguments_are_handed_on_as_they_are(box: Box, tmp_path: Path) -> None:
    """Blanks, stars and empty texts in arguments arrive, and so does the exit code."""
    box.environment_of(sys.executable)
    told = box.nvr("config", "get", "a *  b", "", "--data", str(tmp_path))
    assert told.returncode == 2
    told = box.nvr("status", "--data", "a *  b")
    assert told.returncode == 2
    assert "no site has run in a *  b yet" in told.stderr


def test_every_shell_reads_it() -> None:
    """It keeps to what POSIX has: no shell of those that are here finds a fault in it."""
    shells = [found for name in ("sh", "dash", "bash", "ksh", "zsh") if (found := shutil.which(name))]
    assert shells
    for shell in shells:
        done = subprocess.run([shell, "-n", str(ROOT / "nvr")], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), shell
