"""Memory of components is told to whoever asks, also to those who may not look into them."""

from __future__ import annotations

import os
from typing import NoReturn

import psutil

from cli.observe import memory_bytes


class Hidden(psutil.Process):
    """A process as it is to a user who may not look into it."""

    def memory_full_info(self) -> NoReturn:
        raise psutil.AccessDenied(self.pid)


def test_a_hidden_process_has_a_size_too() -> None:
    """What may not be looked into counts as what is resident, which is not less than its proportional size."""
    seen, hidden = (memory_bytes(kind(os.getpid())) for kind in (psutil.Process, Hidden))
    assert 0 < seen <= hidden * 1.1
    assert abs(hidden - psutil.Process().memory_info().rss) < 10_000_000
