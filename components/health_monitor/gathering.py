"""Gathers one picture of the site: statuses from the bus, streams and uploads from the catalogues, the box.

A catalogue that is not there yet is unknown, not wrong. It is opened anew each time, since its owner may be restored
or replaced at any time, and a picture is taken only every few seconds.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Protocol

from components.health_monitor.camera_health import CameraHealth
from components.health_monitor.core.picture import Box, Heard, Picture, Stream, Uploads
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.sync import SyncReader
from components.shared.errors import Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.clock import Clock
from components.shared.wire.messages import StatusReported


class Probe(Protocol):
    """Where the readings of the box come from."""

    def read(self) -> Box:
        """The box now."""


class Gathering:
    """Takes pictures; remembers the newest status of each component."""

    def __init__(self, data: Path, statuses: Inbox, probe: Probe, clock: Clock) -> None:
        self._data = data
        self._statuses = statuses
        self._probe = probe
        self._clock = clock
        self._watching_since_ns = clock.monotonic_ns()
        self._heard: dict[str, Heard] = {}
        self._cameras = CameraHealth(data, clock)

    def take(self) -> Picture:
        """A picture of this moment."""
        self._hear()
        streams = self._streams()
        return Picture(
            wall_ns=self._clock.wall_ns(),
            monotonic_ns=self._clock.monotonic_ns(),
            watching_since_ns=self._watching_since_ns,
            heard=dict(self._heard),
            streams=streams,
            uploads=self._uploads(),
            box=self._probe.read(),
            camera_faults=self._cameras.read(streams),
        )

    def _hear(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for message in self._statuses.drain():
            # Other topics share the inbox as wake-ups: what they are about is read from the catalogues.
            if isinstance(message.body, StatusReported):
                status = message.body
                self._heard[status.component] = Heard(
                    received_ns=now_ns,
                    version=status.version,
                    started_wall_ns=status.started_wall_ns,
                    last_progress_wall_ns=status.last_progress_wall_ns,
                    backlog=status.backlog,
                    last_error=status.last_error,
                    last_error_wall_ns=status.last_error_wall_ns,
                )

    def _streams(self) -> tuple[Stream, ...] | None:
        try:
            with closing(CaptureReader.open(self._data)) as reader:
                rows = reader.streams()
        except Transient:
            return None
        return tuple(Stream(row.camera, row.stream, row.state, row.cause, row.since_ns, row.failures) for row in rows)

    def _uploads(self) -> Uploads | None:
        try:
            with closing(SyncReader.open(self._data)) as reader:
                waiting, waiting_bytes = reader.backlog()
                refused = reader.counts().get("refused", 0)
        except Transient:
            return None
        return Uploads(waiting, waiting_bytes, refused)
