"""The keeper's side of the zygote: the process from which crews are forked.

The first one may be there already (`early_zygote`); one is started when a crew is hired and there is none. It ends when
this side is closed. It says which process it forked, with a descriptor of it, and how each of them ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from components.capture.crew_process import Forked
from components.capture.early_zygote import EarlyZygote, ForkedProcess
from components.capture.zygote_messages import MESSAGE_BYTES_MAX, NO_PROCESS, read_answer
from components.shared.errors import Transient
from components.shared.runtime.log import Log

FORK_S_MAX = 30.0
"""The first fork waits until Python and libav are loaded: a second on a small box, ten and more on one that does much
else; giving up too early would only begin that again.
"""

END_S_MAX = 0.2
"""How long a zygote has to end after its socket is closed; it has nothing to do but that."""

ZYGOTE_COMMAND = (sys.executable, "-m", "components.capture.zygote")


class _NoProcess(Exception):  # noqa: N818 - it becomes a Transient before it leaves this module
    """The zygote is there and cannot fork."""


class Zygote:
    """See the module; used by one thread, which must live as long as the zygote should."""

    def __init__(self, log: Log, command: Sequence[str] = ZYGOTE_COMMAND, early: EarlyZygote | None = None) -> None:
        """`early` is there already."""
        self._log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = early.process if early else None
        self._link: socket.socket | None = early.link if early else None
        self._ends: dict[int, str] = {}

    @property
    def is_there(self) -> bool:
        """Whether it runs. Crews end with it."""
        return self._process is not None and self._process.poll() is None

    def fork(self) -> Forked:
        """A new process, and what leads to it. Transient when there can be none now."""
        if not self.is_there:
            self._start()
        assert self._link is not None, "started"
        orders, its_orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        calls, its_calls = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with its_orders, its_calls:
                socket.send_fds(self._link, [b"fork"], [its_orders.fileno(), its_calls.fileno()])
            pid, pidfd = self._await_fork()
        except _NoProcess as error:
            orders.close()
            calls.close()
            raise Transient(f"no process can be had for a crew: {error}") from error
        except (OSError, Transient) as error:
            orders.close()
            calls.close()
            self.close()  # it is started anew the next time
            raise Transient(f"no process can be had for a crew: {error}") from error
        return Forked(pid, pidfd, orders, calls)

    def reason(self, pid: int) -> str | None:
        """How the process that it forked has ended: in words, nothing if in good order. None when it is not known."""
        with suppress(OSError, Transient):
            while self._link is not None:
                self._link.settimeout(0)
                self._hear()
        return self._ends.pop(pid, None)

    def close(self) -> None:
        """End it, and with it all that it forked."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            try:
                self._process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _start(self) -> None:
        self.close()
        self._link, its_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        search = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, "PYTHONPATH": search}
        command = [*self._command, str(its_link.fileno()), str(os.getpid())]
        try:
            with its_link:
                self._process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[its_link.fileno()]
                )
        except OSError as error:
            raise Transient(f"no process can be had for crews: {error}") from error
        self._log.info("zygote_started", process=self._process.pid)

    def _await_fork(self) -> tuple[int, int]:
        assert self._link is not None, "started"
        self._link.settimeout(FORK_S_MAX)
        while True:
            forked = self._hear()
            if forked is not None:
                return forked

    def _hear(self) -> tuple[int, int] | None:
        """One message: the process that was forked and its descriptor, or None when another one ended."""
        assert self._link is not None, "started"
        data, descriptors, _flags, _address = socket.recv_fds(self._link, MESSAGE_BYTES_MAX, 1)
        if not data:
            raise Transient("the process that forks them has ended")
        answer = read_answer(data)
        if answer.pid == NO_PROCESS:
            raise _NoProcess("the system has no memory, or no processes left")
        if answer.status is None:
            return answer.pid, descriptors[0]
        self._ends[answer.pid] = _in_words(answer.status)
        return None


def _in_words(status: int) -> str:
    """What the exit status of a process means; nothing for a good one."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}" if code else ""
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
