"""Asks the volumes' disks: room, a small write, their own word on their health. Each call may hang with its disk.

A volume that is not there, or is another disk, is told and nothing is written to it. The small file is made, synced and
removed; on a full disk it is not made, since room is Capture's. A disk's health comes from the kernel (eMMC) or from
`smartctl`, where it is installed and permitted; where not, that is told once and nothing is guessed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from components.health_monitor.core.box_parsing import parse_emmc, parse_smartctl
from components.health_monitor.core.readings import DiskReading, VolumeReading, WriteReading
from components.shared.catalogue.capture_rows import Volume
from components.shared.catalogue.volumes import absence
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import disk_errors

PROBE_FILE = ".edgenvr-probe"
"""At a volume's root, for the moment of a write."""

PROBE_BYTES = 4_096
"""A block: what a file system writes at least."""

WRITE_FREE_BYTES_MIN = 64 * 1024 * 1024
"""With less room than this the probe writes nothing."""

SMARTCTL_S_MAX = 20.0
"""A sleeping disk takes ten seconds to wake."""

_SYS = Path("/sys")


def read_volume(volume: Volume, data: Path) -> VolumeReading:
    """The volume's room, or that it is not there. Transient when its disk fails."""
    absent = absence(volume)
    if absent is not None:
        return VolumeReading(volume.volume, absent)
    with disk_errors(volume.root, "ask for room"):
        found = os.statvfs(volume.root)
        is_own_disk = volume.root.stat().st_dev != data.stat().st_dev
    return VolumeReading(
        volume.volume,
        None,
        is_own_disk,
        found.f_bavail * found.f_frsize,
        (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize,
        100.0 * found.f_favail / found.f_files if found.f_files else None,
    )


def time_write(volume: Volume, clock: Clock) -> WriteReading | None:
    """How long a small write takes until the disk has it; None where none may be made. Transient when it fails."""
    if absence(volume) is not None:
        return None
    path = volume.root / PROBE_FILE
    with disk_errors(path, "write"):
        found = os.statvfs(volume.root)
        if found.f_bavail * found.f_frsize < WRITE_FREE_BYTES_MIN:
            return None
        began_ns = clock.monotonic_ns()
        # Made anew each time, so that a link that lies there is not followed.
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, bytes(PROBE_BYTES))
            os.fsync(handle)
            took_ns = clock.monotonic_ns() - began_ns
        finally:
            os.close(handle)
            path.unlink(missing_ok=True)
    return WriteReading(volume.volume, took_ns)


def disk_of(root: Path, sys: Path = _SYS) -> str | None:
    """The name of the disk that a folder is on, such as `sda`; None where that is no single disk of this machine."""
    with disk_errors(root, "look at"):
        device = root.stat().st_dev
    block = sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    with disk_errors(block, "look at"):
        if not block.exists():
            return None  # an overlay, a network file system, several disks in one
        found = block.resolve()
        if (found / "partition").exists():
            found = found.parent
    return found.name


def read_disk(disk: str, sys: Path = _SYS) -> DiskReading | None:
    """What a disk says of its own health. Transient, with the reason, where that cannot be read."""
    device = sys / "block" / disk / "device"
    life_time, pre_eol = device / "life_time", device / "pre_eol_info"
    with disk_errors(device, "read"):
        if life_time.exists() and pre_eol.exists():
            return parse_emmc(disk, life_time.read_text(), pre_eol.read_text())
    program = shutil.which("smartctl") or shutil.which("smartctl", path="/usr/sbin:/sbin")
    if program is None:
        raise Transient(f"health of disk {disk} is not readable: smartctl is not installed")
    command = [program, "--json=c", "--health", "--attributes", f"/dev/{disk}"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=SMARTCTL_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Transient(f"health of disk {disk} is not readable: {error}") from error
    reading, why = parse_smartctl(disk, answer.stdout.decode(errors="replace"))
    if reading is None:
        raise Transient(f"health of disk {disk} is not readable: {why}")
    return reading
