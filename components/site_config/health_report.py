"""The site's health in its shadow: the summary of the health catalogue as the reported state of `health`.

The catalogue is the truth and a message the hint; a summary that says the same is not sent again.
"""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from components.shared.catalogue.health import HealthReader, SummaryRow
from components.shared.errors import Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.clock import Clock
from components.shared.wire.json_patch import Json, make_patch
from components.shared.wire.site_config import HEALTH
from components.shared.wire.units import NS_PER_S
from components.site_config.shadow_store import ShadowStore

REPORT_NS_MIN = 10 * NS_PER_S
"""A camera that comes and goes every second is one update in ten seconds."""


class HealthReport:
    """Reports the summary when it changed; one thread calls `attempt`."""

    def __init__(self, data: Path, store: ShadowStore, hints: Inbox, clock: Clock, stop: threading.Event) -> None:
        self._data = data
        self._store = store
        self._hints = hints
        self._clock = clock
        self._stop = stop
        self._told: Json | None = None
        self._sent_ns: int | None = None

    def attempt(self) -> None:
        """Wait for a hint, at most until the next look, and tell what is new; Transient when it was not taken."""
        self._hints.take(self._clock, self._stop, REPORT_NS_MIN)
        self._hints.drain()
        self._wait_for_turn()
        summary = self._summary()
        if self._stop.is_set() or summary is None:
            return
        if self._told is None:
            shadow = self._store.get(HEALTH)
            self._told = (shadow.reported if shadow else None) or {}
        document = {name: value for name, value in summary.document.items() if value is not None}
        patch = make_patch(self._told, document)
        if not patch:
            return
        self._store.update_reported(HEALTH, patch)
        self._told, self._sent_ns = document, self._clock.monotonic_ns()

    def _summary(self) -> SummaryRow | None:
        try:
            with closing(HealthReader.open(self._data)) as reader:
                return reader.summary()
        except Transient:  # HealthMonitor has not made its catalogue yet, or is being updated
            return None

    def _wait_for_turn(self) -> None:
        if self._sent_ns is not None:
            self._clock.wait(self._stop, self._sent_ns + REPORT_NS_MIN - self._clock.monotonic_ns())
