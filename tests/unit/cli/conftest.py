"""What the tests of the commands share: running one as its user does, and footage to look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from tests.unit.cli.footage import Footage


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        """Its answer to `--json`."""
        return json.loads(self.out)


Nvr = Callable[..., Told]


@pytest.fixture
def nvr(capsys: pytest.CaptureFixture[str]) -> Nvr:
    """Runs a command in this process: `nvr("status", "--data", data)`."""

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse ends by itself after --help and after an error
            code = int(str(ended.code))
        said = capsys.readouterr()
        return Told(code, said.out, said.err)

    return run


@pytest.fixture
def footage(tmp_path: Path) -> Iterator[Footage]:
    """An archive in `tmp_path / "data"`."""
    made = Footage(tmp_path / "data")
    yield made
    made.archive.close()
