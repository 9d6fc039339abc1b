"""Durable files: old or new, never a mixture, whatever breaks off where."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from components.shared.errors import Fatal, Transient
from components.shared.runtime.files import (
    disk_errors,
    make_folders,
    remove_durably,
    sync_file,
    sync_folder,
    write_durably,
)

OLD, NEW = b"old content\n" * 100, b"new content, and longer\n" * 1_000


class _KilledError(BaseException):
    """Stands for the end of the process at this place."""


class _Steps:
    """Counts the steps and breaks off at one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.names: list[str] = []
        self._kill_at = kill_at

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self._kill_at:
            raise _KilledError(name)


WRITE_STEPS = [
    "before write",
    "after write",
    "before sync",
    "after sync",
    "before rename",
    "after rename",
    "before sync folder",
    "after sync folder",
]


def test_a_write_goes_through_all_durable_steps_in_order(tmp_path: Path) -> None:
    """Write, sync, rename, sync the folder: in this order, and nothing of it left out."""
    steps = _Steps()
    write_durably(tmp_path / "a", NEW, step=steps)
    assert steps.names == WRITE_STEPS


@pytest.mark.parametrize("kill_at", range(len(WRITE_STEPS)), ids=WRITE_STEPS)
def test_a_write_killed_on_either_side_of_a_step_leaves_old_or_new(tmp_path: Path, kill_at: int) -> None:
    """Whatever the step, a reader finds the old or the new content, and the next write succeeds and tidies up."""
    path = tmp_path / "document"
    write_durably(path, OLD)
    with pytest.raises(_KilledError):
        write_durably(path, NEW, step=_Steps(kill_at))
    renamed = kill_at >= WRITE_STEPS.index("after rename")
    assert path.read_bytes() == (NEW if renamed else OLD)
    write_durably(path, b"next")
    assert path.read_bytes() == b"next"
    assert _names(tmp_path) == ["document"]


@pytest.mark.parametrize("kill_at", range(len(WRITE_STEPS)), ids=WRITE_STEPS)
def test_a_first_write_killed_leaves_nothing_or_all(tmp_path: Path, kill_at: int) -> None:
    """A file that was not there before either is not there or is complete."""
    path = tmp_path / "document"
    with pytest.raises(_KilledError):
        write_durably(path, NEW, step=_Steps(kill_at))
    assert not path.exists() or path.read_bytes() == NEW


