"""The process from which crews are forked, so that they share the memory of what they all load.

It has loaded Python, libav and the recorder, has one thread and does nothing but fork: a fork of a process with several
threads may find locks taken that nobody will ever release. It is not the keeper, because the keeper's client of the
core has threads from its start.

Crews die with it, and it dies with the keeper: by its socket, whose other end the keeper has, and by the kernel.
Signals to end are ignored here and in crews: a core sends them to all processes of a component, and segments are to be
closed in good order, when the keeper says so.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from components.capture.camera_source import open_camera
from components.capture.crew_inside import CrewSources, run_crew
from components.capture.picture_check import is_whole
from components.capture.zygote_messages import NO_PROCESS, Answer, write_answer
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.core_dumps import forbid_core_dumps

STACK_BYTES = 512 * 1024
"""Per thread; libav's deepest call of ours, decoding a keyframe, takes less than a quarter of it."""

OOM_SCORE = "200"
"""When memory runs out, the kernel should end a crew, which costs a second, and not the keeper."""

_FORK = b"fork"
GARBAGE_OBJECTS = 20_000
"""How many new objects make Python look for cycles among them: seconds of pictures, which are none. The default,
700, has it look several times a second.
"""

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8  # malloc.h
_MEMORY = {
    # One heap per thread, up to sixteen, would keep each camera's largest keyframe several times over: 32 cameras take
    # a third less memory with two, and no measurable time more (libav allocates a few hundred times a second).
    _M_ARENA_MAX: 2,
    # Freed keyframes go back to the system at once instead of when a heap happens to shrink by itself.
    _M_TRIM_THRESHOLD: 128 * 1024,
}

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: Sequence[str], sources: Callable[[], CrewSources]) -> int:
    """Fork crews until the keeper closes its end. `argv`: the descriptor of the socket, and the keeper's process."""
    link = socket.socket(fileno=int(argv[0]))
    _end_with(int(argv[1]))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
    threading.stack_size(STACK_BYTES)
    libc = ctypes.CDLL(None)
    for setting, value in _MEMORY.items():
        libc.mallopt(setting, value)
    made = sources()
    gc.collect()
    libc.malloc_trim(0)  # what loading took and gave back; it would be every crew's, too
    gc.freeze()  # nothing that is there by now is garbage: looking through it would make every page of it a crew's own
    gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])
    _Zygote(link, made).run()
    return 0


def camera_sources() -> CrewSources:
    """Cameras are read as their documents say, and keyframes looked at by libav."""
    return CrewSources(open_camera(SystemClock()), is_whole)


class _Zygote:
    def __init__(self, link: socket.socket, sources: CrewSources) -> None:
        self._link = link
        self._sources = sources
        self._crews: dict[int, int] = {}  # process by pidfd
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def run(self) -> None:
        """Fork and reap until there is no keeper."""
        while True:
            for descriptor, _events in self._poll.poll():
                if descriptor == self._link.fileno():
                    data, descriptors, _flags, _address = socket.recv_fds(self._link, len(_FORK), 2)
                    if data != _FORK:
                        return
                    self._fork(descriptors)
                else:
                    self._reap(descriptor)

    def _fork(self, descriptors: Sequence[int]) -> None:
        assert len(os.listdir("/proc/self/task")) == 1, "nothing that a zygote loads may start threads"  # noqa: PTH208
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # no memory, no processes left: there may be some the next time
            pid = NO_PROCESS
        if pid == 0:
            try:
                self._become_crew(parent, descriptors)
            finally:
                os._exit(1)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid == NO_PROCESS:
            self._link.send(write_answer(Answer(NO_PROCESS)))
            return
        pidfd = os.pidfd_open(pid)
        self._crews[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        socket.send_fds(self._link, [write_answer(Answer(pid))], [pidfd])

    def _reap(self, pidfd: int) -> None:
        pid = self._crews.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _pid, status = os.waitpid(pid, 0)
        self._link.send(write_answer(Answer(pid, status)))

    def _become_crew(self, parent: int, descriptors: Sequence[int]) -> None:
        _end_with(parent)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
        forbid_core_dumps()  # after the line above: what cannot be dumped may not write there without being root
        self._link.close()
        for pidfd in self._crews:
            os.close(pidfd)
        orders, calls = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        os._exit(run_crew(orders, calls, self._sources))


def _end_with(parent: int) -> None:
    """The kernel kills this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], camera_sources))
