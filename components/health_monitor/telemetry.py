"""Sends telemetry at its pace. One sample that is lost is followed by the next: it needs no outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.health_monitor.core.measures import Sample
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.telemetry import (
    CAMERA_COLUMNS,
    States,
    camera_rows,
    cameras_due,
    site_telemetry,
    states_of,
)
from components.shared.errors import Transient
from components.shared.runtime.log import Log
from components.shared.wire.telemetry import encode_cameras, encode_site
from components.shared.wire.topics import camera_telemetry_topic, telemetry_topic
from components.shared.wire.units import NS_PER_S, MonotonicNs


class Upward(Protocol):
    """The way to the cloud."""

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Hand it to the core for the cloud. Transient when offline."""


class TelemetrySender:
    """Knows what was sent when; counts what was taken and what was not."""

    def __init__(self, bus: Upward, log: Log) -> None:
        self._bus = bus
        self._log = log
        self._site_due_ns: MonotonicNs | None = None
        self._cameras_ns: MonotonicNs | None = None
        self._states: States = ()
        self._is_offline_told = False
        self.sent = 0
        self.failed = 0

    def send_due(self, thing: str, telemetry_s: int, picture: Picture, samples: Sequence[Sample]) -> None:
        """Send what is due at the moment of the picture."""
        now_ns = picture.monotonic_ns
        if self._site_due_ns is None or now_ns >= self._site_due_ns:
            self._site_due_ns = MonotonicNs(now_ns + telemetry_s * NS_PER_S)
            told = site_telemetry(picture, samples).model_copy(update={"telemetry_s": telemetry_s})
            self._send(telemetry_topic(thing), encode_site(told))
        states = states_of(picture)
        if cameras_due(now_ns, self._cameras_ns, states, self._states):
            self._cameras_ns, self._states = now_ns, states
            for payload in encode_cameras(picture.wall_ns, CAMERA_COLUMNS, camera_rows(picture, samples)):
                self._send(camera_telemetry_topic(thing), payload)

    def _send(self, topic: str, payload: bytes) -> None:
        try:
            self._bus.publish_cloud(topic, payload)
        except Transient as error:
            self.failed += 1
            if not self._is_offline_told:
                self._log.info("telemetry_not_sent", reason=error)
            self._is_offline_told = True
        else:
            self.sent += 1
            self._is_offline_told = False
