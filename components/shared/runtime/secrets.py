"""Secrets as files `<data>/secrets/<name>`, 0600 in a folder of 0700, for the component's user only.

A secret is a text `user:password`. It is read when it is needed and never kept in a message, log, row or command line.
SiteConfig and the operator write these files, encrypted where the box offers that (see `seal`); whoever reads one needs
not know how it was kept. A name follows the same rule as in the site's documents.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.shared.errors import Rejected, Transient
from components.shared.runtime.files import disk_errors, make_folders, remove_durably, write_durably
from components.shared.runtime.seal import PLAIN, Keeping, Seal
from components.shared.runtime.systemd_creds import HEAD, SystemdSeal, choose_keeping, scope_of
from components.shared.wire.secret import Secret
from components.shared.wire.site_config import SecretName

__all__ = [
    "Secret",
    "keeping_at",
    "kind_of",
    "list_secrets",
    "read_secret",
    "remove_secret",
    "secret_path",
    "write_secret",
]

SECRET_BYTES_MAX = 4_096
"""Far above any user and password; a longer one is not one of ours."""

FILE_BYTES_MAX = 32 * 1024
"""An encrypted secret is a third longer than the text, and a few hundred bytes."""

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def read_secret(data: Path, name: str) -> Secret:
    """The secret of that name. Transient when it is not there yet, saying what to do."""
    path = secret_path(data, name)
    with disk_errors(path, "read secret"):
        try:
            with path.open("rb") as file:
                owner = os.fstat(file.fileno()).st_uid
                content = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError as error:
            raise Transient(f"secret {name} is not there: `./nvr secret set {name}`") from error
    is_sealed = content.startswith(HEAD)
    if len(content) > (FILE_BYTES_MAX if is_sealed else SECRET_BYTES_MAX):
        raise Rejected(f"secret {name} is longer than {SECRET_BYTES_MAX} bytes")
    seal: Seal = SystemdSeal(scope_of(owner, os.geteuid())) if is_sealed else PLAIN
    secret = seal.open(name, content)
    if secret == Secret(""):
        raise Transient(f"secret {name} is empty: `./nvr secret set {name}`")
    return secret


def write_secret(data: Path, name: str, secret: Secret, seal: Seal = PLAIN) -> None:
    """Keep a secret under that name, for the user of the data root alone, so that it survives a power cut."""
    path = secret_path(data, name)
    if len(secret.reveal().encode()) >= SECRET_BYTES_MAX:
        raise Rejected(f"secret {name} is longer than {SECRET_BYTES_MAX} bytes")
    content = seal.close(name, secret)
    owner = _other_owner(data)
    make_folders(path.parent)
    with disk_errors(path.parent, "close to others"):
        path.parent.chmod(FOLDER_MODE)
        if owner is not None:
            os.chown(path.parent, owner, -1)
    write_durably(path, content, mode=FILE_MODE, owner=owner)


def remove_secret(data: Path, name: str) -> bool:
    """Forget a secret; whether it was there."""
    path = secret_path(data, name)
    return path.parent.is_dir() and remove_durably(path)


def list_secrets(data: Path) -> list[str]:
    """The names of all secrets, sorted."""
    folder = data / "secrets"
    with disk_errors(folder, "list"):
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def kind_of(data: Path, name: str) -> str:
    """How the secret of that name is kept at rest: the kind of its seal. Transient."""
    path = secret_path(data, name)
    with disk_errors(path, "read secret"), path.open("rb") as file:
        return SystemdSeal.kind if file.read(len(HEAD)) == HEAD else PLAIN.kind


def keeping_at(data: Path) -> Keeping:
    """How secrets of this data root are to be kept: as well as the box offers it to the root's user."""
    return choose_keeping(_owner_of(data), os.geteuid())


def secret_path(data: Path, name: str) -> Path:
    """Where the secret of that name lies; a name that is none is Rejected (it could lead out of the folder)."""
    try:
        TypeAdapter(SecretName).validate_python(name)
    except ValidationError as error:
        raise Rejected(f"{name!r} is not a name of a secret: 1 to 64 of a-z, 0-9 and -") from error
    return data / "secrets" / name


def _owner_of(data: Path) -> int:
    """The user to whom a data root belongs; this one as long as it is not there."""
    try:
        return data.stat().st_uid
    except OSError:
        return os.geteuid()


def _other_owner(data: Path) -> int | None:
    """To whom root hands what it writes, so that the components' user can read it; None for the writer itself."""
    owner = _owner_of(data)
    return owner if os.geteuid() == 0 and owner != 0 else None
