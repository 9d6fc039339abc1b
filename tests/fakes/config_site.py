"""SiteConfig's tasks, one step at a time in the test's own thread: real files, fake shadows, clock and bus."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import CloudInbox
from components.shared.runtime.config import read_snapshot
from components.shared.runtime.files import Step, no_step
from components.shared.wire.site_config import SITE, camera_of_shadow
from components.shared.wire.topics import SITE_CONFIG, shadow_delta_filter
from components.shared.wire.units import NS_PER_S
from components.site_config.configuration import Configuration
from components.site_config.journal import JournalFile
from components.site_config.proposals import ProposalFolder
from components.site_config.reporting import Reporting
from components.site_config.shadow_sync import ShadowSync
from components.site_config.site_edits import SiteEdits
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.shadow_store import FakeShadowStore

THING = "site-1"


def camera(name: str = "Yard", **more: Any) -> dict[str, Any]:
    """A valid camera document."""
    return {"schema": 1, "name": name, "source": {"url": "rtsp://192.0.2.1/1"}, **more}


class ConfigSite:
    """A data root with SiteConfig on it. `start` again after anything is what a restart is."""

    def __init__(self, data: Path, store: FakeShadowStore | None = None) -> None:
        self.data = data
        self.store = store or FakeShadowStore()
        self.clock = FakeClock(auto=True)
        self.broker = FakeBroker()
        self.log = RecordingLog()
        self.numbers = 0

    def start(self, step: Step = no_step) -> ConfigSite:
        """A new worker, knowing nothing but what the disk holds."""
        bus = FakeBus(SITE_CONFIG, self.broker, self.log, self.clock)
        self.configuration = Configuration(self.data, JournalFile(self.data, step), bus, self.clock, self.log, step)
        self.reporting = Reporting(self.data, self.configuration, self.clock)
        self.folder = ProposalFolder(self.data, step)
        self.folder.make()
        self.edits = SiteEdits(self.configuration, self.folder, self.clock, self.log)
        self.deltas = CloudInbox(100)
        bus.subscribe_cloud(shadow_delta_filter(THING), self.deltas)
        self.stop = threading.Event()
        self.sync = ShadowSync(
            self.configuration, self.reporting, self.store, self.deltas, self.clock, self.stop, self.log
        )
        self.configuration.load(self.reporting.last_states())
        self.configuration.settle()
        return self

    def look(self) -> None:
        """One look for proposals, and the operator's report."""
        self.edits.look()
        self.reporting.write()

    def exchange(self) -> bool:
        """One round with the cloud; whether it was reached."""
        try:
            self.sync.attempt()
        except (Transient, Rejected) as error:
            self.log.warning("attempt_failed", error=error)
            return False
        self.reporting.write()
        return True

    def hint(self, name: str, version: int | None = None) -> None:
        """A delta of a shadow arrives, as the cloud sends it after a change."""
        topic = f"$aws/things/{THING}/shadow/name/{name}/update/delta"
        self.broker.from_cloud(topic, json.dumps({} if version is None else {"version": version}).encode())

    def sweep(self, rounds: int = 6) -> None:
        """Let a minute pass and exchange until all that follows from it is done."""
        self.clock.advance(61 * NS_PER_S)
        for _ in range(rounds):
            self.exchange()
            self.clock.advance(NS_PER_S)
        self.reporting.write()

    def propose(self, document: str, changes: Any, base_version: int | None = None) -> str:
        """Put a proposal into the folder; its id."""
        self.numbers += 1
        proposal = f"p{self.numbers:04}"
        body = {"document": document, "changes": changes, "base_version": base_version}
        (self.folder.path / f"{proposal}.json").write_text(json.dumps(body))
        return proposal

    def edit(self, document: str, changes: Any, base_version: int | None = None) -> dict[str, Any]:
        """Propose, have it looked at, and take the answer."""
        proposal = self.propose(document, changes, base_version)
        self.look()
        return self.answer(proposal)

    def answer(self, proposal: str) -> dict[str, Any]:
        """The answer to a proposal."""
        answer: dict[str, Any] = json.loads((self.folder.path / f"{proposal}.answer.json").read_text())
        return answer

    def in_force(self, name: str) -> Mapping[str, Any] | None:
        """The document in force of that name."""
        snapshot = read_snapshot(self.data)
        if snapshot is None:
            return None
        if name == SITE:
            return snapshot.site.raw
        loaded = snapshot.cameras.get(camera_of_shadow(name) or "")
        return loaded.raw if loaded else None

    def report(self) -> dict[str, Any]:
        """The operator's report."""
        report: dict[str, Any] = json.loads(self.reporting.path.read_text())
        return report
