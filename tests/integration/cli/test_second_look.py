"""A run of tests by a real pytest, with its workers, its notes and the second look at what was red."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.second_look import Judged
from cli.steps import Step
from cli.test import PYTEST, run_groups
from tests.integration.cli.conftest import ROOT

pytestmark = pytest.mark.slow

# Each fails the first time and passes the second: of a machine that is busy only while others run.
SHAKY = """
import pathlib
import pytest

def is_first(name):
    path = pathlib.Path(__file__).with_name(name)
    if path.exists():
        return False
    path.touch()
    return True

@pytest.mark.parametrize("what", ["a::b c[d]"])
def test_call(what):
    assert not is_first("call")

@pytest.fixture
def after():
    yield
    assert not is_first("after")

def test_teardown(after):
    pass

def test_fine():
    pass

@pytest.mark.skip
def test_left_out():
    pass
"""
RED = "def test_red():\n    assert [] == ['a fault of the product']\n"
CRASHES = "import os\ndef test_crash():\n    os._exit(1)\n\ndef test_fine():\n    pass\n"
BROKEN = "import nothing_of_that_name\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tests are run, from which `cli` is to be found as from the project's folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = tmp_path / "project"
    made.mkdir()
    (made / "pytest.ini").write_text("[pytest]\n")
    return made


def run(folder: Path, **files: str) -> Judged:
    """A group of these files, in a worker."""
    for name, code in files.items():
        (folder / f"test_{name}.py").write_text(code)
    notes = folder.parent / "notes"
    notes.mkdir()
    return run_groups([Step("together", (*PYTEST, "-n", "1"))], notes, folder)


def test_what_is_red_beside_others_and_green_alone(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A test that fails once, or whose teardown does, is forgiven by its name; what it said first can be read."""
    judged = run(folder, shaky=SHAKY)
    assert judged == Judged((), ("test_shaky.py::test_call[a::b c[d]]", "test_shaky.py::test_teardown"))
    said = capfd.readouterr().out
    assert said.index("assert not True") < said.index("== again, alone: test_shaky.py::test_teardown")


def test_what_is_red_alone_too(folder: Path) -> None:
    """A test that fails again is red."""
    assert run(folder, red=RED) == Judged(("test_red.py::test_red (twice)",))


def test_a_worker_that_crashes(folder: Path) -> None:
    """A test that takes its process with it is red, though a shaky one beside it would be forgiven."""
    judged = run(folder, crashes=CRASHES, shaky=SHAKY)
    assert any("test_crashes.py::test_crash" in reason for reason in judged.reasons)
    assert judged.forgiven == ()


def test_a_file_that_cannot_be_collected(folder: Path) -> None:
    """A file that cannot be imported is red."""
    judged = run(folder, broken=BROKEN, shaky=SHAKY)
    assert any("test_broken.py" in reason for reason in judged.reasons)
    assert judged.forgiven == ()
