"""Records all cameras of this process, one after the other, every `TICK_NS`, in one thread.

A thread per camera that wakes four times a second costs more in waking than in recording. So the camera's own thread
only waits here, and what there is to do each time is done by this one; what it raises is raised in the camera's
thread, where it is decided about. A step may wait for the disk: then all wait, and what is read meanwhile waits in the
cameras' queues. Reading is other threads' work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from components.capture.packet_queue import TICK_NS, WATCHED_TICK_NS
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_S

WAIT_NS = 60 * NS_PER_S
"""A camera's thread waits for its end, of which it is told; nothing depends on how often it looks besides."""


@dataclass(slots=True, eq=False)
class _Job:
    step: Callable[[], None]
    stop: threading.Event
    ended: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Scribe:
    """Any thread may have its steps done; `run` does them."""

    def __init__(self, clock: Clock, is_watched: Callable[[], bool] = lambda: False) -> None:
        """While `is_watched`, it looks more often."""
        self._clock = clock
        self._is_watched = is_watched
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._has_new = threading.Event()

    def attend(self, step: Callable[[], None], stop: threading.Event) -> None:
        """Have `step` done again and again until `stop` is set; raises what it raises. No step runs afterwards."""
        job = _Job(step, stop)
        with self._lock:
            self._jobs.append(job)
        self._has_new.set()
        while not self._clock.wait(job.ended, WAIT_NS):
            continue
        if job.error is not None:
            raise job.error

    def run(self, stop: threading.Event) -> None:
        """Do the steps of all, until `stop` is set and nobody waits for a step."""
        while True:
            self._clock.wait(self._has_new, WATCHED_TICK_NS if self._is_watched() else TICK_NS)
            self._has_new.clear()
            with self._lock:
                jobs = list(self._jobs)
            for job in jobs:
                self._do(job)
            if stop.is_set() and not self._jobs:
                return

    def wake(self) -> None:
        """Look at once: somebody's stop was set, or something was read."""
        self._has_new.set()

    def _do(self, job: _Job) -> None:
        try:
            if not job.stop.is_set():
                job.step()
                return
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for the step
            job.error = error
        with self._lock:
            self._jobs.remove(job)
        job.ended.set()
