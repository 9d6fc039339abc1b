"""One command at a time has a site: `up` from its first step to its last, `reset` while it removes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from components.shared.errors import Rejected
from local.site import Layout


@contextmanager
def holding(layout: Layout) -> Iterator[None]:
    """Hold the site; Rejected when another command does. The kernel lets go of it however the process ends."""
    layout.local.mkdir(parents=True, exist_ok=True)
    with (layout.local / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Rejected(
                f"a site is starting or running in {layout.data}: stop it first (Ctrl-C in its terminal), "
                "or name another --data"
            ) from error
        yield
