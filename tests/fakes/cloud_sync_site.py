"""CloudSync's sweeps and workers in one thread, on real catalogues, any object store and a clock that a test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path

from components.cloud_sync.chooser import Chooser
from components.cloud_sync.core.parts import STANDARD_SIZES, Sizes
from components.cloud_sync.footage import Footage
from components.cloud_sync.happenings import Happenings, margins_of
from components.cloud_sync.object_store import ObjectStore
from components.cloud_sync.pacer import Pacer
from components.cloud_sync.policies import Policies
from components.cloud_sync.sweeper import Segments, Sweeper, Thumbnails
from components.cloud_sync.transfer import Transfer
from components.cloud_sync.uploader import Surroundings, Uploader
from components.shared.catalogue.sync import SyncWriter
from components.shared.runtime.config import read_snapshot, write_document
from components.shared.runtime.status import StatusBoard
from components.shared.wire.recording_config import UploadPolicy
from components.shared.wire.site_config import camera_shadow
from components.shared.wire.sync_config import SyncSection
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

THING = "site-1"


class CloudSyncSite:
    """One life of CloudSync's worker; another one on the same data root is a restart."""

    def __init__(
        self,
        data: Path,
        store: ObjectStore,
        clock: FakeClock,
        ledger: SyncWriter | None = None,
        sizes: Sizes = STANDARD_SIZES,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.data = data
        self.clock = clock
        self._version = 0
        self.stop = threading.Event()
        self.log = RecordingLog()
        self.status = StatusBoard(clock)
        self.ledger = SyncWriter.open(data) if ledger is None else ledger
        self.footage = Footage(data)
        self.pacer = Pacer(clock, self.stop)
        self.pacer.follow(SyncSection(), UTC)
        around = Surroundings(clock, self.stop, self.log, self.status, chance, self.pacer)
        self.transfer = Transfer(store, self.ledger, self.stop, sizes)
        self.uploader = Uploader(self.ledger, self.transfer, self.footage, around)
        self.policies = Policies(data, self.ledger, clock, self.log)
        self.happenings = Happenings(data)
        self.chooser = Chooser(THING, self.ledger, self.happenings, lambda: None, clock, self.log)
        self.sweepers = [
            Sweeper(source, self.ledger, self.uploader.queued, clock, self.log, self.status)
            for source in (Segments(data, THING), Thumbnails(data, THING))
        ]

    def configure(self, uploads: Mapping[str, UploadPolicy], **retention: int) -> None:
        """Puts documents in force: cameras with their upload policies, and the site's retention."""
        self._version += 1
        for camera, policy in uploads.items():
            document: dict[str, object] = {
                "schema": 3, "name": camera, "source": {"url": "rtsp://192.0.2.1/1"}, "upload": policy,
            }  # fmt: skip
            write_document(self.data, camera_shadow(camera), document, self._version, self.clock)
        site = {"schema": 3, "cameras": dict.fromkeys(uploads, "any"), "retention": retention}
        write_document(self.data, "site", site, self._version, self.clock)
        snapshot = read_snapshot(self.data)
        assert snapshot is not None and not snapshot.faults
        self.happenings.margins = margins_of(snapshot.site.document.retention)
        self.policies.follow(snapshot)

    def choose(self) -> int:
        """Decides on what can be decided; how much came into the queue."""
        return self.chooser.look(self.stop)

    def sweep(self) -> int:
        """Looks for what is new; how much that was."""
        return sum(sweeper.sweep(self.stop) for sweeper in self.sweepers)

    def drain(self, attempts_max: int = 1_000) -> int:
        """Uploads until nothing is queued, moving the clock over every pause; how many attempts that took."""
        attempts = 0
        while self.ledger.backlog()[0] > 0 and not self.stop.is_set():
            if self.uploader.try_one():
                attempts += 1
            else:
                self.clock.advance(self.uploader.next_due_ns())
            assert attempts <= attempts_max, f"not drained after {attempts} attempts: {self.log.text()[-2000:]}"
        return attempts

    def close(self) -> None:
        """Ends this life: what is not in the catalogues is forgotten."""
        self.footage.close()
        self.happenings.close()
        self.ledger.close()
