"""Python runs a component from its zip, in its compiled form, with nothing else to import from."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fleet.artifacts import PUBLISHER_PREFIX, build
from tests.artifact.small_project import VERSION

PLAN = "components/capture/core/plan.py"
MAGIC_BYTES = len(importlib.util.MAGIC_NUMBER)

pytestmark = pytest.mark.slow


@pytest.fixture
def artifact(project: Path, tmp_path: Path) -> Path:
    """The zip of Capture."""
    folder = build(project, tmp_path / "built").folder
    return folder / "artifacts" / f"{PUBLISHER_PREFIX}Capture" / VERSION / "capture.zip"


def run(artifact: Path, *arguments: str) -> str:
    """What Python prints that has only the zip to import from, no site packages and no current folder."""
    done = subprocess.run(
        [sys.executable, "-S", "-P", *arguments],
        env={"PYTHONPATH": str(artifact)},
        cwd=artifact.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def replaced(artifact: Path, name: str, content: bytes) -> Path:
    """A copy of the zip in which one entry has other bytes."""
    target = artifact.with_name("altered.zip")
    with zipfile.ZipFile(artifact) as source, zipfile.ZipFile(target, "w") as altered:
        for entry in source.infolist():
            altered.writestr(entry, content if entry.filename == name else source.read(entry))
    return target


def test_component_runs_from_its_zip(artifact: Path) -> None:
    """`python -m components.capture` starts with PYTHONPATH naming the zip alone."""
    assert run(artifact, "-m", "components.capture") == "from the source 4"


def test_compiled_form_is_used(artifact: Path) -> None:
    """A source that is broken inside the zip is not looked at: its compiled form is."""
    altered = replaced(artifact, PLAN, b"this is not Python (")
    assert run(altered, "-m", "components.capture") == "from the source 4"


def test_source_is_used_by_another_python(artifact: Path) -> None:
    """A compiled form of another Python version is passed over."""
    with zipfile.ZipFile(artifact) as opened:
        compiled = opened.read(PLAN + "c")
    alien = bytes(MAGIC_BYTES - 2) + b"\r\n" + compiled[MAGIC_BYTES:]
    altered = replaced(replaced_source(artifact), PLAN + "c", alien)
    assert run(altered, "-m", "components.capture") == "from another source 4"


def replaced_source(artifact: Path) -> Path:
    """The zip with another source, so that it shows which form was used."""
    path = replaced(artifact, PLAN, b'PLAN = "from another source"\n')
    return path.rename(path.with_name("another.zip"))


def test_traceback_names_the_source_in_the_project(artifact: Path) -> None:
    """What a traceback of a component names is the source's path in the project, not the folder of a build."""
    code = "from components.capture.core import plan; print(plan.__loader__.get_code(plan.__name__).co_filename)"
    assert run(artifact, "-c", code) == PLAN
