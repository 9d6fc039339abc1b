"""Wires VideoProcessor: sweeps the closed segments, looks at each once, says what it found; watches live pictures.

The cursor is the sequence of closed segments up to which everything has been looked at. A message about a closed
segment only makes the next sweep come sooner.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from components.shared.catalogue.analysis import AnalysisWriter
from components.shared.catalogue.capture import CaptureReader, SegmentRow
from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.component import AppliedReporter, Context, Task
from components.shared.runtime.config import Snapshot
from components.shared.wire import topics
from components.shared.wire.messages import Body, EventBegun, EventEnded, SegmentAnalysed
from components.shared.wire.site_config import CameraMotionSection, MotionSection
from components.shared.wire.units import NS_PER_S, WallNs
from components.video_processor.analysis import Analysis, Wanted
from components.video_processor.pictures import Pictures, watch_pictures

SWEEP_NS = 5 * NS_PER_S
"""How long a closed segment waits at most when the message about it was lost."""

BATCH_SEGMENTS = 20
"""So many rows are read at once: short reads, and a stop is noticed between segments."""

HINTS_MAX = 100

PICTURES_END_NS = NS_PER_S
"""How long the catalogue stays open for whoever watches the pictures, of the time that the component has for
stopping."""

STALE_NS = 660 * NS_PER_S
"""An open event of a camera without new footage is ended after the longest segment and its way here."""


class Sweep:
    """Looks at whatever was closed since the cursor."""

    def __init__(self, context: Context, catalogue: AnalysisWriter, capture: CaptureReader) -> None:
        self._context = context
        self._catalogue = catalogue
        self._capture = capture
        self._analysis = Analysis(catalogue)

    def run(self, snapshot: Snapshot | None) -> None:
        """One sweep; ends early when told to stop."""
        if snapshot is not None:
            self._analysis.forget_all_but(set(snapshot.cameras))
        while not self._context.stop.is_set():
            cursor = self._catalogue.last_capture_sequence()
            rows = self._capture.closed_after(cursor, BATCH_SEGMENTS)
            self._context.status.backlog(max(0, self._capture.last_sequence() - cursor))
            for row in rows:
                if self._context.stop.is_set():
                    return
                self._look_at(row, snapshot)
                self._catalogue.advance(row.sequence or 0)
                self._context.status.progressed()  # also past one that cannot be looked at: the next one comes
            if len(rows) < BATCH_SEGMENTS:
                break
        self._context.status.backlog(0)
        self._end_stale(snapshot)

    def _look_at(self, row: SegmentRow, snapshot: Snapshot | None) -> None:
        if row.stream != "main" or self._catalogue.analysis(row.segment) is not None:
            return
        try:
            changes = self._analysis.look_at(row, self._capture.file_path(row), wanted(row.camera, snapshot))
        except Rejected as error:
            self._context.log.error("segment_not_analysed", camera=row.camera, segment=row.segment, error=error)
            self._context.status.failed(str(error))
            return
        self._context.log.info("segment_analysed", camera=row.camera, segment=row.segment, ended=len(changes.ended))
        self._say(SegmentAnalysed(camera=row.camera, segment=row.segment, thumbnail=True))
        for event in changes.begun:
            self._say(EventBegun(camera=event.camera, event=event.event, start_ns=event.start_ns))
        for event in changes.ended:
            end_ns = event.end_ns or event.start_ns
            self._say(EventEnded(camera=event.camera, event=event.event, start_ns=event.start_ns, end_ns=end_ns))

    def _end_stale(self, snapshot: Snapshot | None) -> None:
        until_ns = WallNs(self._context.clock.wall_ns() - STALE_NS)
        for camera in {stream.camera for stream in self._capture.streams()}:
            ended = self._analysis.end_stale(camera, until_ns, wanted(camera, snapshot).habits)
            if ended is not None and ended.end_ns is not None:
                self._say(EventEnded(camera=camera, event=ended.event, start_ns=ended.start_ns, end_ns=ended.end_ns))

    def _say(self, body: Body) -> None:
        try:
            self._context.bus.publish(body)
        except Transient:
            # A hint: whoever needs it sweeps. That the bus is away is told by the bus itself, once.
            return


def wanted(camera: str, snapshot: Snapshot | None) -> Wanted:
    """What the configuration asks for on a camera; defaults for one that is no longer in it."""
    loaded = snapshot.cameras.get(camera) if snapshot else None
    return Wanted(
        snapshot.site.document.motion if snapshot else MotionSection(),
        loaded.document.motion if loaded else CameraMotionSection(),
    )


def build(context: Context) -> Sequence[Task]:
    """The tasks of VideoProcessor. Transient until Capture has made its catalogue."""
    capture = CaptureReader.open(context.data)
    catalogue = AnalysisWriter.open(context.data)
    hints = Inbox(HINTS_MAX)
    for topic in (topics.SEGMENT_CLOSED, topics.CONFIG_CHANGED):
        context.bus.subscribe(topic, hints)
    sweep = Sweep(context, catalogue, capture)
    applied = AppliedReporter(context.bus, context.name, context.clock)
    pictures = Pictures(context.data, catalogue, context.clock, context.log)
    pictures_ended = threading.Event()
    snapshot: Snapshot | None = None

    def look_at_pictures() -> None:
        watch_pictures(pictures, lambda: snapshot, context.clock, context.log, context.stop)
        pictures_ended.set()

    def look() -> None:
        nonlocal snapshot
        while not context.stop.is_set():
            snapshot = context.config.poll() or snapshot
            if snapshot is not None:
                applied.report(snapshot)
            try:
                sweep.run(snapshot)
            except Transient as error:
                context.log.warning("sweep_failed", error=error)
                context.status.failed(str(error))
            hints.drain()
            hints.take(context.clock, context.stop, SWEEP_NS)
        context.clock.wait(pictures_ended, PICTURES_END_NS)
        catalogue.close()
        capture.close()

    return [Task("look", look), Task("pictures", look_at_pictures)]
