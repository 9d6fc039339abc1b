"""One run of one script: a shell in a session of its own, its output, its end and the end of all it started.

Knows nothing of states or restarts. Invariants: the guard knows of a run before its first process exists and
until its last one is gone; `wait` returns when no process of the run is left.
"""

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.nucleus.guard import Guard
from local.nucleus.output_log import OutputLog
from local.nucleus.process_group import INVOCATION_VARIABLE, processes_of, signal_all, still_alive

log = logging.getLogger(__name__)

COMPONENT_UMASK = 0o022  # what both runtimes give
LOOK_AGAIN_S = 0.05  # between two looks for processes that are still there
KILL_WAIT_S = 5.0  # a process in the kernel may take that long to notice
OUTPUT_WAIT_S = 1.0  # for the last output, when all processes are gone


@dataclass(frozen=True)
class Script:
    """A script with all its variables replaced, and what it runs in."""

    text: str
    environment: Mapping[str, str]
    folder: Path
    timeout_s: float | None = None
    needs_privilege: bool = False


class _Output(asyncio.Protocol):
    """Copies the output of a run into its log."""

    def __init__(self, sink: OutputLog, ended: asyncio.Event) -> None:
        self._sink = sink
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._sink.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._ended.set()


class Process:
    """One run that was started."""

    def __init__(
        self,
        shell: asyncio.subprocess.Process,
        invocation: str,
        guard: Guard,
        output: tuple[asyncio.ReadTransport, asyncio.Event],
    ) -> None:
        self.pid = shell.pid
        self._shell = shell
        self._invocation = invocation
        self._guard = guard
        self._output = output

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the run; SIGTERM wakes those that are stopped."""
        pids = processes_of([self._invocation], self.pid)
        signal_all(pids, number)
        if number == signal.SIGTERM:
            signal_all(pids, signal.SIGCONT)

    async def wait(self, *, kill_after_s: float) -> int:
        """Wait for the shell, end what it left behind, and return its exit code (negative for a signal)."""
        code = await self._shell.wait()
        await self._end_rest(kill_after_s)
        transport, ended = self._output
        try:
            async with asyncio.timeout(OUTPUT_WAIT_S):
                await ended.wait()
        except TimeoutError:
            transport.close()
        self._guard.remove(self._invocation)
        return code

    async def stop(self, kill_after_s: float) -> None:
        """Ask all processes to end, and kill those that are still there after the time."""
        self.signal(signal.SIGTERM)
        await self._until_gone(kill_after_s)
        self.signal(signal.SIGKILL)

    async def _end_rest(self, kill_after_s: float) -> None:
        if not processes_of([self._invocation], self.pid):
            return
        self.signal(signal.SIGTERM)
        if not await self._until_gone(kill_after_s):
            self.signal(signal.SIGKILL)
            if not await self._until_gone(KILL_WAIT_S):
                log.error("processes of run %s cannot be killed", self._invocation)

    async def _until_gone(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                pids = processes_of([self._invocation], self.pid)
                while pids:
                    await asyncio.sleep(LOOK_AGAIN_S)
                    pids = still_alive(pids) or processes_of([self._invocation], self.pid)
        except TimeoutError:
            return False
        return True


async def start(script: Script, sink: OutputLog, guard: Guard) -> Process:
    """Start a script with `sh -c`; OSError when there is no shell or folder."""
    invocation = secrets.token_hex(16)
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    guard.add(invocation)
    try:
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            script.text,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            cwd=script.folder,
            env={**script.environment, INVOCATION_VARIABLE: invocation},
            start_new_session=True,
            umask=COMPONENT_UMASK,
        )
    except OSError:
        guard.remove(invocation)
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    ended = asyncio.Event()
    transport, _ = await loop.connect_read_pipe(lambda: _Output(sink, ended), os.fdopen(read_end, "rb"))
    return Process(shell, invocation, guard, (transport, ended))
