"""Keeps the last picture of each camera, now and then a new one, from the smallest of its streams.

The recorder remembers the newest keyframe anyway; a thread of its own makes a JPEG of it when the time has come, at the
lowest priority that the system lets it have. A camera that is lost gets one last picture, of the last keyframe that it
sent; then that one stays. A picture that does not decode replaces nothing; one with doubtful parts is kept only from a
camera that has sent no other, such as one that refreshes its picture in stripes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.capture.live_stream import LiveStream, Picture
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.last_picture import LastPicture, write_last_picture
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S, WallNs

LOOK_NS = NS_PER_S
"""How soon a picture is made that is due; they are due every half minute."""

NICENESS = 19
"""Everything else on the box goes first."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A picture as a file's bytes, and its size; a doubtful one has parts that could not be decoded."""

    data: bytes
    width: int
    height: int
    is_doubtful: bool = False


ToJpeg = Callable[[Picture], Jpeg | None]


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """How often a camera's picture is kept, and the streams to make it from, the preferred one first."""

    period_ns: int
    streams: tuple[LiveStream, ...]


@dataclass(slots=True)
class _Kept:
    due_ns: int
    tried: dict[str, WallNs]
    has_clean: bool = False
    is_failing: bool = False


class Snapshots:
    """Plans are set by any thread; `run` makes the pictures."""

    def __init__(self, data: Path, to_jpeg: ToJpeg, clock: Clock, log: Log) -> None:
        self._data = data
        self._to_jpeg = to_jpeg
        self._clock = clock
        self._log = log
        self._plans: dict[str, SnapshotPlan] = {}
        self._kept: dict[str, _Kept] = {}
        self._lost: set[str] = set()

    def set_plan(self, camera: str, plan: SnapshotPlan) -> None:
        """Keep this camera's picture so often; the first one as soon as there is one."""
        self._plans[camera] = plan

    def drop_plan(self, camera: str, stream: LiveStream) -> None:
        """Keep no more pictures of the camera's stream, if it is the one they are kept of; the last one stays."""
        plan = self._plans.get(camera)
        if plan is not None and stream in plan.streams:
            self._plans.pop(camera, None)

    def lost(self, camera: str) -> None:
        """A stream of the camera broke off: what it showed last is kept now."""
        self._lost.add(camera)

    def run(self, stop: threading.Event) -> None:
        """Make the pictures that are due, until `stop` is set."""
        _give_way()
        while not self._clock.wait(stop, LOOK_NS):
            self.look(stop)

    def look(self, stop: threading.Event) -> None:
        """Make the pictures that are due now."""
        for camera, plan in list(self._plans.items()):
            kept = self._kept.setdefault(camera, _Kept(self._clock.monotonic_ns(), {}))
            is_due = camera in self._lost or self._clock.monotonic_ns() >= kept.due_ns
            if stop.is_set() or not is_due:
                continue
            self._lost.discard(camera)
            if self._keep(camera, plan, kept):
                kept.due_ns = self._clock.monotonic_ns() + plan.period_ns
        for camera in self._kept.keys() - self._plans.keys():
            del self._kept[camera]

    def _keep(self, camera: str, plan: SnapshotPlan, kept: _Kept) -> bool:
        """Keep the newest picture; whether there was one that was not kept yet."""
        for stream in plan.streams:
            picture = stream.picture()
            if picture is None or kept.tried.get(stream.stream) == picture.wall_ns:
                continue
            kept.tried[stream.stream] = picture.wall_ns
            jpeg = self._to_jpeg(picture)
            if jpeg is None or (jpeg.is_doubtful and kept.has_clean):
                self._log.debug("snapshot_not_decoded", camera=camera, stream=stream.stream)
                continue
            kept.has_clean = not jpeg.is_doubtful
            size = (jpeg.width, jpeg.height, len(jpeg.data))
            self._write(LastPicture(camera, stream.stream, picture.wall_ns, *size), jpeg, kept)
            return True
        return False

    def _write(self, picture: LastPicture, jpeg: Jpeg, kept: _Kept) -> None:
        try:
            write_last_picture(self._data, picture, jpeg.data)
        except Transient as error:
            if not kept.is_failing:  # a full disk says so elsewhere, and lasts
                self._log.warning("snapshot_not_kept", camera=picture.camera, error=error)
            kept.is_failing = True
        else:
            kept.is_failing = False


def _give_way() -> None:
    """Let everything else on the box go first; the priority is the thread's own."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError:  # a sandbox may forbid even this; the pictures are as good without
        return
