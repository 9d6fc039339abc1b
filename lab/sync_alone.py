"""CloudSync's worker without a core, on a wall clock that may be set apart: for shows that look at what it sends.

python -m lab.sync_alone --data DIR --set mediaBucket=NAME [--set wall_offset_ns=N]

The documents in DIR/config say how much it may send, what is queued in DIR's sync.db what. It says and hears nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

from components.cloud_sync import app
from components.shared.runtime.clock import Clock, SystemClock
from components.shared.runtime.component import Context, Task, run_component
from components.shared.runtime.config import ConfigWatcher
from components.shared.wire.topics import CLOUD_SYNC
from components.shared.wire.units import MonotonicNs, WallNs
from lab.capture_alone import open_bus


class SetApartClock:
    """The clocks of this box, the wall clock so far ahead."""

    def __init__(self, clock: Clock, ahead_ns: int) -> None:
        self._clock = clock
        self._ahead_ns = ahead_ns

    def wall_ns(self) -> WallNs:
        """The wall time as it is told here."""
        return WallNs(self._clock.wall_ns() + self._ahead_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """Nanoseconds since the box booted."""
        return self._clock.monotonic_ns()

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """As the box's clock."""
        return self._clock.wait(event, duration_ns)


def build(context: Context) -> Sequence[Task]:
    """CloudSync's tasks, on that clock."""
    clock = SetApartClock(SystemClock(), int(context.settings.get("wall_offset_ns", "0")))
    return app.build(replace(context, clock=clock, config=ConfigWatcher(context.data, clock)))


if __name__ == "__main__":
    sys.exit(run_component(CLOUD_SYNC, build, sys.argv[1:], open_bus))
