"""How this site's secrets are kept at rest, and whether each can be opened; nothing of them is shown."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from components.shared.errors import NvrError
from components.shared.runtime.secrets import (
    FILE_MODE,
    FOLDER_MODE,
    keeping_at,
    kind_of,
    list_secrets,
    read_secret,
    secret_path,
)


def examine_secrets(data: Path) -> Iterator[tuple[str, str, str]]:
    """What was looked at, what is wrong with it (empty: nothing), and how it is or what to do; nothing without any."""
    names = list_secrets(data)
    if not names:
        return
    keeping = keeping_at(data)
    yield "secrets at rest", "", f"new ones are kept {keeping.told}"
    folder_mode = stat.S_IMODE((data / "secrets").stat().st_mode)
    if folder_mode & ~FOLDER_MODE & 0o777:
        yield "secrets", f"their folder is open to others: {folder_mode:o}", f"chmod {FOLDER_MODE:o} {data / 'secrets'}"
    for name in names:
        problem, advice = _problem(data, name)
        if not problem and keeping.is_encrypted and kind_of(data, name) != keeping.seal.kind:
            problem, advice = "it lies there in plain", "SiteConfig encrypts it at its next start"
        yield f"secret {name}", problem, advice or f"can be opened, is kept by {kind_of(data, name)}"


def _problem(data: Path, name: str) -> tuple[str, str]:
    try:
        mode = stat.S_IMODE(secret_path(data, name).stat().st_mode)
        if mode & ~FILE_MODE:
            return f"its file is open to others: {mode:o}", f"chmod {FILE_MODE:o} {secret_path(data, name)}"
        read_secret(data, name)
    except (NvrError, OSError) as error:
        return str(error), f"set it anew: `./nvr secret set {name}`"
    return "", ""
