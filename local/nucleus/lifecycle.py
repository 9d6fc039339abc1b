"""All components of a core: deployments carried out, dependencies followed, everything stopped at the end.

Decides the order of steps; each component lives its own life (`component`). Invariants: install steps come
before any run of the same deployment; a component starts after those it depends on; artifacts are never
changed under a running process.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, cast

from local.nucleus.artifacts import place, unpack
from local.nucleus.component import Component, Plan, State, Surroundings
from local.nucleus.deployment import DeploymentError
from local.nucleus.installed import InstalledList

log = logging.getLogger(__name__)

STOP_AT_END_S = 2.5  # for every component when the core ends; loaded or not, it is gone within five seconds


class Lifecycle:
    """The components of one core."""

    def __init__(
        self,
        surroundings: Surroundings,
        installed: InstalledList,
        packages: Path,
    ) -> None:
        self.components: dict[str, Component] = {}
        self._tell = surroundings.changed
        self._surroundings = replace(surroundings, changed=self._changed)
        self._profile = surroundings.profile
        self._installed = installed
        self._packages = packages
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._unbound: set[str] = set()  # not running because of a HARD dependency
        self._ends = False

    async def deploy(self, plans: Mapping[str, Plan], *, is_first: bool) -> None:
        """Bring the components to these plans; DeploymentError when an install step failed."""
        async with self._turn:
            for name in [name for name in self.components if name not in plans]:
                await self._remove(name)
            changed = [plan for plan in plans.values() if self._needs_start(plan)]
            failed = await self._install(changed)
            if not failed or not self._profile.install_failure_stops_deployment:
                await self._run([plan for plan in changed if plan.name not in failed], plans)
            if self._profile.deployment_clears_start_limit and not is_first:
                for component in self.components.values():
                    component.start_limit.forget()
        if failed:
            raise DeploymentError(f"component {', '.join(failed)}: install failed, see its log")

    async def restart(self, name: str) -> None:
        """Stop a component, start it again, and count its failures anew."""
        async with self._turn:
            component = self.components[name]
            component.start_limit.forget()
            await component.stop("INSTALLED")
            await component.start()

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something without being waited for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work on components failed", exc_info=task.exception())

    async def stop_all(self) -> None:
        """Stop every component at the same time, within a few seconds."""
        self._ends = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(one.stop("FINISHED", STOP_AT_END_S) for one in self.components.values()))
        for component in self.components.values():
            component.close()

    def _needs_start(self, plan: Plan) -> bool:
        component = self.components.get(plan.name)
        if component is None or component.state == "BROKEN":
            return True
        old = component.plan
        if (old.run_fingerprint, old.install_fingerprint) != (plan.run_fingerprint, plan.install_fingerprint):
            return True
        return component.state == "FINISHED" and self._profile.finished_runs_again

    async def _remove(self, name: str) -> None:
        component = self.components.pop(name)
        await component.stop("FINISHED")
        component.close()
        self._installed.forget(name)
        self._unbound.discard(name)

    async def _install(self, plans: list[Plan]) -> list[str]:
        """Place artifacts, run all install steps together while old runs go on, and return who failed."""
        for plan in plans:
            component = self.components.get(plan.name)
            if component is None:
                self.components[plan.name] = component = Component(plan, self._surroundings)
                self._tell(component)
                old_digest = ""
            else:
                old_digest = component.plan.artifacts_digest
                if component.plan.version == plan.version and old_digest != plan.artifacts_digest:
                    await component.stop("INSTALLED")
            if old_digest != plan.artifacts_digest:
                await asyncio.to_thread(self._place, plan)
            component.plan = plan
        results = await asyncio.gather(*(self._install_one(plan) for plan in plans))
        return [plan.name for plan, succeeded in zip(plans, results, strict=True) if not succeeded]

    def _place(self, plan: Plan) -> None:
        target = self._packages / "artifacts" / plan.name / plan.version
        place(plan.artifacts_source, target)
        unpacked = self._packages / "artifacts-unarchived" / plan.name / plan.version
        unpack(plan.artifacts if self._profile.unarchives else (), target, unpacked)

    async def _install_one(self, plan: Plan) -> bool:
        component = self.components[plan.name]
        if not self._installed.has(plan.name, plan.install_fingerprint):
            if not await component.install():
                await component.stop("INSTALLED")
                component.enter("BROKEN")
                return False
            self._installed.put(plan.name, plan.install_fingerprint)
        if not component.is_active:
            component.enter("INSTALLED")
        return True

    async def _run(self, changed: list[Plan], plans: Mapping[str, Plan]) -> None:
        """Stop what is to change, one after another, then start it in the order of dependencies."""
        for plan in changed:
            await self.components[plan.name].stop("INSTALLED")
        names = {plan.name for plan in changed}
        needs = {name: (plan.soft | plan.hard) & set(plans) for name, plan in plans.items()}
        for name in TopologicalSorter(needs).static_order():
            component = self.components[name]
            if name not in names:
                continue
            component.start_limit.forget()
            if self._is_bound(component):
                self._unbound.discard(name)
                await component.start()
            else:
                self._unbound.add(name)

    def _is_bound(self, component: Component) -> bool:
        """Tell whether all HARD dependencies are in a state that lets a component run."""
        wanted = [self.components[name] for name in component.plan.hard if name in self.components]
        return all(one.state in self._profile.hard_dependency_states for one in wanted)

    def _changed(self, component: Component) -> None:
        self._tell(component)
        if self._ends or component.state == "STARTING":
            return
        if any(component.plan.name in other.plan.hard for other in self.components.values()):
            self.soon(self._follow(component.plan.name))

    async def _follow(self, name: str) -> None:
        """Start or stop those that have a HARD dependency on a component whose state changed."""
        async with self._turn:
            for other in list(self.components.values()):
                if name not in other.plan.hard:
                    continue
                if self._is_bound(other):
                    if other.plan.name in self._unbound:
                        self._unbound.discard(other.plan.name)
                        await other.start()
                elif other.is_active:
                    self._unbound.add(other.plan.name)
                    await other.stop(cast("State", self._profile.unbound_state))
