"""A new component in a copy of the project: the tests say what is left to do, and are green when it is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.checkout import checkout

NAME, PACKAGE, GROUP = "PeopleCounter", "people_counter", "people-counter"
TOOLS = Path(sys.executable).parent

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project with a new component made by the command."""
    copy = checkout(tmp_path / "copy")
    done = run(copy, sys.executable, "-P", "-m", "cli", "new-component", NAME, "--purpose", "Counts people.")
    assert done.returncode == 0, done.stderr
    assert f"component {NAME}: no requirements/{GROUP}.txt" in done.stdout
    assert f"component {NAME}: not one of COMPONENTS" in done.stdout
    return copy


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says in the copy."""
    return subprocess.run(
        command,
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": f"{TOOLS}:/usr/bin:/bin", "HOME": str(copy)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def sync_tests(copy: Path) -> subprocess.CompletedProcess[str]:
    """The copy's own tests that all places agree."""
    return run(copy, sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sync")


def do_what_is_left(copy: Path) -> None:
    """What the command leaves to a person: the topics, and the pins."""
    table = copy / "components/shared/wire/topics.py"
    text = table.read_text()
    text = text.replace('SITE_CONFIG = "SiteConfig"\n', f'SITE_CONFIG = "SiteConfig"\nPEOPLE_COUNTER = "{NAME}"\n')
    table.write_text(text.replace("HEALTH_MONITOR, SITE_CONFIG)\n", "HEALTH_MONITOR, SITE_CONFIG, PEOPLE_COUNTER)\n"))
    pins = (copy / "requirements/site-config.txt").read_text()
    (copy / f"requirements/{GROUP}.txt").write_text(pins)


def test_sync_tests_are_red_until_everything_agrees(copy: Path) -> None:
    """Before the topics and pins are there the tests name both; afterwards they, and the scaffold's own, are green."""
    red = sync_tests(copy)
    assert red.returncode == 1
    assert f"component {NAME}: no requirements/{GROUP}.txt" in red.stdout
    assert f"component {NAME}: not one of COMPONENTS in components/shared/wire/topics.py" in red.stdout
    do_what_is_left(copy)
    green = sync_tests(copy)
    assert green.returncode == 0, green.stdout
    own = run(copy, sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/unit/{PACKAGE}")
    assert own.returncode == 0, own.stdout


def test_made_component_keeps_every_rule(copy: Path) -> None:
    """What the command makes is formatted, free of lint and type errors, within the import rules, and builds."""
    do_what_is_left(copy)
    made = [f"components/{PACKAGE}", f"tests/unit/{PACKAGE}"]
    for command in (
        (str(TOOLS / "ruff"), "check", "--no-cache", "."),
        (str(TOOLS / "ruff"), "format", "--no-cache", "--check", "."),
        (str(TOOLS / "lint-imports"), "--no-cache"),
        (str(TOOLS / "mypy"), "--cache-dir", str(copy / "types"), *made),
        (sys.executable, "-P", "-m", "cli", "build"),
    ):
        done = run(copy, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / f"greengrass-build/artifacts/com.edgenvr.{NAME}/0.1.0/{PACKAGE}.zip").exists()


@pytest.mark.parametrize("rule", ["components", "shared"])
def test_room_that_no_rule_names_is_red(copy: Path, rule: str) -> None:
    """A folder beside the rooms that the import rules list fails them, by name."""
    do_what_is_left(copy)
    room = copy / "components" / ("" if rule == "components" else "shared") / "cellar"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text('"""Not in the plan."""\n')
    done = run(copy, str(TOOLS / "lint-imports"), "--no-cache")
    assert done.returncode == 1
    assert "cellar" in done.stdout
