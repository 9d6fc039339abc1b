"""Secrets as files `<data>/secrets/<name>`, readable by the component's user only, and as values that do not print.

A secret is a text `user:password`. It is read when it is needed and never kept in a message, log, row or command line.
SiteConfig and the operator write these files; a name follows the same rule as in the site's documents.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.shared.errors import Rejected, Transient
from components.shared.runtime.files import disk_errors, make_folders, remove_durably, write_durably
from components.shared.wire.secret import Secret
from components.shared.wire.site_config import SecretName

__all__ = ["Secret", "list_secrets", "read_secret", "remove_secret", "secret_path", "write_secret"]

SECRET_BYTES_MAX = 4_096
"""Far above any user and password; a longer file is not one of ours."""


def read_secret(data: Path, name: str) -> Secret:
    """The secret of that name. Transient when it is not there yet, saying what to do."""
    path = secret_path(data, name)
    with disk_errors(path, "read secret"):
        try:
            text = path.read_bytes()[: SECRET_BYTES_MAX + 1]
        except FileNotFoundError as error:
            raise Transient(f"secret {name} is not there: `./nvr secret set {name}`") from error
    if len(text) > SECRET_BYTES_MAX:
        raise Rejected(f"secret {name} is longer than {SECRET_BYTES_MAX} bytes")
    try:
        revealed = text.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Rejected(f"secret {name} is not text in UTF-8") from error
    if not revealed:
        raise Transient(f"secret {name} is empty: `./nvr secret set {name}`")
    return Secret(revealed)


def write_secret(data: Path, name: str, secret: Secret) -> None:
    """Keep a secret under that name, readable by this user only, so that it survives a power cut."""
    path = secret_path(data, name)
    text = secret.reveal().encode()
    if len(text) > SECRET_BYTES_MAX:
        raise Rejected(f"secret {name} is longer than {SECRET_BYTES_MAX} bytes")
    make_folders(path.parent)
    write_durably(path, text + b"\n", mode=0o600)


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


def secret_path(data: Path, name: str) -> Path:
    """Where the secret of that name lies; a name that is none is Rejected (it could lead out of the folder)."""
    try:
        TypeAdapter(SecretName).validate_python(name)
    except ValidationError as error:
        raise Rejected(f"{name!r} is not a name of a secret: 1 to 64 of a-z, 0-9 and -") from error
    return data / "secrets" / name
