"""Secrets are listed by name and set without ever being an argument."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.shared.runtime.secrets import Secret, keeping_at, list_secrets, write_secret
from tests.fakes.systemd_creds import Machine, install
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


def test_a_removed_secret_is_gone(nvr: Nvr, tmp_path: Path) -> None:
    """A secret that is removed is forgotten here; one that is not there is told, with those that are."""
    for name in ("yard", "door"):
        write_secret(tmp_path, name, Secret("viewer:s3cret"))
    assert nvr("secret", "remove", "yard", "--data", tmp_path).code == 0
    assert list_secrets(tmp_path) == ["door"]
    told = nvr("secret", "remove", "yard", "--data", tmp_path)
    assert told.code == 2
    assert "there are: door" in told.error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "code", "told"),
    [
        (0o600, 0, "ok    secret yard: can be opened, is kept by systemd-creds"),
        (0o640, 1, "FAIL  secret yard: its file is open to others: 640"),
    ],
)
def test_doctor_tells_how_secrets_are_kept(
    nvr: Nvr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, code: int, told: str
) -> None:
    """The doctor says how new secrets are kept and what is wrong with those that are there, and shows none."""
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    write_secret(tmp_path, "yard", Secret("viewer:s3cret"), keeping_at(tmp_path).seal)
    (tmp_path / "secrets" / "yard").chmod(mode)
    found = nvr("doctor", "--only", "box", "--data", tmp_path)
    assert "secrets at rest: new ones are kept encrypted by systemd-creds with the host's key" in found.out
    assert told in found.out
    assert found.code == code
    assert "s3cret" not in found.out + found.error


@pytest.mark.slow
def test_doctor_finds_what_lies_in_plain(nvr: Nvr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret from before, or put there by hand, is told where the box could keep it encrypted."""
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    write_secret(tmp_path, "yard", Secret("viewer:s3cret"))
    found = nvr("doctor", "--only", "box", "--data", tmp_path)
    assert "FAIL  secret yard: it lies there in plain" in found.out
