"""One core, put together: what talks to what, from the first lock to the last stop."""

import asyncio
import fcntl
import logging
import os
import signal
import time
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from local.nucleus.cloud_operations import CloudOperations, CloudStreams
from local.nucleus.component import Component, Surroundings
from local.nucleus.component_updates import ComponentUpdates
from local.nucleus.configuration_operations import ConfigurationOperations
from local.nucleus.configuration_store import ConfigurationStore
from local.nucleus.credentials import CredentialsEndpoint, Provider
from local.nucleus.deployment import Deployment, DeploymentError, read_deployment
from local.nucleus.guard import Guard
from local.nucleus.installed import InstalledList
from local.nucleus.ipc_server import IpcServer
from local.nucleus.json_value import JsonObject
from local.nucleus.lifecycle import Lifecycle
from local.nucleus.lifecycle_operations import LifecycleOperations
from local.nucleus.mqtt_link import BackOff, MqttLink
from local.nucleus.output_log import LOG_BYTES_MAX, LOGS_KEPT
from local.nucleus.planning import Place, digest_artifacts, load_recipes, make_plans, new_token
from local.nucleus.profile import Profile
from local.nucleus.pubsub import Delivery, PubSub
from local.nucleus.short_path import reachable
from local.nucleus.status import Status
from local.nucleus.topic_operations import TopicOperations

log = logging.getLogger(__name__)

STATUS_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    root: Path
    build: Path
    deployment: Path
    profile: Profile
    log_folder: Path
    drops_local_messages: bool
    mqtt_back_off: BackOff


class RootInUseError(Exception):
    """Another core runs in this root folder."""