def _kill_a_writer(path: Path) -> None:
    """Let another process write NEW and kill it between write and sync."""
    program = (
        "import os, signal, sys; from pathlib import Path; from components.shared.runtime.files import write_durably\n"
        "def step(name):\n    if name == 'after write': os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_durably(Path(sys.argv[1]), {NEW!r}, step=step)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], timeout=30, check=False)
    assert ended.returncode == -9


@pytest.mark.slow
def test_the_leftover_of_a_killed_process_is_removed_by_the_next_write(tmp_path: Path) -> None:
    """A writer killed by SIGKILL leaves the old content and a temporary file; the next write removes that."""
    path = tmp_path / "document"
    write_durably(path, OLD)
    _kill_a_writer(path)
    assert path.read_bytes() == OLD
    assert len(_names(tmp_path)) == 2
    write_durably(path, NEW)
    assert path.read_bytes() == NEW
    assert _names(tmp_path) == ["document"]


@pytest.mark.slow
def test_the_leftover_of_a_killed_process_is_removed_with_its_file(tmp_path: Path) -> None:
    """Removing a document removes what a killed write of it left, too."""
    path = tmp_path / "document"
    write_durably(path, OLD)
    _kill_a_writer(path)
    assert remove_durably(path) is True
    assert _names(tmp_path) == []


def test_the_temporary_file_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """A write does not take away what another living process is just writing."""
    theirs = tmp_path / f".document.{os.getppid()}-1.tmp"
    theirs.write_bytes(b"half")
    write_durably(tmp_path / "document", NEW)
    assert theirs.read_bytes() == b"half"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_has_exactly_the_mode_that_was_asked_for(tmp_path: Path, mode: int) -> None:
    """Neither the umask nor the file before decides about who may read it."""
    before = os.umask(0o077)
    try:
        (tmp_path / "a").write_bytes(OLD)
        write_durably(tmp_path / "a", NEW, mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_temporary_file_is_never_readable_by_more_than_the_file(tmp_path: Path) -> None:
    """While a secret is being written, its temporary file is as closed as the secret."""
    modes: list[int] = []

    def look(name: str) -> None:
        if name == "after write":
            modes.extend(entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir())

    write_durably(tmp_path / "secret", NEW, mode=0o600, step=look)
    assert modes == [0o600]


def test_removing_is_repeatable_and_tells_whether_something_was_there(tmp_path: Path) -> None:
    """The second removal of a file does nothing and says so."""
    write_durably(tmp_path / "a", OLD)
    steps = _Steps()
    assert remove_durably(tmp_path / "a", steps) is True
    assert steps.names == ["before unlink", "after unlink", "before sync folder", "after sync folder"]
    assert remove_durably(tmp_path / "a") is False


@pytest.mark.parametrize("kill_at", range(4))
def test_a_removal_killed_anywhere_can_be_repeated(tmp_path: Path, kill_at: int) -> None:
    """A file is there whole or gone, and removing it again ends with it gone."""
    write_durably(tmp_path / "a", OLD)
    with pytest.raises(_KilledError):
        remove_durably(tmp_path / "a", _Steps(kill_at))
    assert not (tmp_path / "a").exists() or (tmp_path / "a").read_bytes() == OLD
    remove_durably(tmp_path / "a")
    assert _names(tmp_path) == []


def test_every_new_folder_has_its_parent_synced(tmp_path: Path) -> None:
    """Each of three new levels is made and its parent synced; levels that were there are left alone."""
    steps = _Steps()
    make_folders(tmp_path / "a" / "b" / "c", steps)
    assert steps.names == ["before make folder", "after make folder", "before sync folder", "after sync folder"] * 3
    again = _Steps()
    make_folders(tmp_path / "a" / "b" / "c", again)
    assert again.names == []


@pytest.mark.parametrize("kill_at", range(12))
def test_making_folders_killed_anywhere_can_be_repeated(tmp_path: Path, kill_at: int) -> None:
    """Making folders again after a kill ends with all of them there."""
    with pytest.raises(_KilledError):
        make_folders(tmp_path / "a" / "b" / "c", _Steps(kill_at))
    make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.ENOENT, errno.EACCES])
def test_a_condition_of_the_disk_is_transient_and_names_path_and_cause(code: int) -> None:
    """A full, read-only, broken or vanished disk may be mended: Transient, with the path and the system's words."""
    with pytest.raises(Transient, match=r"cannot write /media/x: .*" + os.strerror(code)), _doing():
        raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EBADF, errno.EINVAL])
def test_a_wrong_call_is_fatal(code: int) -> None:
    """An error that says that we are wrong, not the disk, is a broken promise of ours."""
    with pytest.raises(Fatal, match="cannot write /media/x"), _doing():
        raise OSError(code, os.strerror(code))


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def _doing() -> AbstractContextManager[None]:
    return disk_errors(Path("/media/x"), "write")


def test_a_full_disk_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    """When the disk is full in the middle of a write, that is told, the old file stays and the space is given back."""
    write_durably(tmp_path / "a", OLD)

    def fill(name: str) -> None:
        if name == "after write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Transient, match="No space left"):
        write_durably(tmp_path / "a", NEW, step=fill)
    assert (tmp_path / "a").read_bytes() == OLD
    assert _names(tmp_path) == ["a"]


def test_a_really_full_disk_is_transient() -> None:
    """The kernel's own "no space left", from /dev/full, becomes Transient."""
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(Transient, match="cannot write /dev/full: No space left"),
        disk_errors(Path("/dev/full"), "write"),
    ):
        full.write(b"x")


def test_writing_into_a_folder_that_is_not_there_is_transient(tmp_path: Path) -> None:
    """A volume that is not mounted has no folder: Transient, naming the file."""
    with pytest.raises(Transient, match=r"cannot write .*gone/a"):
        write_durably(tmp_path / "gone" / "a", NEW)


def test_syncing_an_open_file_and_a_folder(tmp_path: Path) -> None:
    """An open file and its folder can be synced; a closed descriptor is a fault of ours."""
    with (tmp_path / "a").open("wb") as file:
        file.write(NEW)
        file.flush()
        sync_file(file.fileno())
        descriptor = os.dup(file.fileno())
    sync_folder(tmp_path)
    os.close(descriptor)
    with pytest.raises(Fatal, match="cannot sync"):
        sync_file(descriptor, tmp_path / "a")
