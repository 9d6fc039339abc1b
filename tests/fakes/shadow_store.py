"""Shadows in memory that decide as AWS's do; faults on demand. Proven by tests/contract/shadow_store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from components.shared.errors import Rejected, Transient
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256
from components.site_config.shadow_store import Shadow, TooLarge, VersionConflict
from local.iot_core import shadow as rules
from local.iot_core.shadow import Deleted, Refused

NOW_S = 1_763_000_000


class FakeShadowStore:
    """The shadows of one thing. `online` is the network; `answers_lost` updates are done but not answered."""

    def __init__(self) -> None:
        self.online = True
        self.answers_lost = 0
        self.step: Callable[[str], None] = lambda _name: None
        """Called before and after every update, so that a test can break off on each side of it."""
        self.calls: list[tuple[str, str]] = []
        """What was asked for, also while offline: the operation and the shadow."""
        self._shadows: dict[str, rules.Shadow | Deleted] = {}

    def get(self, name: str) -> Shadow | None:
        """See ShadowStore."""
        self._call("get", name)
        return self.look(name)

    def update_desired(self, name: str, patch: Mapping[str, Any], version: int) -> int:
        """See ShadowStore."""
        self._call("update_desired", name)
        return self._update(name, {"state": {"desired": patch}, **({"version": version} if version else {})})

    def update_reported(self, name: str, patch: Mapping[str, Any]) -> int:
        """See ShadowStore."""
        self._call("update_reported", name)
        return self._update(name, {"state": {"reported": patch}})

    # ---- what the cloud does ----

    def look(self, name: str) -> Shadow | None:
        """The shadow as it is, network or not."""
        kept = self._shadows.get(name)
        if not isinstance(kept, rules.Shadow):
            return None
        state = json.loads(json.dumps(kept.state))
        return Shadow(kept.version, state.get("desired"), state.get("reported"))

    def desired(self, name: str) -> dict[str, Any]:
        """The desired state; empty when there is none."""
        found = self.look(name)
        return (found.desired if found else None) or {}

    def reported(self, name: str) -> dict[str, Any]:
        """The reported state; empty when there is none."""
        found = self.look(name)
        return (found.reported if found else None) or {}

    def operate(self, name: str, changes: Mapping[str, Any] | None) -> int:
        """An operator changes the desired state, whatever its version; None removes it."""
        return self._apply(name, {"state": {"desired": changes}})

    def configure(self, cameras: Mapping[str, Mapping[str, Any]], **site: Any) -> None:
        """An operator writes the cameras' documents and then the site's."""
        for camera, document in cameras.items():
            self.operate(camera_shadow(camera), document)
        hashes = {camera: document_sha256(self.desired(camera_shadow(camera))) for camera in cameras}
        self.operate(SITE, {"schema": 1, "cameras": hashes, **site})

    def delete(self, name: str) -> None:
        """An operator deletes the shadow."""
        kept = self._shadows[name]
        assert isinstance(kept, rules.Shadow)
        self._shadows[name] = Deleted(kept.version, NOW_S)

    def _call(self, operation: str, name: str) -> None:
        self.calls.append((operation, name))
        if not self.online:
            raise Transient(f"shadow {name}: {operation}: no connection")

    def _update(self, name: str, body: Mapping[str, Any]) -> int:
        self.step(f"before update {name}")
        try:
            version = self._apply(name, body)
        except Refused as refusal:
            text = f"shadow {name}: update: answers {refusal.code} {refusal.message}"
            kinds: dict[int, type[Transient | Rejected]] = {409: VersionConflict, 413: TooLarge}
            raise kinds.get(refusal.code, Rejected)(text) from refusal
        self.step(f"after update {name}")
        if self.answers_lost:
            self.answers_lost -= 1
            raise Transient(f"shadow {name}: update: no answer")
        return version

    def _apply(self, name: str, body: Mapping[str, Any]) -> int:
        outcome = rules.update(self._shadows.get(name), json.dumps(body).encode(), NOW_S)
        self._shadows[name] = outcome.shadow
        return outcome.shadow.version
