"""Tests a camera whose footage comes as files: is its folder there, may it be read, are its files' names understood.

A refusal's text is `what is wrong -> what to do`, as with cameras that are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from components.shared.errors import Rejected, Transient
from components.shared.wire.foreign_names import is_beside, is_unfinished, read_foreign_path
from components.shared.wire.site_config import FOLDER_SCHEME

FILES_MAX = 1_000
"""Enough to tell whether the names are understood; a disk of a recorder holds a hundred times as many."""


def examine_folder(url: str) -> str:
    """What lies in the folder, in a few words; Transient or Rejected with advice when nothing of it can be imported."""
    folder = Path(url.removeprefix(FOLDER_SCHEME))
    if not folder.is_dir():
        raise Transient(f"there is no folder {folder} -> is its disk mounted, has the FTP server made it?")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Transient(f"{folder} may not be read -> let the components' user or group read it")
    names = list(islice(_names(folder), FILES_MAX))
    understood = sum(_is_understood(name) for name in names)
    if names and not understood:
        example = os.fsencode(names[0]).decode(errors="backslashreplace")
        raise Rejected(
            f"no name in {folder} is one of Amcrest or Dahua, such as {example!r} -> see docs/design/importing.md"
        )
    some = f"the first {FILES_MAX}" if len(names) == FILES_MAX else str(len(names))
    return f"{understood} of {some} files have a name that is understood"


def _names(folder: Path) -> Iterator[str]:
    """The names below the folder, relative to it, without what lies beside footage."""
    found = (
        os.path.relpath(os.path.join(path, name), folder)  # noqa: PTH118 - names may be no text
        for path, _, files in os.walk(folder)
        for name in files
    )
    return (name for name in found if not is_beside(name) and not is_unfinished(name))


def _is_understood(name: str) -> bool:
    try:
        read_foreign_path(name)
    except Rejected:
        return False
    return True
