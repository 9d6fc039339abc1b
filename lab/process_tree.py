"""What a process and all that it started use: CPU time and memory, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # of /proc/PID/stat, counted behind the command's closing bracket


def tree(root: int) -> list[int]:
    """The process and its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def cpu_seconds(processes: Iterable[int]) -> float:
    """CPU time of these processes so far, with that of their children which have ended."""
    ticks = 0
    for process in processes:
        fields = _stat(process)
        ticks += sum(int(fields[place]) for place in (_UTIME, _STIME, _CUTIME, _CSTIME)) if fields else 0
    return ticks / _TICKS_PER_S


def pss_bytes(processes: Iterable[int]) -> int:
    """Proportional set size of these processes together: a page that n processes share counts as a n-th for each.

    Components may not be looked into but by root (see `core_dumps`): for others it is all that is resident, which is
    more, because what they share counts for each.
    """
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        except PermissionError:
            total += _resident_bytes(process)
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def _resident_bytes(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _stat(process: int) -> list[str]:
    """The fields behind the command's name; empty for a process that is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