class Core:
    """One running core."""

    def __init__(self, options: Options) -> None:
        self._options = options
        root, profile = options.root, options.profile
        for folder in (root / "work", root / "packages" / "artifacts", options.log_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_root(root)
        self._guard = Guard(root / "processes")
        self._tokens: dict[str, str] = {}
        self._delivery = Delivery()
        self._store = ConfigurationStore(root / "configuration.json", profile, self._delivery)
        self._pubsub = PubSub(profile, self._delivery, options.drops_local_messages)
        surroundings = Surroundings(profile, self._guard, options.log_folder, self._component_changed)
        installed = InstalledList(root / "installed.json")
        self._lifecycle = Lifecycle(surroundings, installed, root / "packages")
        self._updates = ComponentUpdates(self._delivery)
        self._socket = reachable(root, profile.socket_name)
        self._cloud = CloudStreams(self._delivery)
        self._link = MqttLink(profile.mqtt, options.mqtt_back_off, self._cloud.receive)
        self._credentials = CredentialsEndpoint(self._tokens, profile.unknown_token_status, time.time)
        self._credentials_uri = ""
        operations = {
            **TopicOperations(self._pubsub, self._store.access_control, profile).table(),
            **CloudOperations(self._link, self._cloud, self._store.access_control, profile).table(),
            **ConfigurationOperations(self._store, profile).table(),
            **LifecycleOperations(self._lifecycle, self._updates, self._store.access_control, profile).table(),
        }
        self._server = IpcServer(profile, self._tokens, operations)
        fixed: JsonObject = {"profile": profile.name, "pid": os.getpid(), "socket": str(self._socket)}
        self._status = Status(root / "status.json", fixed, self._lifecycle.components, self._live_status)

    async def run(self) -> None:
        """Carry out the deployment and serve until a signal ends it; DeploymentError when it is refused."""
        left = await asyncio.to_thread(self._guard.kill_left_over)
        if left:
            log.error("%d processes of an earlier core cannot be ended", left)
        self._guard.start()
        end, again = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.set)
        loop.add_signal_handler(signal.SIGHUP, again.set)
        await self._server.listen(self._socket)
        self._credentials_uri = await self._credentials.listen()
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._cloud.bring())]
        try:
            await self._carry_out(end, is_first=True)
            while not end.is_set():
                await _first_of(end.wait(), again.wait())
                if again.is_set() and not end.is_set():
                    again.clear()
                    await self._carry_out(end, is_first=False)
        finally:
            await self._lifecycle.stop_all()
            await self._server.close()
            await self._link.close()
            self._credentials.close()
            for task in tasks:
                task.cancel()
            self._status.write()
            self._guard.close()
            self._lock.close()

    async def _carry_out(self, end: asyncio.Event, *, is_first: bool) -> None:
        """Carry out the deployment file, unless the core is to end meanwhile."""
        deploying = asyncio.create_task(self._deploy(is_first=is_first))
        await _first_of(end.wait(), asyncio.wait([deploying]))
        if deploying.done():
            deploying.result()
        else:
            deploying.cancel()

    async def _deploy(self, *, is_first: bool) -> None:
        """Carry out the deployment file; the first one must be right, a later one may be refused."""
        deployment_id = str(uuid.uuid4())
        try:
            deployment = read_deployment(self._options.deployment)
            recipes = load_recipes(self._options.build, deployment, self._options.profile)
            for name, recipe in recipes.items():
                self._store.check(name, recipe.defaults)
                self._store.check(name, deployment.components[name].update.merge)
            if deployment.update_policy.asks:
                await self._updates.ask(deployment_id, deployment.update_policy.timeout_s)
            now_ms = int(time.time() * 1000)
            for name, recipe in recipes.items():
                (self._options.root / "work" / name).mkdir(exist_ok=True)
                await self._store.deploy(name, recipe.defaults, deployment.components[name].update, now_ms)
            digests = await asyncio.to_thread(digest_artifacts, self._options.build, recipes)
            plans = make_plans(deployment, recipes, digests, self._place(), self._store.read)
            await self._connect(deployment)
        except DeploymentError as error:
            if is_first:
                raise
            log.error("the deployment is refused: %s", error)
            self._status.deployed(str(error))
            return
        try:
            await self._lifecycle.deploy(plans, is_first=is_first)
        except DeploymentError as error:
            log.error("the deployment failed: %s", error)
            self._status.deployed(str(error))
        else:
            for gone in set(self._tokens.values()) - set(plans):
                self._store.forget(gone)
            self._status.deployed(None)
        if deployment.update_policy.asks:
            await self._updates.tell_done(deployment_id)

    async def _connect(self, deployment: Deployment) -> None:
        provider = None
        if deployment.credentials_url is not None:
            provider = Provider(deployment.credentials_url, deployment.role_alias, deployment.thing_name)
        self._credentials.use(provider)
        await self._link.use(deployment.broker, deployment.thing_name)

    def _place(self) -> Place:
        return Place(
            root=self._options.root,
            build=self._options.build,
            socket=self._socket,
            profile=self._options.profile,
            token_of=self._token_of,
            credentials_uri=self._credentials_uri,
        )

    def _token_of(self, component: str) -> str:
        for token, name in self._tokens.items():
            if name == component:
                return token
        token = new_token(self._options.profile)
        self._tokens[token] = component
        return token

    def _component_changed(self, component: Component) -> None:
        self._status.changed(component)

    def _live_status(self) -> JsonObject:
        counts = self._pubsub.counts
        return {
            "local_messages": {
                "published": counts.published,
                "delivered": counts.delivered,
                "dropped": counts.dropped,
            },
            "mqtt": {"connected": self._link.is_connected},
        }

    async def _tick(self) -> None:
        while True:
            self._status.write()
            await asyncio.sleep(STATUS_INTERVAL_S)


def lock_root(root: Path) -> IO[str]:
    """Take the root folder for this process, or raise RootInUseError."""
    lock = (root / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise RootInUseError(f"another core runs in {root}") from error
    return lock


def set_up_logging(folder: Path) -> None:
    """Send the core's own log to a file of bounded size, and warnings to standard error too."""
    folder.mkdir(parents=True, exist_ok=True)
    to_file = RotatingFileHandler(folder / "nucleus.log", maxBytes=LOG_BYTES_MAX, backupCount=LOGS_KEPT)
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[to_file, to_terminal],
    )


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
