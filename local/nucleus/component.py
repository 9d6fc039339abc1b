"""One component's life: installed, started, restarted, given up, stopped.

Decides the state and when the script is started again; `process` runs scripts, `start_limit` counts failures,
`lifecycle` decides about several components. Invariants: at most one `run` is under way; every change of
state is told once; a component that is BROKEN starts only when it is told to anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local.nucleus import process
from local.nucleus.guard import Guard
from local.nucleus.json_value import JsonObject
from local.nucleus.output_log import OutputLog
from local.nucleus.process import Process, Script
from local.nucleus.profile import Profile
from local.nucleus.recipe import Artifact
from local.nucleus.start_limit import start_limit

log = logging.getLogger(__name__)

State = Literal["NEW", "INSTALLED", "STARTING", "RUNNING", "STOPPING", "FINISHED", "ERRORED", "BROKEN"]
CANNOT_START_CODE = 127  # what a shell answers for a program that is not there
INSTALL_STOP_S = 5.0  # for what an install step left running


@dataclass(frozen=True)
class Plan:
    """What a component is to be: its version, its scripts, and what they were made of."""

    name: str
    version: str
    install: Script | None
    run: Script | None
    install_fingerprint: str
    run_fingerprint: str
    stop_s: float
    soft: frozenset[str]
    hard: frozenset[str]
    artifacts: tuple[Artifact, ...]
    artifacts_source: Path  # need not exist
    artifacts_digest: str


@dataclass(frozen=True)
class Surroundings:
    """What every component of a core shares."""

    profile: Profile
    guard: Guard
    log_folder: Path
    changed: Callable[["Component"], None]
    clock: Callable[[], float] = time.monotonic


class Component:
    """One component, as far as its processes go."""

    def __init__(self, plan: Plan, surroundings: Surroundings) -> None:
        self.plan = plan  # what it is to be; while an old run goes on that is the next one
        self._running = plan
        self.state: State = "NEW"
        self.since_wall_ns = time.time_ns()
        self.pid: int | None = None
        self.starts = 0
        self.restarts = 0
        self.last_exit: int | None = None
        self.start_limit = start_limit(surroundings.profile)
        self._surroundings = surroundings
        self._log = OutputLog(surroundings.log_folder / f"{plan.name}.log")
        self._supervision: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._stop_asked = asyncio.Event()
        self._spawned = asyncio.Event()
        self._failure_reported = False

    @property
    def is_active(self) -> bool:
        """Whether its run is under way or will be tried again."""
        return self._supervision is not None and not self._supervision.done()

    def enter(self, state: State) -> None:
        """Change the state and tell it."""
        if state != self.state:
            self.state = state
            self.since_wall_ns = time.time_ns()
            self._surroundings.changed(self)

    def status(self) -> JsonObject:
        """Return what the status file says of this component."""
        return {
            "state": self.state,
            "version": (self._running if self.is_active else self.plan).version,
            "pid": self.pid,
            "starts": self.starts,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "since_wall_ns": self.since_wall_ns,
        }

    async def install(self) -> bool:
        """Run the install step and tell whether it succeeded; without one it does."""
        script = self.plan.install
        if script is None:
            return True
        for _ in range(self._surroundings.profile.install_attempts_max):
            self.last_exit = await self._install_once(script)
            if self.last_exit == 0:
                return True
        log.error("%s: install failed with %s", self.plan.name, self.last_exit)
        return False

    async def start(self) -> None:
        """Begin to run, unless that is under way already, and return when the first process is there."""
        if self.is_active:
            return
        if self.plan.run is None:
            self.enter("INSTALLED")
            return
        self._running = self.plan
        self._stop_asked.clear()
        self._spawned.clear()
        supervision = asyncio.create_task(self._supervise(self.plan.run), name=f"run of {self.plan.name}")
        supervision.add_done_callback(_report_crash)
        self._supervision = supervision
        await self._spawned.wait()

    async def stop(self, end_state: State, kill_after_s: float | None = None) -> None:
        """End the run and all its processes; the state is then `end_state`."""
        if not self.is_active or self._supervision is None:
            return
        self._stop_asked.set()
        limit_s = self._running.stop_s if kill_after_s is None else kill_after_s
        if self._process is not None:
            self.enter("STOPPING")
            await self._process.stop(limit_s)
        await asyncio.wait([self._supervision])
        self.enter(end_state)

    async def report_error(self) -> None:
        """End the run as failed, because the component said so itself."""
        if self._process is not None:
            self._failure_reported = True
            await self._process.stop(self._running.stop_s)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    async def _install_once(self, script: Script) -> int:
        if script.needs_privilege:
            log.warning("%s: install needs privilege; it runs as the core's own user", self.plan.name)
        kill_after_s = min(INSTALL_STOP_S, self._surroundings.profile.stop_s)
        running = await process.start(script, self._log, self._surroundings.guard)
        waiting = asyncio.create_task(running.wait(kill_after_s=kill_after_s))
        done, _ = await asyncio.wait([waiting], timeout=script.timeout_s)
        if not done:
            log.error("%s: install took more than %s s", self.plan.name, script.timeout_s)
            await running.stop(kill_after_s)
        return await waiting

    async def _supervise(self, script: Script) -> None:
        profile, clock = self._surroundings.profile, self._surroundings.clock
        try:
            while not self._stop_asked.is_set():
                self.enter("STARTING")
                self.start_limit.started(clock())
                failed = await self._run_once(script)
                if self._stop_asked.is_set():
                    return
                if not failed:
                    self.enter("FINISHED")
                    return
                log.warning("%s: run failed, its exit was %s", self.plan.name, self.last_exit)
                if self.start_limit.gives_up(clock()):
                    self.enter("BROKEN")
                    return
                self.enter("ERRORED")
                await self._pause(profile.restart_delay_s)
                self.restarts += 1
        finally:
            self._spawned.set()

    async def _run_once(self, script: Script) -> bool:
        """Run the script once and tell whether that failed."""
        self._failure_reported = False
        try:
            running = await process.start(script, self._log, self._surroundings.guard)
        except OSError:
            log.exception("%s: cannot be started", self.plan.name)
            self.last_exit = CANNOT_START_CODE
            return True
        self._process, self.pid = running, running.pid
        self.starts += 1
        self.enter("RUNNING")
        self._spawned.set()
        if self._stop_asked.is_set():
            await running.stop(self._running.stop_s)
        ending = asyncio.create_task(running.wait(kill_after_s=self._running.stop_s))
        done, _ = await asyncio.wait([ending], timeout=script.timeout_s)
        if not done:
            log.error("%s: run took more than %s s", self.plan.name, script.timeout_s)
            await self.report_error()
        self.last_exit = await ending
        self._process, self.pid = None, None
        return self.last_exit != 0 or self._failure_reported

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop_asked.wait()
        except TimeoutError:
            return


def _report_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("%s crashed", task.get_name(), exc_info=task.exception())
