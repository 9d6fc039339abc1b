"""A damaged catalogue file is set aside, and its owner begins a new one: recording depends on no file's health.

What SQLite calls damage (`SQLITE_CORRUPT`, `SQLITE_NOTADB`) is noted beside the file when its writer meets it. The
next opening, by the worker that is started after the crash, looks at the whole file once: when it is sound after all
the note is dropped, else the file and its log get names of their own. Nothing is deleted: `sqlite3` still opens what
was set aside, people may recover rows from it, and `check` tells of it until they take it away.

What the new file lacks comes back where it can: segments are adopted from their files, uploads and analyses are
queued again, keys that S3 has stay the same. Gaps, runs and conditions of before are only in the file set aside.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from components.shared.errors import Transient
from components.shared.runtime.files import Step, disk_errors, no_step, remove_durably, sync_folder

DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Primary result codes that mean the file itself is wrong; nothing of a full or failing disk is among them."""

SET_ASIDE_MAX = 20
"""Files of one owner set aside: more than that is a disk that somebody must look at."""


def note_damage(path: Path) -> None:
    """Notes that a file's writer met damage. Best effort: without the note the next writer meets it again."""
    try:
        _note_of(path).touch()
    except OSError:
        return


def mend(path: Path, step: Step = no_step) -> Path | None:
    """Sets a file aside that is noted as damaged and is; gives its new place, or None. May be repeated."""
    note = _note_of(path)
    with disk_errors(note, "look for"):
        if not note.exists():
            return None
    aside = set_aside(path, step) if _is_damaged(path) else None
    remove_durably(note, step)
    return aside


def set_aside_files(folder: Path) -> list[Path]:
    """What was set aside and nobody has taken away."""
    with disk_errors(folder, "list"):
        return sorted(folder.glob("*.damaged-*.db"))


def _note_of(path: Path) -> Path:
    return path.with_suffix(".suspect")


def _is_damaged(path: Path) -> bool:
    with disk_errors(path, "look for"):
        if not path.exists():
            return False
    # Read-only: a writing connection would fold the log into the file and delete it when it closes.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in DAMAGE_CODES:
            return True
        raise Transient(f"catalogue {path.name} cannot be looked at: {error}") from error
    finally:
        connection.close()


def set_aside(path: Path, step: Step = no_step) -> Path:
    """Gives a file and its log names of their own; gives the new place. May be repeated.

    The log goes first: a new file beside an old log would take the old log's pages for its own.
    """
    aside = _free_name(path)
    with disk_errors(path, "set aside"):
        Path(f"{path}-shm").unlink(missing_ok=True)
        for suffix in ("-wal", ""):
            step("before set aside")
            if os.path.lexists(f"{path}{suffix}"):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
            step("after set aside")
    sync_folder(path.parent, step)
    return aside


def _free_name(path: Path) -> Path:
    for number in range(1, SET_ASIDE_MAX + 1):
        aside = path.with_name(f"{path.stem}.damaged-{number}.db")
        # A log alone is what a crash left of setting this very file aside.
        if not aside.exists():
            return aside
    raise Transient(f"catalogue {path.name} is damaged, and {SET_ASIDE_MAX} of its kind are set aside: take them away")
