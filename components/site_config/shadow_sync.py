"""The exchange with the shadows: fetch what is due, send what was edited here, report how it all stands.

One round is one attempt; the supervisor decides about the next. Nothing here decides what a document is worth.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TypeVar

from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import CloudInbox, CloudMessage
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.json_patch import apply_patch
from components.shared.wire.site_config import SITE, camera_of_shadow
from components.shared.wire.units import NS_PER_S
from components.site_config.configuration import Configuration
from components.site_config.core.fetches import Fetched, next_due
from components.site_config.core.merge import Push
from components.site_config.reporting import Report, Reporting
from components.site_config.shadow_store import ShadowStore, VersionConflict

ResultT = TypeVar("ResultT")

LOOK_NS = NS_PER_S // 2
"""How soon an edit made here goes out."""

REFUSED_NS = 60 * NS_PER_S
"""What the cloud has refused is tried again this often: somebody may make room, or register the thing."""


class ShadowSync:
    """Rounds of exchange; one thread calls `attempt`."""

    def __init__(
        self,
        configuration: Configuration,
        reporting: Reporting,
        store: ShadowStore,
        hints: CloudInbox,
        clock: Clock,
        stop: threading.Event,
        log: Log,
    ) -> None:
        self._configuration = configuration
        self._reporting = reporting
        self._store = store
        self._hints = hints
        self._clock = clock
        self._stop = stop
        self._log = log
        self._wanted: set[str] = set()
        self._fetched: dict[str, Fetched] = {}
        self._push_due_ns: dict[str, int] = {}
        self._report_due_ns: dict[str, int] = {}
        self.answers = 0
        """How often the cloud has answered: the work of this exchange, which a round without anything due is not."""

    def is_overdue(self) -> bool:
        """Whether a shadow is due to be fetched by the time of its last fetch; any thread may ask."""
        now_ns = self._clock.monotonic_ns()
        return next_due(self._fetched, self._configuration.cameras(), frozenset(), now_ns) is not None

    def attempt(self) -> None:
        """Wait for a hint, shortly, and do what is due; Transient when the cloud cannot be reached."""
        hint = self._hints.take(self._clock, self._stop, LOOK_NS)
        self._note_hints([*([hint] if hint else []), *self._hints.drain()])
        try:
            self._fetch()
            self._configuration.settle()
            self._push()
            self._configuration.settle()
            self._report()
        except VersionConflict as error:
            self._log.info("shadow_changed_meanwhile", error=error)

    def _ask(self, call: Callable[[], ResultT]) -> ResultT:
        """The answer of the cloud, and a note of whether it gives any."""
        try:
            answer = call()
        except (VersionConflict, Rejected):
            self._configuration.is_reachable = True
            self.answers += 1
            raise
        except Transient:
            self._configuration.is_reachable = False
            raise
        self._configuration.is_reachable = True
        self.answers += 1
        return answer

    def _note_hints(self, hints: list[CloudMessage]) -> None:
        for hint in hints:
            parts = hint.topic.split("/")  # $aws/things/THING/shadow/name/NAME/update/delta
            name = parts[5] if len(parts) == 8 else ""
            # Of a camera that the site does not name nothing is kept: it is fetched when the site names it.
            is_known = name == SITE or camera_of_shadow(name) in (self._configuration.cameras() or {})
            if is_known and _version_in(hint.payload) > self._configuration.shadow_version(name):
                self._wanted.add(name)

    def _fetch(self) -> None:
        while not self._stop.is_set():
            now_ns = self._clock.monotonic_ns()
            cameras = self._configuration.cameras()
            name = next_due(self._fetched, cameras, frozenset(self._wanted), now_ns)
            if name is None:
                self._configuration.all_fetched()
                return
            self._fetch_one(name, now_ns)

    def _fetch_one(self, name: str, now_ns: int) -> None:
        self._wanted.discard(name)
        try:
            shadow = self._ask(lambda: self._store.get(name))
        except Rejected as error:
            self._log.error("shadow_not_readable", document=name, error=error)
            self._fetched[name] = Fetched(now_ns, "")
            return
        except Transient:
            self._wanted.add(name)
            raise
        desired = self._configuration.fetched(name, shadow)
        self._reporting.fetched(name, shadow.reported if shadow else None)
        self._fetched[name] = Fetched(now_ns, desired.sha256)

    def _push(self) -> None:
        are_cameras_sent = True
        for push in self._configuration.pushes():
            if self._stop.is_set() or (push.document == SITE and not are_cameras_sent):
                return  # the site would name documents that nobody has
            if self._clock.monotonic_ns() < self._push_due_ns.get(push.document, 0):
                are_cameras_sent = False
            else:
                are_cameras_sent &= self._push_one(push)

    def _push_one(self, push: Push) -> bool:
        """Send one edit; False when the cloud has refused it for now."""
        if push.version == 0:
            self._see_that_it_is_not_there(push.document)
        known = self._configuration.picture().desired[push.document]
        raw = apply_patch(known.raw or {}, push.patch)
        self._configuration.sending(push)
        try:
            version = self._ask(lambda: self._store.update_desired(push.document, push.patch, push.version))
        except Transient:
            self._wanted.add(push.document)  # it may have arrived all the same
            raise
        except Rejected as error:
            tell = self._log.debug if push.document in self._push_due_ns else self._log.error
            tell("edit_not_taken_by_cloud", document=push.document, error=error)
            self._push_due_ns[push.document] = self._clock.monotonic_ns() + REFUSED_NS
            return False
        self._push_due_ns.pop(push.document, None)
        self._configuration.pushed(push, raw, version)
        self._fetched[push.document] = Fetched(self._clock.monotonic_ns(), push.sha256)
        return True

    def _see_that_it_is_not_there(self, name: str) -> None:
        """Look again before a shadow is made: no version can guard an update of one that does not exist."""
        self._fetch_one(name, self._clock.monotonic_ns())
        self._configuration.all_fetched()
        if self._configuration.shadow_version(name) != 0:
            raise VersionConflict(f"shadow {name}: it has been made meanwhile")

    def _report(self) -> None:
        for report in self._reporting.due():
            if self._stop.is_set():
                return
            if self._clock.monotonic_ns() >= self._report_due_ns.get(report.document, 0):
                self._report_one(report)

    def _report_one(self, report: Report) -> None:
        name = report.document
        if not report.state and self._ask(lambda: self._store.get(name)) is None:
            self._reporting.sent(report)  # gone with its camera: nothing is told to a shadow that is not there
            return
        try:
            version = self._ask(lambda: self._store.update_reported(name, report.patch))
        except Rejected as error:
            # Mostly a document that leaves no room: the operator's report at the site says it, the shadow cannot.
            tell = self._log.debug if name in self._report_due_ns else self._log.error
            tell("report_not_taken_by_cloud", document=name, error=error)
            self._report_due_ns[name] = self._clock.monotonic_ns() + REFUSED_NS
            return
        self._report_due_ns.pop(name, None)
        self._reporting.sent(report)
        if not self._configuration.reported(name, version):
            self._wanted.add(name)


def _version_in(payload: bytes) -> float:
    """The version in a delta; a delta that cannot be read is a hint all the same."""
    try:
        version = json.loads(payload)["version"]
    except (ValueError, KeyError, TypeError):
        return float("inf")
    return version if isinstance(version, int) else float("inf")
