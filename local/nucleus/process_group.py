"""Which processes belong to one run of a component, and how to end them all.

A run has an invocation id in its environment (INVOCATION_ID, as systemd gives one), which every descendant
inherits. Its processes are those that carry the id, and those in a session of one that does: what a systemd
control group would hold, without being root. Zombies do not count. Only the standard library is used,
because the guard process imports nothing else.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

INVOCATION_VARIABLE = "INVOCATION_ID"
KILL_ROUNDS_MAX = 40  # a process may fork while it is being looked for; each round finds the new ones
KILL_ROUND_S = 0.025


@dataclass(frozen=True)
class LiveProcess:
    """A process that is no zombie."""

    pid: int
    session: int


def live_processes() -> list[LiveProcess]:
    """Return all processes of the machine but zombies."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - names are enough
    return [process for pid in pids if (process := _live(pid)) is not None]


def still_alive(pids: Iterable[int]) -> set[int]:
    """Return those processes that are still there; far cheaper than to look for them anew."""
    return {pid for pid in pids if _live(pid) is not None}


def processes_of(invocations: Iterable[str], session: int | None = None) -> set[int]:
    """Return the live processes of these runs; `session` is one known to belong to them."""
    wanted = {f"{INVOCATION_VARIABLE}={one}".encode() for one in invocations}
    processes = live_processes()
    carriers = {process for process in processes if wanted & _environment(process.pid)}
    sessions = {process.session for process in carriers if _is_session_of(process, carriers)} | {session}
    return {process.pid for process in processes if process in carriers or process.session in sessions}


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_all(invocations: Iterable[str]) -> int:
    """Kill every process of these runs and return when none is left; the number of those still there."""
    wanted = set(invocations)
    for _ in range(KILL_ROUNDS_MAX):
        pids = processes_of(wanted) - {os.getpid()}
        if not pids:
            return 0
        signal_all(pids, signal.SIGKILL)
        time.sleep(KILL_ROUND_S)
    return len(processes_of(wanted))


def _live(pid: int) -> LiveProcess | None:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in ("Z", "X") else LiveProcess(pid, int(after_name[3]))


def _is_session_of(process: LiveProcess, carriers: set[LiveProcess]) -> bool:
    """Tell whether the leader of a process's session is a carrier too, or gone: it is then theirs."""
    return process.session in {carrier.pid for carrier in carriers} or not _exists(process.session)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _environment(pid: int) -> set[bytes]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return set()
