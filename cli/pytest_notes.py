"""A plugin of pytest that notes how each test ended: `pytest -p cli.pytest_notes --notes=FILE`.

With the equals sign: apart from it pytest takes FILE for a place of tests when it looks for its settings. FILE gets a
line of JSON per step of a test (setup, call, teardown), per file that could not be collected and per worker that
crashed. It only notes; what follows from it is decided in `second_look`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

STEPS = ("setup", "call", "teardown")
"""Of a test. Whatever else a note is about is no test that could run again: a file, a worker."""


@dataclass(frozen=True, slots=True)
class Note:
    """How one step ended: `passed`, `failed` or `skipped`; of which test."""

    test: str
    step: str
    outcome: str


def read_notes(path: Path) -> list[Note]:
    """What was noted; nothing where pytest never came to note anything."""
    if not path.exists():
        return []
    return [Note(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares where to note."""
    parser.addoption("--notes", type=Path, metavar="FILE", help="note there how each test ended")


def pytest_configure(config: pytest.Config) -> None:
    """Notes in the process that hears of all tests, not in its workers."""
    path = config.getoption("notes")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(path), "notes-writer")


class _Writer:
    """Writes as it hears, so that a pytest that dies leaves what it knew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A step of a test, or the end of a worker at a test (whose step has no name)."""
        self._note(Note(report.nodeid, str(report.when), report.outcome))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file was looked through."""
        if report.failed:
            self._note(Note(report.nodeid, "collect", report.outcome))

    def _note(self, note: Note) -> None:
        with self._path.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(asdict(note)) + "\n")
