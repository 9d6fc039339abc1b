"""Keeps a process's memory out of files and from its neighbours: it holds passwords and the device's credentials.

Two things, because each has a hole. The limit of 0 is inherited by every process that is started, but a program that
takes core dumps from the kernel (`core_pattern` with a pipe) need not heed it. A process that is not dumpable is not
dumped by anybody, and other processes of its user can neither trace it nor read its environment; but every program that
is executed begins dumpable again, so that each process says it for itself.
"""

from __future__ import annotations

import ctypes
import resource

from components.shared.errors import Fatal

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_NOT_DUMPABLE = 0


def forbid_core_dumps() -> None:
    """This process, and every one that it forks, leaves no core dump. Fatal when the kernel does not agree."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, _NOT_DUMPABLE, 0, 0, 0):
        raise Fatal("the kernel does not take PR_SET_DUMPABLE: a core dump could hold secrets")
