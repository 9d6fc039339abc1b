"""Any interleaving of what operators do in the cloud and at the site, of restarts, outages and lost answers.

At all times the documents in force are valid. Every edit made at the site is in the shadow in the end, or told as lost,
or was replaced at the site by a later one. No change in the cloud is overwritten that the site had not seen. When
everybody is quiet, what is in force is what the shadows want, and nothing is said any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from components.shared.runtime.config import read_snapshot
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256
from components.shared.wire.units import NS_PER_S
from components.site_config.core.documents import is_valid
from tests.fakes.config_site import ConfigSite, camera
from tests.fakes.memory_folder import memory_folder
from tests.fakes.shadow_store import FakeShadowStore

CAMERAS = st.sampled_from(["a", "b"])
ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/Lima", "Africa/Cairo", "Asia/Kolkata")


class WatchedStore(FakeShadowStore):
    """Remembers every desired state that there was, and that nobody is overwritten unseen."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[tuple[str, dict[str, Any]]] = []
        self._seen: dict[str, dict[str, Any]] = {}

    def get(self, name: str) -> Any:
        found = super().get(name)
        self._seen[name] = (found.desired if found else None) or {}
        return found

    def update_desired(self, name: str, patch: Mapping[str, Any], version: int) -> int:
        before = self.desired(name)
        calls = len(self.history)
        try:
            return super().update_desired(name, patch, version)
        finally:
            if len(self.history) > calls:
                assert self._seen.get(name, {}) == before, f"{name} was overwritten unseen: {before}"
                self._seen[name] = self.desired(name)

    def _apply(self, name: str, body: Mapping[str, Any]) -> int:
        version = super()._apply(name, body)
        self.history.append((name, self.desired(name)))
        return version


