"""Files that appear complete or not at all, and stay after a power cut.

A write goes to a temporary file in the same folder, is synced, renamed over the old one, and the folder is synced;
after `write_durably` returns, the new content survives a power cut; before, a reader sees the old content or the new,
never a mixture. A killed writer leaves at most its temporary file, which the next write of the same file removes.

Every durable step calls `step` before and after, so that a test can break off on each side of it. Errors of the
operating system become Transient at this door: a full, vanished or read-only disk is a condition of the box that
people mend, and it may last for a week.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.shared.errors import Fatal, Transient

Step = Callable[[str], None]

_TEMPORARY = ".tmp"
_OURS_TO_MEND = frozenset({errno.EBADF, errno.EFAULT, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG})
"""Errors that say the caller is wrong, not the box: a broken promise of ours."""


def no_step(_name: str) -> None:
    """What is called around durable steps in the product: nothing."""


@contextmanager
def disk_errors(path: Path, action: str) -> Iterator[None]:
    """Translate the operating system's errors while doing `action` (for the message) to `path`."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        kind = Fatal if error.errno in _OURS_TO_MEND else Transient
        raise kind(f"cannot {action} {path}: {cause}") from error


def write_durably(
    path: Path, data: bytes, mode: int = 0o640, step: Step = no_step, *, owner: int | None = None
) -> None:
    """Make `data` the whole content of `path`, with exactly `mode`, so that it survives a power cut.

    `owner` is the user to whom root gives the file, before anybody can see it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_TEMPORARY}")
    with disk_errors(path, "write"):
        _remove_leftovers(path)
        try:
            step("before write")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            try:
                os.fchmod(descriptor, mode)  # exact, whatever the umask and whatever a leftover had
                if owner is not None:
                    os.fchown(descriptor, owner, -1)
                _write_all(descriptor, data)
                step("after write")
                step("before sync")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            step("after sync")
            step("before rename")
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        step("after rename")
        sync_folder(path.parent, step)


def replace_file(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Make `data` the whole content of `path` for whoever reads it; a power cut may leave the old one, or nothing.

    For what is made anew every few seconds: syncing it would take the disk's time from what must not be lost.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_TEMPORARY}")
    with disk_errors(path, "write"):
        _remove_leftovers(path)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            try:
                os.fchmod(descriptor, mode)
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def remove_durably(path: Path, step: Step = no_step) -> bool:
    """Remove `path` for good, and what a killed write of it left; whether it was there."""
    with disk_errors(path, "remove"):
        _remove_leftovers(path)
        step("before unlink")
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        step("after unlink")
        sync_folder(path.parent, step)
    return True


def make_folders(path: Path, step: Step = no_step) -> None:
    """Make `path` and what it lies in, the parent of every new folder synced."""
    missing = []
    folder = path
    with disk_errors(path, "make folder"):
        while not folder.is_dir():
            missing.append(folder)
            if folder.parent == folder:
                break
            folder = folder.parent
        for new in reversed(missing):
            step("before make folder")
            new.mkdir(exist_ok=True)  # somebody else may have made it meanwhile
            step("after make folder")
            sync_folder(new.parent, step)


def sync_folder(path: Path, step: Step = no_step) -> None:
    """Make the names in a folder survive a power cut: after creating, renaming or removing a file in it."""
    with disk_errors(path, "sync folder"):
        step("before sync folder")
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        step("after sync folder")


def sync_file(descriptor: int, path: Path | None = None) -> None:
    """Make the data and size of an open file survive a power cut (not its times: that would cost a second write)."""
    with disk_errors(path or Path(f"/proc/self/fd/{descriptor}"), "sync"):
        os.fdatasync(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose process is gone. A living writer's is its own to remove."""
    prefix = f".{path.name}."
    for leftover in os.scandir(path.parent):
        if leftover.name.startswith(prefix) and leftover.name.endswith(_TEMPORARY):
            owner = leftover.name.removeprefix(prefix).removesuffix(_TEMPORARY)
            process = owner.partition("-")[0]
            if process.isdecimal() and not _lives(int(process)):
                Path(leftover.path).unlink(missing_ok=True)


def _lives(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
