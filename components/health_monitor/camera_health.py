"""Reads what tells whether cameras that record do so to any purpose: picture faults, clock offsets, files on the disk.

A catalogue that is not there yet is unknown, not wrong. It is opened anew each time, as `gathering` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from components.health_monitor.core.camera_faults import CameraClock, ClockFaults, GrowthFaults
from components.health_monitor.core.picture import CameraFault, Stream
from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.clock_sync import read_synchronised


class CameraHealth:
    """Asked in every look; remembers what the look before has seen."""

    def __init__(
        self, data: Path, clock: Clock, is_synchronised: Callable[[], bool | None] = read_synchronised
    ) -> None:
        self._data = data
        self._clock = clock
        self._is_synchronised = is_synchronised
        self._clocks = ClockFaults()
        self._growth = GrowthFaults()

    def read(self, streams: Sequence[Stream] | None) -> tuple[CameraFault, ...]:
        """What is wrong with cameras now, in a fixed order."""
        return tuple(sorted([*self._pictures(), *self._records(streams or ())]))

    def _pictures(self) -> list[CameraFault]:
        try:
            with closing(AnalysisReader.open(self._data)) as reader:
                rows = reader.picture_faults()
        except Transient:
            return []
        return [CameraFault(row.kind, row.camera, row.reason) for row in rows]

    def _records(self, streams: Sequence[Stream]) -> list[CameraFault]:
        clocks: dict[str, CameraClock] = {}
        files: dict[str, tuple[str, int]] = {}
        try:
            with closing(CaptureReader.open(self._data)) as reader:
                for run in reader.unended_runs():  # by start: of two of a camera the newer one counts
                    if run.stream == "main" and run.clock_offset_ns is not None:
                        wall_ns = self._clock.wall_ns() + run.clock_offset_ns
                        clocks[run.camera] = CameraClock(run.camera, run.clock_offset_ns, wall_ns)
                for row in reader.open_segments():
                    path = reader.file_path(row)
                    subject = row.camera if row.stream == "main" else f"{row.camera}~{row.stream}"
                    files[subject] = (str(path), path.stat().st_size if path.exists() else 0)
        except (Transient, OSError):
            return []
        # A run that a crash cut off stays unended until start-up: only what records now has a clock.
        recording = {stream.camera for stream in streams if stream.stream == "main" and stream.state == "recording"}
        telling = [clock for clock in clocks.values() if clock.camera in recording]
        return [
            *self._clocks.judge(telling, self._is_synchronised()),
            *self._growth.judge(streams, files, self._clock.monotonic_ns()),
        ]
