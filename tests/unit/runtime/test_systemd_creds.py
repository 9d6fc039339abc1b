"""Which way secrets are kept: encrypted when the program gives back what it was given, else plain, with a reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.shared.errors import Rejected, Transient
from components.shared.runtime.secrets import (
    Secret,
    keeping_at,
    kind_of,
    list_secrets,
    read_secret,
    write_secret,
)
from components.shared.runtime.systemd_creds import HEAD, SystemdSeal, choose_keeping, scope_of
from tests.fakes.systemd_creds import Machine, install

pytestmark = pytest.mark.slow  # programs are started

USER = 990
PASSWORD = "viewer:p4ssw0rd"


def chosen(folder: Path, machine: Machine, owner: int | None = None) -> tuple[str, str]:
    """What is chosen for an owner's secrets by the machine's user: the kind and the sentence."""
    program = install(folder, machine)
    keeping = choose_keeping(machine.user if owner is None else owner, machine.user, str(program))
    assert keeping.is_encrypted is (keeping.seal.kind == "systemd-creds")
    return keeping.seal.kind, keeping.told


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (Machine(has_tpm2=True), "the TPM2 chip and the host's key"),
        (Machine(), "with the host's key"),
        (Machine(version=252), "with the host's key"),
        (Machine(user=USER), "with the host's key"),
        (Machine(user=USER, has_tpm2=True), "the TPM2 chip and the host's key"),
    ],
)
def test_the_best_key_that_works_is_taken(tmp_path: Path, machine: Machine, told: str) -> None:
    """The TPM2 where there is one, the host's key otherwise; a user is served from systemd 256 on, root always."""
    kind, sentence = chosen(tmp_path, machine)
    assert kind == "systemd-creds"
    assert told in sentence


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Machine(user=USER, version=252), "unrecognized option '--user' (systemd before 256 serves root alone)"),
        (Machine(garbles=True), "does not give back what it was given"),
    ],
)
def test_what_does_not_work_is_not_taken(tmp_path: Path, machine: Machine, reason: str) -> None:
    """A program that cannot serve this user, or that loses the text, leaves plain files, and the reason is told."""
    kind, sentence = chosen(tmp_path, machine)
    assert kind == "plain"
    assert sentence.startswith("in plain files that only their user reads, because ")
    assert reason in sentence


def test_without_the_program(tmp_path: Path) -> None:
    """A box without it keeps plain files and says so."""
    keeping = choose_keeping(0, 0, str(tmp_path / "systemd-creds"))
    assert not keeping.is_encrypted
    assert keeping.told.endswith("because systemd-creds is not on this box")


def test_the_program_is_asked_as_its_manual_says(tmp_path: Path) -> None:
    """The whole command line: verb, scope, name, key, no PCRs with the TPM2; the text is in none of it."""
    program = install(tmp_path, Machine(has_tpm2=True, user=USER))
    seal = SystemdSeal(scope_of(USER, USER), "host+tpm2", str(program))
    seal.open("yard", seal.close("yard", Secret(PASSWORD)))
    assert [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()] == [
        ["encrypt", "--user", "--name=yard", "--with-key=host+tpm2", "--tpm2-pcrs=", "-", "-"],
        ["decrypt", "--user", "--name=yard", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("owner", "user", "scope"), [(0, 0, []), (USER, USER, ["--user"]), (USER, 0, [f"--uid={USER}"])]
)
def test_the_scope_is_the_owners(owner: int, user: int, scope: list[str]) -> None:
    """Root's secrets are the system's; a user's are the user's, whoever writes them."""
    assert scope_of(owner, user) == scope


def test_what_root_writes_its_owner_reads(tmp_path: Path) -> None:
    """A secret that root has set for the components' user is opened by that user."""
    program = install(tmp_path, Machine())
    content = SystemdSeal(scope_of(USER, 0), "host", str(program)).close("yard", Secret(PASSWORD))
    install(tmp_path, Machine(user=USER))
    assert SystemdSeal(scope_of(USER, USER), "host", str(program)).open("yard", content).reveal() == PASSWORD


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose program is found by its name, for this process's own user; the data root beside it."""
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    data = tmp_path / "data"
    data.mkdir()
    return data


def test_a_sealed_secret_is_read_like_any_other(on_path: Path) -> None:
    """Whoever reads a secret need not know how it was kept; the file shows nothing and is for its user only."""
    keeping = keeping_at(on_path)
    write_secret(on_path, "yard", Secret(PASSWORD), keeping.seal)
    write_secret(on_path, "door", Secret("viewer:plain"))
    assert [read_secret(on_path, name).reveal() for name in list_secrets(on_path)] == ["viewer:plain", PASSWORD]
    assert [kind_of(on_path, name) for name in list_secrets(on_path)] == ["plain", "systemd-creds"]
    file = on_path / "secrets" / "yard"
    assert b"p4ssw0rd" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o7777 == 0o700


def test_another_machines_secret_is_rejected(on_path: Path, tmp_path: Path) -> None:
    """A secret that this machine cannot open is told as such: it has to be set anew."""
    write_secret(on_path, "yard", Secret(PASSWORD), keeping_at(on_path).seal)
    (tmp_path / "bin" / "host").unlink()
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    with pytest.raises(Rejected, match="secret yard: systemd-creds does not decrypt it"):
        read_secret(on_path, "yard")


def test_a_program_that_has_gone_is_transient(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program cannot be started the secret may be read another time."""
    write_secret(on_path, "yard", Secret(PASSWORD), keeping_at(on_path).seal)
    monkeypatch.setenv("PATH", str(on_path))
    with pytest.raises(Transient, match="systemd-creds is not on this box"):
        read_secret(on_path, "yard")


@pytest.mark.root
def test_root_gives_what_it_writes_to_the_data_roots_user(tmp_path: Path) -> None:
    """What an operator sets as root the components can read: file and folder belong to the user of the data root."""
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, USER, -1)
    write_secret(data, "yard", Secret(PASSWORD))
    assert {path.stat().st_uid for path in (data / "secrets", data / "secrets" / "yard")} == {USER}


def test_the_head_is_no_text_of_a_password() -> None:
    """No secret that people type begins like a sealed file."""
    assert HEAD[0] == 0
