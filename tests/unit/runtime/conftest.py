"""Programs that a test starts are ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.runtime.processes import Program

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program in a folder of its own: `start(arguments, **environment)`."""
    programs: list[Program] = []

    def begin(arguments: list[str], **environment: str) -> Program:
        folder = tmp_path / f"program-{len(programs)}"
        folder.mkdir()
        programs.append(Program(arguments, folder, environment))
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()
