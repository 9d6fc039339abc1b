"""A crew without a process of its own: for tests with sources of their own, and for shows that look at one process."""

from __future__ import annotations

from components.capture.app import Hiring, Supplies
from components.capture.camera_threads import CameraThreads, workers_of
from components.capture.jpeg import to_jpeg
from components.capture.live_server import LiveServer
from components.capture.packet_source import OpenSource
from components.capture.picture_check import is_whole
from components.capture.pump import Pump
from components.capture.scribe import Scribe
from components.capture.snapshots import Snapshots
from components.capture.source_trial import TrialThread, TrialTools
from components.capture.workshop import RecorderLimits, Workshop
from components.shared.catalogue.imports import Imports


def hire_here(supplies: Supplies, open_source: OpenSource, limits: RecorderLimits) -> Hiring:
    """Crews that are threads of this process, and use what the keeper has without asking for it."""
    context = supplies.context
    imports = Imports(supplies.catalogue)

    def hire(name: str) -> CameraThreads:
        live = LiveServer(context.data, context.clock, context.log)
        scribe = Scribe(context.clock, live.is_watched)
        pump = Pump(context.clock, scribe.wake, live.is_watched)
        workshop = Workshop(
            *(context.data, open_source, is_whole, supplies.disk, context.status, supplies.watch, pump, scribe),
            *(live, Snapshots(context.data, to_jpeg, context.clock, context.log)),
            limits=limits,
        )
        make_worker = workers_of(workshop, supplies.catalogue, imports, supplies.volume, supplies.hints, context.log)
        return CameraThreads(name, make_worker, workshop, context.log)

    tools = TrialTools(context.data, open_source, is_whole, context.clock)
    return Hiring(hire, lambda stem, source: TrialThread(stem, source, tools), lambda: None)
