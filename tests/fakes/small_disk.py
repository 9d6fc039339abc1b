"""A small file system of its own, mounted where a test wants it, to be filled, broken and taken away. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MIB = 1 << 20


class SmallDisk:
    """An ext4 file system in an image, mounted at `root`."""

    def __init__(self, image: Path, root: Path) -> None:
        self.image = image
        self.root = root

    def mount(self) -> None:
        """Put it in its place, its journal replayed."""
        command("mount", "-o", "loop", str(self.image), str(self.root))

    def take_away(self) -> None:
        """Take it out of its place whatever is open on it: what is open goes on, and nobody finds it by its name."""
        command("umount", "--lazy", str(self.root))

    def make_read_only(self) -> None:
        """Make it read-only at once, open files or not, as the kernel does after a fault of the disk."""
        command("mount", "-o", "remount,abort", str(self.root))

    def repair(self) -> None:
        """What somebody does about a disk with faults: take it out, check it, put it in again."""
        command("umount", str(self.root))
        done = subprocess.run(["e2fsck", "-p", str(self.image)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: faults were corrected
        self.mount()

    def fill(self, leave_bytes: int = 0) -> Path:
        """A file of somebody else that leaves so much; asked again it grows by what became free."""
        return fill(self.root, leave_bytes)

    def use_up_inodes(self, leave: int = 0) -> Path:
        """A folder of somebody else's empty files, which leave so many inodes."""
        folder = self.root / "many"
        folder.mkdir()
        with suppress(OSError):  # none is left
            for number in range(os.statvfs(self.root).f_favail - leave):
                (folder / str(number)).touch()
        return folder


def fill(root: Path, leave_bytes: int) -> Path:
    """A file of somebody else that leaves so much of the file system; asked again it grows by what became free."""
    path = root / "something-else"
    free = os.statvfs(root)
    with path.open("ab") as file, suppress(OSError):
        left = free.f_bavail * free.f_frsize - leave_bytes
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))
            file.flush()
    return path


@contextmanager
def small_disk(folder: Path, root: Path, size_bytes: int, *options: str) -> Iterator[SmallDisk]:
    """A new file system of that size, its image in `folder`; `options` are those of mkfs.ext4."""
    folder.mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    disk = SmallDisk(folder / "small.img", root)
    with disk.image.open("wb") as file:
        file.truncate(size_bytes)
    command("mkfs.ext4", "-q", "-F", "-m", "0", *options, str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        while os.path.ismount(root):
            command("umount", "--lazy", str(root))


@contextmanager
def small_tmpfs(root: Path, size_bytes: int) -> Iterator[Path]:
    """Memory as a file system of that size."""
    root.mkdir(parents=True, exist_ok=True)
    command("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(root))
    try:
        yield root
    finally:
        command("umount", "--lazy", str(root))


def command(*words: str) -> None:
    """Run a command of the system; the test fails with its words when it does."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"no file system of its own for this test: {' '.join(words)}: {done.stderr.strip()}")
