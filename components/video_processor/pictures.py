"""Watches whether cameras still see what they should: takes each camera's newest keyframe every few seconds, has it
judged and keeps what is wrong in analysis.db.

A keyframe is fetched by a short visit to the stream's live socket, which begins with the newest one, from memory. A
reader that stayed would be sent every picture, and Capture would look at its cameras more often than recording needs.
The smaller stream is watched where a camera has one. What is learnt of usual pictures is kept now and then, so that a
restart forgets minutes of it.

What it costs is bounded: when a round took more than its share of one core, the next one comes later.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.analysis import AnalysisWriter
from components.shared.catalogue.analysis_pictures import PictureFaultRow
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import Snapshot
from components.shared.runtime.live_client import LiveClient
from components.shared.runtime.log import Log
from components.shared.wire.live import AccessUnit, Hello
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, WallNs
from components.video_processor.core.picture_health import KINDS
from components.video_processor.core.picture_measures import Look
from components.video_processor.core.picture_reference import Mode, Reference, from_bytes, to_bytes
from components.video_processor.core.picture_watch import Fault, PictureWatch
from components.video_processor.frame_source import small_picture

ROUND_NS = 3 * NS_PER_S
"""How often each camera is looked at: a failure that lasts ten seconds is told before half a minute is over."""

CPU_SHARE_MAX = 0.25
"""Of one core, for all cameras together: 32 keyframes of 1080p H.264 every 4 s."""

VISIT_NS = 500 * NS_PER_MS
"""How long the live socket may take: it answers from memory."""

FRAMES_MAX = 4
"""Of a visit: a hello and a keyframe."""

LOST_NS = 60 * NS_PER_S
"""Without a new picture for so long nothing can be said of it any more; that the camera is away is told by Capture."""

UNREADABLE_NS = 10 * NS_PER_S
"""Keyframes that cannot be decoded for so long, at least three of them, are a fault."""

UNREADABLE_MIN = 3
UNREADABLE = "picture_unreadable"

KEEP_NS = 600 * NS_PER_S
"""How often what was learnt is written, 47 kB per camera; of a new camera at once when it is learnt."""

NICENESS = 19
"""Everything else on the box goes first."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """The newest keyframe of a stream, and how to decode it."""

    hello: Hello
    unit: AccessUnit


def newest_keyframe(data: Path, camera: str, stream: StreamName) -> Keyframe | None:
    """The newest keyframe of a stream, by a visit to its live socket; None while there is none."""
    try:
        with LiveClient(data, camera, stream) as client:
            hello: Hello | None = None
            for _ in range(FRAMES_MAX):
                frame = client.receive(VISIT_NS)
                if isinstance(frame, Hello):
                    hello = frame
                elif frame is not None and hello is not None and frame.kind == "video" and frame.is_keyframe:
                    return Keyframe(hello, frame)
                elif frame is None:
                    return None
    except (Transient, Rejected):  # nobody serves it, or it speaks another version: the camera is not looked at
        return None
    return None


Fetch = Callable[[Path, str, StreamName], Keyframe | None]


@dataclass(slots=True)
class _Watched:
    """One camera. `place` names stream and format: what was learnt of another says nothing."""

    place: str
    watch: PictureWatch
    turns: bool
    seen_wall_ns: WallNs
    seen_ns: MonotonicNs
    is_kept: bool = False
    unreadable: int = 0
    unreadable_since: tuple[MonotonicNs, WallNs] = (MonotonicNs(0), WallNs(0))


class Pictures:
    """One round after another; one thread calls `round`."""

    def __init__(
        self, data: Path, catalogue: AnalysisWriter, clock: Clock, log: Log, fetch: Fetch = newest_keyframe
    ) -> None:
        self._data = data
        self._catalogue = catalogue
        self._clock = clock
        self._log = log
        self._fetch = fetch
        self._watched: dict[str, _Watched] = {}
        self._told = {(row.camera, row.kind): row for row in catalogue.picture_faults()}
        self._keep_due_ns = MonotonicNs(clock.monotonic_ns() + KEEP_NS)
        self._known: frozenset[str] | None = None

    def round(self, snapshot: Snapshot, stop: threading.Event) -> None:
        """Look at every camera once. Transient when the catalogue cannot be written."""
        wanted = {
            camera: loaded.document for camera, loaded in snapshot.cameras.items() if loaded.document.picture.watch
        }
        self._forget(frozenset(wanted))
        for camera, document in wanted.items():
            if stop.is_set():
                return
            self._visit(camera, "main" if document.sub is None else "sub", document.picture.turns)
        if self._clock.monotonic_ns() >= self._keep_due_ns or any(
            _learnt(watched) and not watched.is_kept for watched in self._watched.values()
        ):
            self.keep()

    def keep(self) -> None:
        """Write what was learnt. Transient."""
        self._keep_due_ns = MonotonicNs(self._clock.monotonic_ns() + KEEP_NS)
        learnt = {
            camera: {f"{watched.place}-{mode}": to_bytes(found) for mode, found in _learnt(watched).items()}
            for camera, watched in self._watched.items()
            if _learnt(watched)
        }
        if not learnt:
            return
        self._catalogue.keep_picture_references(learnt)
        for camera in learnt:
            self._watched[camera].is_kept = True

    def _forget(self, cameras: frozenset[str]) -> None:
        if cameras == self._known:
            return
        self._catalogue.forget_pictures_but(cameras)
        self._known = cameras
        self._watched = {camera: watched for camera, watched in self._watched.items() if camera in cameras}
        self._told = {key: row for key, row in self._told.items() if key[0] in cameras}

    def _visit(self, camera: str, stream: StreamName, turns: bool) -> None:
        keyframe = self._fetch(self._data, camera, stream)
        now_ns = self._clock.monotonic_ns()
        watched = self._watched.get(camera)
        if keyframe is None or (watched is not None and keyframe.unit.wall_ns == watched.seen_wall_ns):
            if watched is None or now_ns - watched.seen_ns >= LOST_NS:
                self._watched.pop(camera, None)
                self._tell(camera, [])
            return
        video = keyframe.hello.video
        place = f"{stream}-{video.codec}-{video.width}x{video.height}"
        if watched is None or watched.place != place or watched.turns != turns:
            watch = PictureWatch(turns, self._kept(camera, place), self._fault(camera))
            watched = self._watched[camera] = _Watched(place, watch, turns, keyframe.unit.wall_ns, now_ns)
        watched.seen_wall_ns, watched.seen_ns = keyframe.unit.wall_ns, now_ns
        self._judge(camera, watched, keyframe, now_ns)

    def _judge(self, camera: str, watched: _Watched, keyframe: Keyframe, now_ns: MonotonicNs) -> None:
        try:
            small = small_picture(keyframe.hello.video, keyframe.unit.payload)
        except Rejected as error:
            self._unreadable(camera, watched, now_ns, str(error))
            return
        watched.unreadable = 0
        watched.watch.look(Look(now_ns, keyframe.unit.wall_ns, small.grey, small.points, small.saturation))
        fault = watched.watch.fault
        self._tell(camera, [] if fault is None else [_row(camera, fault)])

    def _unreadable(self, camera: str, watched: _Watched, now_ns: MonotonicNs, reason: str) -> None:
        if not watched.unreadable:
            watched.unreadable_since = (now_ns, watched.seen_wall_ns)
        watched.unreadable += 1
        since_ns, since_wall_ns = watched.unreadable_since
        if watched.unreadable >= UNREADABLE_MIN and now_ns - since_ns >= UNREADABLE_NS:
            self._tell(camera, [PictureFaultRow(camera, UNREADABLE, since_wall_ns, watched.unreadable, reason)])

    def _kept(self, camera: str, place: str) -> dict[Mode, Reference]:
        kept = self._catalogue.picture_references(camera)
        modes: tuple[Mode, ...] = ("colour", "grey")
        found = {mode: from_bytes(kept[f"{place}-{mode}"]) for mode in modes if f"{place}-{mode}" in kept}
        return {mode: reference for mode, reference in found.items() if reference is not None}

    def _fault(self, camera: str) -> Fault | None:
        """What was wrong with the camera before it was watched: it is over when its pictures say so."""
        for kind in KINDS:
            row = self._told.get((camera, kind))
            if row is not None:
                return Fault(kind, row.since_ns, row.value, row.reason)
        return None

    def _tell(self, camera: str, faults: list[PictureFaultRow]) -> None:
        """Keep exactly these faults of the camera; figures of one that goes on are not written again."""
        before = {kind for name, kind in self._told if name == camera}
        if before == {row.kind for row in faults}:
            return
        self._catalogue.set_picture_faults(camera, faults)
        for kind in before:
            del self._told[camera, kind]
            if kind not in {row.kind for row in faults}:
                self._log.info("picture_fault_over", camera=camera, kind=kind)
        for row in faults:
            self._told[camera, row.kind] = row
            self._log.warning("picture_fault", camera=camera, kind=row.kind, reason=row.reason)


def _learnt(watched: _Watched) -> dict[Mode, Reference]:
    return {mode: found for mode, found in watched.watch.references.items() if found.is_learnt}


def _row(camera: str, fault: Fault) -> PictureFaultRow:
    return PictureFaultRow(camera, fault.kind, fault.since_ns, fault.value, fault.reason)


def pause_ns(took_ns: int, cpu_ns: int) -> int:
    """How long to wait after a round that took so long and cost so much, until the next one begins."""
    return max(ROUND_NS, int(cpu_ns / CPU_SHARE_MAX)) - took_ns


def give_way() -> None:
    """Let everything else on the box go first; the priority is the thread's own."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError:  # a sandbox may forbid even this
        return


def watch_pictures(
    pictures: Pictures, snapshot: Callable[[], Snapshot | None], clock: Clock, log: Log, stop: threading.Event
) -> None:
    """Rounds until `stop` is set; a catalogue that cannot be written is tried again in the next."""
    give_way()
    is_failing = False
    while not stop.is_set():
        begun_ns, cpu_ns = clock.monotonic_ns(), time.thread_time_ns()
        now = snapshot()
        try:
            if now is not None:
                pictures.round(now, stop)
            is_failing = False
        except Transient as error:
            if not is_failing:
                log.warning("pictures_not_watched", error=error)
            is_failing = True
        pause = pause_ns(clock.monotonic_ns() - begun_ns, time.thread_time_ns() - cpu_ns)
        clock.wait(stop, pause)
