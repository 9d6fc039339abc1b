"""The entry hands over to a command and turns every failure into one line and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.__main__ import GROUPS
from tests.unit.cli.conftest import Nvr

COMMANDS = [name for names in GROUPS.values() for name in names]
LOOKING = [
    ("status",),
    ("cameras",),
    ("segments",),
    ("catalogue", "check"),
    ("logs",),
    ("config", "get"),
    ("config", "get", "site"),
    ("config", "set", "site", "recording.segment_s", "60"),
    ("export", "--camera", "cam-1", "--from", "2026-11-21", "--to", "2026-11-22", "out.mp4"),
]


def test_help_names_every_command(nvr: Nvr) -> None:
    """`./nvr --help` is the list of all commands."""
    told = nvr("--help")
    assert told.code == 0
    assert [line.split()[0] for line in told.out.splitlines() if line.startswith("    ") and line[4] != " "] == COMMANDS


def test_nothing_asked_is_answered_with_the_help(nvr: Nvr) -> None:
    """`./nvr` alone says what it can do."""
    told = nvr()
    assert told.code == 2
    assert "run a whole site on this machine" in told.error


def test_unknown_command_is_answered_with_those_there_are(nvr: Nvr) -> None:
    """A command that is none is answered with the list."""
    told = nvr("start")
    assert told.code == 2
    assert "'start'" in told.error
    assert "'up'" in told.error


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(nvr: Nvr, name: str) -> None:
    """Each command's help has a sentence of explanation, and words for each of its options."""
    told = nvr(name, "--help")
    assert told.code == 0
    assert told.out.startswith(f"usage: nvr {name}")
    options = [line for line in told.out.splitlines() if line.startswith("  -")]
    following = dict(zip(told.out.splitlines(), [*told.out.splitlines()[1:], ""], strict=True))
    for option in options:
        assert "  " in option.strip() or following[option].startswith("        "), f"{option} is not explained"


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
@pytest.mark.parametrize("is_there", [True, False])
def test_where_no_site_has_run(nvr: Nvr, tmp_path: Path, command: tuple[str, ...], is_there: bool) -> None:
    """In an empty folder, or none, every command says in one line how to start a site, and makes nothing."""
    data = tmp_path / "none"
    if is_there:
        data.mkdir()
    told = nvr(*command, "--data", data)
    assert (told.code, told.out) == (2, "")
    assert len(told.error.splitlines()) == 1
    assert told.error.startswith(f"nvr {command[0]}: ")
    assert "./nvr up" in told.error
    assert "--data" in told.error
    assert [path.name for path in tmp_path.rglob("*")] == (["none"] if is_there else [])


def test_file_in_place_of_a_folder_is_told_by_name(nvr: Nvr, tmp_path: Path) -> None:
    """What the machine refuses is told with the path, not with a traceback."""
    (tmp_path / "file").write_text("")
    told = nvr("build", "--target", tmp_path / "file" / "below")
    assert told.code == 2
    assert str(tmp_path / "file") in told.error
    assert "Not a directory" in told.error
    assert len(told.error.splitlines()) == 1
