"""Steps run one after another, whatever fails, and those that failed are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.steps import ROOT, Step, run_steps, tool
from cli.test import DEBIAN_PACKAGES, missing_packages


def python(code: str) -> tuple[str, ...]:
    """A command that runs this."""
    return (sys.executable, "-S", "-c", code)


def test_every_step_runs_and_failures_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    """A step that fails stops none after it; its exit code is told."""
    failed = run_steps(
        [
            Step("first", python("print('one')")),
            Step("second", python("import sys; sys.exit(3)")),
            Step("third", python("print('three')")),
        ]
    )
    assert failed == ["second"]
    said = capfd.readouterr().out
    assert "one" in said
    assert "three" in said
    assert "== second: FAILED with 3 in " in said
    assert "== third: ok in " in said


def test_program_that_is_not_there_is_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    """A missing program fails its step by name; the steps after it run."""
    assert run_steps([Step("pins", ("no-such-program", "x")), Step("next", python("pass"))]) == ["pins"]
    assert "== pins: FAILED, no-such-program is not there" in capfd.readouterr().out


def test_environment_is_added(capfd: pytest.CaptureFixture[str]) -> None:
    """What is given comes on top of this process's environment; a step runs in the project's folder."""
    code = "import os; print(os.environ['NVR_EXTRA'], 'PATH' in os.environ, os.getcwd())"
    assert run_steps([Step("look", python(code))], {"NVR_EXTRA": "given"}) == []
    assert f"given True {ROOT}" in capfd.readouterr().out


def test_tools_are_the_environments_own() -> None:
    """A tool is the one beside this Python, whatever PATH says."""
    assert tool("pytest") == str(Path(sys.executable).parent / "pytest")


def query(folder: Path, lines: str, code: int = 0) -> str:
    """A `dpkg-query` that answers this."""
    path = folder / "dpkg-query"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_packages_that_are_installed(tmp_path: Path) -> None:
    """Only what is really installed counts: not what was removed, half installed, or is not known at all."""
    names = list(DEBIAN_PACKAGES)
    lines = [
        f"{names[0]} installed",
        f"{names[1]} config-files",
        f"{names[2]} half-installed",
        f"{names[3]} not-installed",
    ]
    assert missing_packages(query(tmp_path, "\n".join(lines), code=1)) == names[1:]
    assert missing_packages(query(tmp_path, "\n".join(f"{name} installed" for name in names))) == []
    assert missing_packages(query(tmp_path, "", code=1)) == names


def test_all_packages_are_missing_where_there_is_no_dpkg(tmp_path: Path) -> None:
    """On another system nothing can be said to be installed."""
    assert missing_packages(str(tmp_path / "dpkg-query")) == list(DEBIAN_PACKAGES)


def test_every_package_says_what_it_is_for() -> None:
    """Whoever must install a package by hand is told why."""
    assert all(DEBIAN_PACKAGES.values())
