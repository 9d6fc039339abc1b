"""What the zygote says: which process it forked, and how each of them ended."""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 64

NO_PROCESS = -1
"""The process of an answer that there is none: the system has no memory, or no processes left."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A process that was forked, or with a status (as `waitpid` gives it) one that has ended."""

    pid: int
    status: int | None = None


def write_answer(answer: Answer) -> bytes:
    """As bytes; `read_answer` is the inverse."""
    return f"{answer.pid} {'' if answer.status is None else answer.status}".encode()


def read_answer(data: bytes) -> Answer:
    """What `write_answer` wrote."""
    pid, _, status = data.decode().partition(" ")
    return Answer(int(pid), int(status) if status else None)
