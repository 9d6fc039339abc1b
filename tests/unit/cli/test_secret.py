"""Secrets are listed by name and set without ever being an argument."""

from __future__ import annotations

from pathlib import Path

from components.shared.runtime.secrets import Secret, write_secret
from tests.unit.cli.conftest import Nvr


def test_names_are_listed_never_values(nvr: Nvr, tmp_path: Path) -> None:
    """The list holds names, sorted."""
    for name in ("yard", "door"):
        write_secret(tmp_path, name, Secret("viewer:s3cret"))
    assert nvr("secret", "list", "--data", tmp_path).out == "door\nyard\n"
    assert nvr("secret", "list", "--json", "--data", tmp_path).json == ["door", "yard"]


def test_empty_list_says_what_to_do(nvr: Nvr, tmp_path: Path) -> None:
    """Where no secret is set the list says how to set one."""
    assert "./nvr secret set NAME" in nvr("secret", "list", "--data", tmp_path).out
    assert nvr("secret", "list", "--json", "--data", tmp_path).json == []


def test_nobody_to_ask(nvr: Nvr, tmp_path: Path) -> None:
    """Without a terminal and without --stdin the password cannot be asked for: that is told, nothing is made."""
    told = nvr("secret", "set", "yard", "--data", tmp_path / "data")
    assert told.code == 2
    assert "--stdin" in told.error
    assert not (tmp_path / "data").exists()


def test_password_is_no_argument(nvr: Nvr, tmp_path: Path) -> None:
    """A password on the command line, which everybody can read, is not taken."""
    assert nvr("secret", "set", "yard", "viewer:s3cret", "--data", tmp_path).code == 2
