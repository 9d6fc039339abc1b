"""A component's answers to the configuration documents: in force, or refused with the reason.

Answers are messages, hence hints: they are said at every change and again every minute, so that SiteConfig knows them
after its own restart too.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.shared.errors import Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import Loaded, Snapshot
from components.shared.runtime.log import redact_url
from components.shared.wire.messages import ERROR_TEXT_CHARS_MAX, ConfigApplied
from components.shared.wire.site_config import SITE, CameraDocument, SiteDocument, camera_shadow
from components.shared.wire.units import NS_PER_S, MonotonicNs

REPEAT_NS = 60 * NS_PER_S
"""How soon a SiteConfig that lost an answer, or has started again, knows it."""


def answers(
    component: str,
    snapshot: Snapshot,
    refused: Mapping[str, str] | None = None,
    pending: Mapping[str, str] | None = None,
) -> tuple[ConfigApplied, ...]:
    """One answer per document. `refused` gives the component's own reasons against valid ones, by document name.

    `pending` says what the component waits for before it follows a document.
    """
    reasons, waits = dict(refused or {}), dict(pending or {})
    documents: dict[str, Loaded[SiteDocument] | Loaded[CameraDocument]] = {SITE: snapshot.site}
    documents.update({camera_shadow(camera): loaded for camera, loaded in snapshot.cameras.items()})
    found = []
    for name in sorted(documents.keys() | snapshot.faults.keys()):
        loaded = documents.get(name)
        refusal = snapshot.faults.get(name) or reasons.get(name)
        reason = refusal or waits.get(name)
        found.append(
            ConfigApplied(
                component=component,
                document=name,
                version=loaded.version if loaded else 0,
                sha256=loaded.sha256 if loaded else "",
                state="in_force" if reason is None else "refused" if refusal else "pending",
                error=None if reason is None else redact_url(reason)[:ERROR_TEXT_CHARS_MAX],
            )
        )
    return tuple(found)


def report_applied(bus: Bus, component: str, snapshot: Snapshot, refused: Mapping[str, str] | None = None) -> None:
    """Say the answers to all documents now; Transient when the core does not take them."""
    for answer in answers(component, snapshot, refused):
        bus.publish(answer)


class AppliedReporter:
    """Says the answers at every change and again every minute. Call `report` in every round of a task."""

    def __init__(self, bus: Bus, component: str, clock: Clock) -> None:
        self._bus = bus
        self._component = component
        self._clock = clock
        self._said: dict[str, ConfigApplied] = {}
        self._all_said_ns: MonotonicNs | None = None

    def report(
        self,
        snapshot: Snapshot,
        refused: Mapping[str, str] | None = None,
        pending: Mapping[str, str] | None = None,
    ) -> None:
        """Say what is due. What the core does not take is due again at the next call; nothing is raised for it."""
        now_ns = self._clock.monotonic_ns()
        due = answers(self._component, snapshot, refused, pending)
        repeat = self._all_said_ns is None or now_ns - self._all_said_ns >= REPEAT_NS
        if repeat:
            self._said.clear()
            self._all_said_ns = now_ns
        try:
            for answer in due:
                if self._said.get(answer.document) != answer:
                    self._bus.publish(answer)
                    self._said[answer.document] = answer
        except Transient:
            return  # the bus has told that it is not connected; the next round says the rest
