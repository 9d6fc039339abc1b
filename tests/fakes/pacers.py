"""Pacers for what is tested without a cap, and with one."""

from __future__ import annotations

import threading
from datetime import UTC

from components.cloud_sync.pacer import Pacer
from components.shared.runtime.clock import Clock, SystemClock
from components.shared.wire.sync_config import SyncSection


def open_pacer(
    sync: SyncSection | None = None, clock: Clock | None = None, stop: threading.Event | None = None
) -> Pacer:
    """A pacer that these settings are in force on; without any it lets everything out."""
    pacer = Pacer(clock or SystemClock(), stop or threading.Event())
    pacer.follow(sync or SyncSection(), UTC)
    return pacer
