"""Reads what tells whether cameras that record do so to any purpose: picture faults and clock offsets.

A catalogue that is not there yet is unknown, not wrong. It is opened anew each time, as `gathering` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from components.health_monitor.core.camera_faults import CameraClock, ClockFaults
from components.health_monitor.core.picture import CameraFault, Stream
from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.clock_sync import read_synchronised


class CameraHealth:
    """Asked in every look; remembers which clocks were wrong in the one before."""

    def __init__(
        self, data: Path, clock: Clock, is_synchronised: Callable[[], bool | None] = read_synchronised
    ) -> None:
        self._data = data
        self._clock = clock
        self._is_synchronised = is_synchronised
        self._clocks = ClockFaults()

    def read(self, streams: Sequence[Stream] | None) -> tuple[CameraFault, ...]:
        """What is wrong with cameras now, in a fixed order."""
        return tuple(sorted([*self._pictures(), *self._clock_faults(streams or ())]))

    def _pictures(self) -> list[CameraFault]:
        try:
            with closing(AnalysisReader.open(self._data)) as reader:
                rows = reader.picture_faults()
        except Transient:
            return []
        return [CameraFault(row.kind, row.camera, row.reason) for row in rows]

    def _clock_faults(self, streams: Sequence[Stream]) -> list[CameraFault]:
        clocks: dict[str, CameraClock] = {}
        try:
            with closing(CaptureReader.open(self._data)) as reader:
                for run in reader.unended_runs():  # by start: of two of a camera the newer one counts
                    if run.stream == "main" and run.clock_offset_ns is not None:
                        wall_ns = self._clock.wall_ns() + run.clock_offset_ns
                        clocks[run.camera] = CameraClock(run.camera, run.clock_offset_ns, wall_ns)
        except Transient:
            return []
        # A run that a crash cut off stays unended until start-up: only what records now has a clock.
        recording = {stream.camera for stream in streams if stream.stream == "main" and stream.state == "recording"}
        telling = [clock for clock in clocks.values() if clock.camera in recording]
        return self._clocks.judge(telling, self._is_synchronised())
