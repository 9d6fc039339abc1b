"""A disk whose state can be copied whole at any moment, as a power cut leaves it.

The disk is an ext4 file system in an image file. The image lies on a btrfs of its own, where a copy by reference is
atomic and takes milliseconds; a plain copy of a living image would show states that no power cut makes. What a copy
holds is all that the disk was given until then, in order: a disk without a volatile write cache. What the disk's own
cache would lose beside that is not modelled.

Everything is mounted here. Whoever calls lives in a mount namespace of his own (see power_cut), so that nothing stays
mounted, and no loop device taken, whatever ends him.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lab.running_site import SiteFailedError

IMAGE_BYTES = 1 << 30
"""The disk: some minutes of a few small cameras, and of the plain writers, who delete nothing."""

HOST_BYTES = 4 << 30
"""What the image and the differences of its copies may take; sparse, so that a run takes a tenth of it."""

COMMAND_S_MAX = 120.0

TOOLS = {
    "mkfs.btrfs": "btrfs-progs",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
    "unshare": "util-linux",
}
"""The programs that are needed, and the Debian packages that have them."""


def missing() -> list[str]:
    """What is needed for this and not there, each in words that help."""
    found = [] if os.geteuid() == 0 else ["to be root, because file systems are mounted"]
    found += [f"{tool} (apt-get install {package})" for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if not Path("/dev/loop-control").exists():
        found.append("loop devices (/dev/loop-control is not there)")
    known = Path("/proc/filesystems").read_text().split()
    # A kernel with modules names a file system once it was used: whether it can be loaded shows when it is mounted.
    if "btrfs" not in known and not Path("/lib/modules").is_dir():
        found.append("a kernel that knows btrfs")
    return found


class CopiedDisk:
    """The disk while it is mounted; `root` is where."""

    def __init__(self, host: Path, root: Path) -> None:
        self.root = root
        self._host = host
        self._image = host / "disk.img"

    def copy(self, number: int) -> Path:
        """The disk as a power cut now would leave it: an image of its own."""
        path = self._host / f"copy-{number}.img"
        _run("cp", "--reflink=always", str(self._image), str(path))
        return path


@contextmanager
def copied_disk(work: Path) -> Iterator[CopiedDisk]:
    """Make the disk and mount it under `work`; unmounted at the end, with the images gone."""
    host, host_image, root = work / "host", work / "host.img", work / "disk"
    with ExitStack() as stack:
        stack.callback(host_image.unlink, missing_ok=True)
        _make_image(host_image, HOST_BYTES)
        _run("mkfs.btrfs", "--quiet", "--force", str(host_image))
        stack.enter_context(mounted(host_image, host))
        _make_image(host / "disk.img", IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(host / "disk.img"))
        stack.enter_context(mounted(host / "disk.img", root))
        yield CopiedDisk(host, root)


@contextmanager
def mounted(image: Path, root: Path) -> Iterator[Path]:
    """Mount an image, its journal replayed, while the context lasts; the loop device is freed with it."""
    root.mkdir(parents=True, exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(root))
    try:
        yield root
    finally:
        # Lazily: what still holds a file there is about to end, and must not keep the rest from being cleaned up.
        with suppress(SiteFailedError):
            _run("umount", "--lazy", str(root))


def _make_image(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        file.truncate(size_bytes)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S_MAX)
    except FileNotFoundError as error:
        raise SiteFailedError(f"{command[0]} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise SiteFailedError(f"{' '.join(command)} does not end") from error
    if done.returncode != 0:
        raise SiteFailedError(f"{' '.join(command)} failed: {done.stderr.strip()}")