class Interleaving(RuleBasedStateMachine):
    """The operators, the site and the network."""

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        folder = self.resources.enter_context(memory_folder())
        self.store = WatchedStore()
        self.site = ConfigSite(folder / "data", self.store).start()
        self.number = 0
        self.accepted: list[tuple[str, str, str, Any]] = []
        """Edits made at the site: proposal, document, member, value."""

    def teardown(self) -> None:
        try:
            self.check_the_end()
        finally:
            self.resources.close()

    def fresh(self) -> str:
        """A value that nobody has used."""
        self.number += 1
        return f"name {self.number}"

    # ---- in the cloud ----

    @initialize(cameras=st.sets(CAMERAS))
    def begin(self, cameras: set[str]) -> None:
        if cameras:
            self.store.configure({name: camera(self.fresh()) for name in cameras})

    @rule(name=CAMERAS)
    def operator_changes_camera_and_hash(self, name: str) -> None:
        self.store.operate(camera_shadow(name), camera(self.fresh()))
        sha256 = document_sha256(self.store.desired(camera_shadow(name)))
        self.store.operate(SITE, {"schema": 1, "cameras": {name: sha256}})

    @rule(name=CAMERAS)
    def operator_changes_camera_only(self, name: str) -> None:
        self.store.operate(camera_shadow(name), {"name": self.fresh()})

    @rule(name=CAMERAS)
    def operator_names_the_hash(self, name: str) -> None:
        sha256 = document_sha256(self.store.desired(camera_shadow(name)))
        self.store.operate(SITE, {"schema": 1, "cameras": {name: sha256}})

    @rule(name=CAMERAS)
    def operator_takes_any(self, name: str) -> None:
        self.store.operate(SITE, {"schema": 1, "cameras": {name: "any"}})

    @rule(name=CAMERAS)
    def operator_removes_camera(self, name: str) -> None:
        self.store.operate(SITE, {"cameras": {name: None}})

    @rule(name=CAMERAS)
    def operator_breaks_camera(self, name: str) -> None:
        self.store.operate(camera_shadow(name), {"naem": self.fresh()})

    @rule(name=CAMERAS)
    def operator_deletes_camera_shadow(self, name: str) -> None:
        if self.store.look(camera_shadow(name)) is not None:
            self.store.delete(camera_shadow(name))

    @rule(zone=st.sampled_from([*ZONES, "Atlantis/Capital"]))
    def operator_moves_site(self, zone: str) -> None:
        self.store.operate(SITE, {"time_zone": zone})

    @rule(segment_s=st.integers(1, 600))
    def operator_changes_segments(self, segment_s: int) -> None:
        self.store.operate(SITE, {"recording": {"segment_s": segment_s}})

    # ---- at the site ----

    def edit(self, document: str, member: str, value: Any, changes: Mapping[str, Any]) -> None:
        proposal = self.site.propose(document, changes)
        self.site.look()
        if self.site.answer(proposal)["state"] != "refused":
            self.accepted.append((proposal, document, member, value))
            assert self.site.in_force(document) is not None

    @rule(name=CAMERAS)
    def somebody_renames_camera(self, name: str) -> None:
        value = self.fresh()
        self.edit(camera_shadow(name), "name", value, {"name": value})

    @rule(name=CAMERAS)
    def somebody_adds_camera(self, name: str) -> None:
        value = self.fresh()
        self.edit(camera_shadow(name), "name", value, camera(value))
        # A camera that is added again replaces its removal.
        self.accepted = [one for one in self.accepted if one[2] != f"cameras.{name}"]

    @rule(zone=st.sampled_from(ZONES))
    def somebody_moves_site(self, zone: str) -> None:
        self.edit(SITE, "time_zone", zone, {"time_zone": zone})

    @rule(name=CAMERAS)
    def somebody_removes_camera(self, name: str) -> None:
        edit = self.site.configuration.picture().edits.get(SITE)
        base = edit.base if edit else self.site.in_force(SITE)
        if name not in (base or {}).get("cameras", {}):
            return  # nothing to remove, or only what was added here and never sent: that is told to nobody
        self.edit(SITE, f"cameras.{name}", None, {"cameras": {name: None}})
        # Edits of a camera that is removed at the site are replaced by that.
        self.accepted = [one for one in self.accepted if one[1] != camera_shadow(name)]

    # ---- the box and the network ----

    @rule()
    def exchange(self) -> None:
        self.site.exchange()

    @rule()
    def sweep(self) -> None:
        self.site.sweep(3)

    @rule(online=st.booleans())
    def network(self, online: bool) -> None:
        self.store.online = online

    @rule()
    def next_answer_is_lost(self) -> None:
        self.store.answers_lost = 1

    @rule()
    def restart(self) -> None:
        self.site.start()

    # ---- what is always true ----

    @invariant()
    def documents_in_force_are_valid(self) -> None:
        snapshot = read_snapshot(self.site.data)
        for fault in snapshot.faults.values() if snapshot else ():
            assert "the document is not there" in fault

    def check_the_end(self) -> None:
        self.store.online, self.store.answers_lost = True, 0
        for _ in range(4):
            self.site.look()
            self.site.sweep()
        self.site.clock.advance(15 * 60 * NS_PER_S)
        self.site.sweep()
        assert self.site.configuration.unsent() == 0, self.site.log.text()
        self.check_what_is_in_force()
        self.check_every_edit()
        said = len(self.store.history)
        self.site.sweep()
        self.site.sweep()
        assert len(self.store.history) == said, f"said without need: {self.store.history[said:]}"

    def check_what_is_in_force(self) -> None:
        wanted = self.store.desired(SITE)
        if not wanted or not is_valid(SITE, wanted):
            return
        assert self.site.in_force(SITE) == wanted
        for name, sha256 in wanted.get("cameras", {}).items():
            document = self.store.desired(camera_shadow(name))
            if is_valid(camera_shadow(name), document) and sha256 in ("any", document_sha256(document)):
                assert self.site.in_force(camera_shadow(name)) == document
                assert self.site.report()[camera_shadow(name)]["state"] == "in_force"
            else:
                assert self.site.report()[camera_shadow(name)]["state"] != "in_force"

    def check_every_edit(self) -> None:
        told = [record.fields["proposals"] for record in self.site.log.named("edit_lost")]
        for index, (proposal, document, member, value) in enumerate(self.accepted):
            is_replaced = any(later[1:3] == (document, member) for later in self.accepted[index + 1 :])
            was_there = any(
                name == document and _member(desired, member) == value for name, desired in self.store.history
            )
            assert is_replaced or was_there or any(proposal in str(ids) for ids in told), (
                f"{proposal} of {document} vanished"
            )


def _member(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


TestInterleaving = pytest.mark.slow(Interleaving.TestCase)
Interleaving.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
