"""The keeper's first zygote, forked from the keeper itself before it does anything.

Both load the same, and so it is in memory once: a box with one camera takes 10 MB less than with a zygote that loads
everything for itself. Only a process with one thread may fork, so this is the first thing that the keeper does. A
zygote that is needed later, because this one has ended, is started by a command.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import traceback
from dataclasses import dataclass

from components.capture.pidfd import has_ended


class ForkedProcess:
    """A child that was forked, with those methods of `subprocess.Popen` that a zygote's keeper uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self._status is None and has_ended(self._pidfd):
            _pid, self._status = os.waitpid(self.pid, 0)
            os.close(self._pidfd)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. TimeoutExpired when it still runs after `timeout` seconds."""
        if self._status is None and not has_ended(self._pidfd, timeout):
            raise subprocess.TimeoutExpired("zygote", timeout or 0)
        status = self.poll()
        assert status is not None, "it is over"
        return status

    def kill(self) -> None:
        """End it at once."""
        if self._status is None:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class EarlyZygote:
    """A zygote that was forked from this process, and the keeper's end of its socket."""

    process: ForkedProcess
    link: socket.socket


def fork_zygote() -> EarlyZygote | None:
    """A zygote, if there can be one: the process must have one thread, and the system room for another process."""
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
        return None
    keeper = os.getpid()
    link, its_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.collect()
    gc.freeze()  # looking through what is there by now for garbage would make every page of it each process's own
    try:
        pid = os.fork()
    except OSError:  # the first crew tries again, and tells
        link.close()
        its_link.close()
        return None
    if pid == 0:
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # they are for the keeper, which ends this process
            link.close()
            from components.capture.zygote import camera_sources, main

            os._exit(main((str(its_link.detach()), str(keeper)), camera_sources))
        except BaseException:  # noqa: BLE001 - the interpreter's own end is the keeper's
            traceback.print_exc()
        finally:
            os._exit(1)
    its_link.close()
    return EarlyZygote(ForkedProcess(pid), link)
