"""Reads the last hour's trouble from Capture's catalogue, now and then: it changes slowly."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from components.health_monitor.core.picture import Picture
from components.health_monitor.core.troubles import Recent, subject_of
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.recent_trouble import broken_runs, lost_segments
from components.shared.errors import Transient
from components.shared.wire.units import NS_PER_S, MonotonicNs

HOUR_NS = 3_600 * NS_PER_S

READ_NS = 15 * NS_PER_S
"""What is told late by this much has been going on for an hour."""

UNKNOWN = Recent()


class RecentTrouble:
    """Remembers what it read last; one thread calls `read`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._recent = UNKNOWN
        self._due_ns: MonotonicNs | None = None

    def read(self, picture: Picture) -> Recent:
        """The trouble of the hour before the picture, up to READ_NS old."""
        if self._due_ns is None or picture.monotonic_ns >= self._due_ns:
            self._due_ns = MonotonicNs(picture.monotonic_ns + READ_NS)
            self._recent = self._read(picture)
        return self._recent

    def _read(self, picture: Picture) -> Recent:
        since_ns = picture.wall_ns - HOUR_NS
        try:
            with closing(CaptureReader.open(self._data)) as reader:
                broken = {
                    subject_of(stream.camera, stream.stream): broken_runs(
                        reader, stream.camera, stream.stream, since_ns
                    )
                    for stream in picture.streams or ()
                }
                return Recent(broken, lost_segments(reader, since_ns))
        except Transient:
            return UNKNOWN
