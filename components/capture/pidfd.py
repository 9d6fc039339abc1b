"""Whether a process has ended, by its pidfd, which never means another process that was given the same number."""

from __future__ import annotations

import select


def has_ended(pidfd: int, timeout_s: float | None = 0) -> bool:
    """Whether it has, or does within `timeout_s` seconds; None waits for it."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
