"""All crews of the keeper: which camera is recorded by which, and what happens when one of them ends by itself.

A crew that crashes or hangs costs its cameras a second and the others nothing. When it is certain that nothing of it
runs any more, what it left is settled, camera by camera, the gap is begun with its cause, and another crew records the
camera: at once, or after a pause when it crashes again and again. Crews that have no camera left are stopped.

It decides nothing about what is to be recorded; that comes from `Cameras`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from components.capture.camera_plan import CameraPlan, Wanted, WorkerStart
from components.capture.core.placing import CAMERAS_PER_CREW, choose_crew
from components.capture.core.suspicion import Standing, Suspicion
from components.capture.crew import CameraReport, Crew, CrewEnd, HireCrew
from components.capture.workshop import Board
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_MS, NS_PER_S

RETRY_NS = NS_PER_S
"""Between two attempts to settle what a crew left, or to hire another: a full disk or memory may have room by then."""

END_LOOK_NS = 10 * NS_PER_MS
"""How often it is looked whether all crews have ended: a stop should take as long as it needs and no longer."""


@dataclass(frozen=True, slots=True)
class Left:
    """A camera whose crew ended by itself: what is to be settled before it is recorded again.

    `crashes` are those of the last ten minutes, this one included.
    """

    camera: str
    plan: CameraPlan
    start: WorkerStart | None
    why: str
    crashes: int


Settle = Callable[[Left], None]
"""Settles what a crew left of a camera and begins the gap. Transient when disk or catalogue do not take it."""


@dataclass(slots=True)
class _Held:
    """A camera: with a crew, waiting for one, or waiting to be settled. `start` until a crew has begun it."""

    plan: CameraPlan
    start: WorkerStart | None
    crew: Crew | None = None
    is_ending: bool = False
    left: Left | None = None
    settle_due_ns: int = 0
    due_ns: int = 0


class Crews:
    """See the module; used by one thread."""

    def __init__(
        self,
        hire: HireCrew,
        settle: Settle,
        board: Board,
        clock: Clock,
        log: Log,
        size_max: int = CAMERAS_PER_CREW,
    ) -> None:
        self._hire = hire
        self._settle = settle
        self._board = board
        self._clock = clock
        self._log = log
        self._size_max = size_max
        self._suspicion = Suspicion()
        self._crews: dict[str, Crew] = {}
        self._dismissed: set[str] = set()
        self._held: dict[str, _Held] = {}
        self._hired = 0
        self._hire_due_ns = 0
        self._tuned: tuple[int, bool] | None = None

    @property
    def reports(self) -> Mapping[str, CameraReport]:
        """What is known of the cameras that a crew records."""
        return {camera: report for crew in self._crews.values() for camera, report in crew.cameras.items()}

    @property
    def sizes(self) -> Mapping[str, frozenset[str]]:
        """The cameras of each crew."""
        return {name: frozenset(crew.cameras) for name, crew in self._crews.items()}

    def holds(self, camera: str) -> bool:
        """Whether it is recorded, is about to be, or has not ended yet."""
        return camera in self._held

    def begin(self, camera: str, plan: CameraPlan, start: WorkerStart | None) -> None:
        """Record this camera from now on; it must not be held."""
        self._held[camera] = _Held(plan, start)

    def want(self, camera: str, wanted: Wanted) -> None:
        """This is wanted of a camera that is held, from now on, whoever records it."""
        held = self._held[camera]
        held.plan = replace(held.plan, wanted=wanted)
        if held.crew is not None and not held.is_ending:
            held.crew.want(camera, wanted)

    def end(self, camera: str) -> None:
        """Record it no more; it is held until it has ended."""
        held = self._held[camera]
        if held.is_ending:
            return
        held.is_ending = True
        if held.crew is not None:
            held.crew.end(camera)

    def forget(self, camera: str) -> None:
        """It is no longer configured."""
        self._suspicion.forget(camera)

    def tune(self, segment_ns: int, has_room: bool) -> None:
        """The length of segments, and whether the disk has room, for all crews."""
        if self._tuned != (segment_ns, has_room):
            self._tuned = (segment_ns, has_room)
            for crew in self._crews.values():
                crew.tune(segment_ns, has_room)

    def look(self) -> None:
        """Take note of what has happened, and do what is due."""
        self._note_ends()
        for camera, held in list(self._held.items()):
            report = held.crew.cameras.get(camera) if held.crew is not None else None
            if report is None:
                held.crew = None  # it was told to end, and has
            elif report.has_begun:
                held.start = None
            if held.crew is None and self._is_settled(camera, held):
                if held.is_ending:
                    del self._held[camera]
                elif self._clock.monotonic_ns() >= held.due_ns:
                    self._place(camera, held)
        for name, crew in self._crews.items():
            if not crew.cameras and name not in self._dismissed:
                self._log.info("crew_dismissed", crew=name)
                self._dismissed.add(name)
                crew.stop()

    def end_all(self, limit_ns: int) -> None:
        """Stop all crews; what has not ended after `limit_ns` is killed."""
        for crew in self._crews.values():
            crew.stop()
        end_ns = self._clock.monotonic_ns() + limit_ns
        never = threading.Event()
        while self._crews and self._clock.monotonic_ns() < end_ns:
            for name, crew in list(self._crews.items()):
                end = crew.look()
                if end is not None:
                    self._tell(crew, end)
                    del self._crews[name]
            if self._crews:
                self._clock.wait(never, END_LOOK_NS)
        for name, crew in self._crews.items():
            self._log.warning("crew_left_behind", crew=name, cameras=sorted(crew.cameras))
            crew.kill()

    def _note_ends(self) -> None:
        for name, crew in list(self._crews.items()):
            end = crew.look()
            if end is None:
                continue
            del self._crews[name]
            self._dismissed.discard(name)
            self._tell(crew, end)
            mine = {camera: held for camera, held in self._held.items() if held.crew is crew}
            now_ns = self._clock.monotonic_ns()
            pause_ns = self._suspicion.crashed(mine, now_ns) if mine and not end.is_blameless else 0
            for camera, held in mine.items():
                held.crew = None
                held.left = Left(camera, held.plan, held.start, end.fault, self._suspicion.crashes(camera, now_ns))
                held.due_ns = now_ns + pause_ns

    def _tell(self, crew: Crew, end: CrewEnd) -> None:
        if end.fault:
            cameras = sorted(crew.cameras)
            self._log.error("crew_ended", crew=crew.name, how=end.fault, cameras=cameras)
            self._board.failed(f"the process that recorded {', '.join(cameras)} ended: {end.fault}")

    def _is_settled(self, camera: str, held: _Held) -> bool:
        """Whether nothing is left of a crew that ended by itself; settles it if it is time."""
        now_ns = self._clock.monotonic_ns()
        if held.left is None:
            return True
        if now_ns < held.settle_due_ns:
            return False
        try:
            self._settle(held.left)
        except (Transient, Rejected) as error:
            self._log.warning("camera_not_settled", camera=camera, error=error)
            held.settle_due_ns = now_ns + RETRY_NS
            return False
        held.left = None
        held.start = None
        return True

    def _place(self, camera: str, held: _Held) -> None:
        now_ns = self._clock.monotonic_ns()

        def standing(other: str) -> Standing:
            return self._suspicion.standing(other, now_ns)

        # Foreign files are read by processes that record nothing: what one of them does to libav costs no footage.
        kin = {other for other, one in self._held.items() if (one.plan.folder is None) == (held.plan.folder is None)}
        sizes = {name: cameras for name, cameras in self.sizes.items() if cameras and cameras <= kin}
        name = choose_crew(camera, sizes, standing, self._size_max)
        crew = self._crews[name] if name is not None else self._new_crew(now_ns)
        if crew is not None:
            crew.begin(camera, held.plan, held.start)
            held.crew = crew

    def _new_crew(self, now_ns: int) -> Crew | None:
        if now_ns < self._hire_due_ns:
            return None
        self._hired += 1
        name = f"crew-{self._hired}"
        try:
            crew = self._hire(name)
        except Transient as error:
            self._log.error("crew_not_hired", crew=name, error=error)
            self._hire_due_ns = now_ns + RETRY_NS
            return None
        if self._tuned is not None:
            crew.tune(*self._tuned)
        self._crews[name] = crew
        return crew
