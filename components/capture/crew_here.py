"""A crew without a process of its own: for tests with sources of their own, and for shows that look at one process."""

from __future__ import annotations

from components.capture.app import Hiring, Supplies
from components.capture.camera_threads import CameraThreads, workers_of
from components.capture.packet_source import OpenSource
from components.capture.picture_check import is_whole
from components.capture.pump import Pump
from components.capture.scribe import Scribe
from components.capture.workshop import RecorderLimits, Workshop
from components.shared.catalogue.imports import Imports


def hire_here(supplies: Supplies, open_source: OpenSource, limits: RecorderLimits) -> Hiring:
    """Crews that are threads of this process, and use what the keeper has without asking for it."""
    context = supplies.context
    imports = Imports(supplies.catalogue)

    def hire(name: str) -> CameraThreads:
        scribe = Scribe(context.clock)
        pump = Pump(context.clock, scribe.wake)
        workshop = Workshop(
            *(context.data, open_source, is_whole, supplies.disk, context.status, supplies.watch, pump, scribe),
            limits=limits,
        )
        make_worker = workers_of(workshop, supplies.catalogue, imports, supplies.volume, supplies.hints, context.log)
        return CameraThreads(name, make_worker, workshop, context.log)

    return Hiring(hire, lambda: None)
