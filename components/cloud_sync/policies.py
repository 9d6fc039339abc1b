"""The cameras' upload policies, from the documents into sync.db, where all who queue and choose see them at once.

A camera that is not in the documents any more keeps the policy that it had, and so does one whose own document is bad:
neither must send what nobody wanted, nor hold back what somebody did.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.retention import kept_among
from components.shared.catalogue.sync import SyncWriter
from components.shared.catalogue.sync_choice import Held, forget_held, held_after, policies, set_policy
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import Snapshot
from components.shared.runtime.log import Log
from components.shared.wire.recording_config import UploadPolicy

ROWS_MAX = 200  # of one look for footage that is gone


class Policies:
    """Follows the documents. One thread calls `follow`."""

    def __init__(self, data: Path, ledger: SyncWriter, clock: Clock, log: Log) -> None:
        self._data = data
        self._ledger = ledger
        self._clock = clock
        self._log = log

    def follow(self, snapshot: Snapshot) -> bool:
        """Puts the policies of these documents in force; whether anything changed. Transient when that fails."""
        has_changed = False
        for camera, loaded in snapshot.cameras.items():
            has_changed |= self._set(camera, loaded.document.upload)
        return has_changed

    def _set(self, camera: str, policy: UploadPolicy) -> bool:
        if policies(self._ledger).get(camera, "all") == policy:
            return False
        self._forget_gone(camera)
        set_policy(self._ledger, camera, policy, self._clock.wall_ns())
        waiting, waiting_bytes = self._ledger.backlog()
        self._log.info("upload_policy", camera=camera, policy=policy, waiting=waiting, waiting_bytes=waiting_bytes)
        return True

    def _forget_gone(self, camera: str) -> None:
        """What was left out and is deleted since must not come into the queue."""
        number = 0
        while held := held_after(self._ledger, number, ROWS_MAX, camera):
            forget_gone(self._data, self._ledger, held)
            number = held[-1].number


class GoneFootage:
    """Takes held uploads out of sync.db whose footage retention has deleted: nobody waits for them.

    A round goes through all of them, ROWS_MAX at each look.
    """

    def __init__(self, data: Path, ledger: SyncWriter) -> None:
        self._data = data
        self._ledger = ledger
        self._number = 0

    def look(self, _stop: threading.Event | None = None) -> int:
        """Looks at the next of them; how many were taken out. Transient when sync.db cannot be written."""
        held = held_after(self._ledger, self._number, ROWS_MAX)
        self._number = held[-1].number if len(held) == ROWS_MAX else 0
        return forget_gone(self._data, self._ledger, held)


def forget_gone(data: Path, ledger: SyncWriter, held: Sequence[Held]) -> int:
    """Forgets those of these uploads whose footage is deleted; how many that were. What cannot be known stays."""
    if not held:
        return 0
    try:
        with closing(CaptureReader.open(data)) as reader:
            kept = kept_among(reader, [one.segment for one in held])
    except Transient:
        return 0
    gone = [one.key for one in held if one.segment not in kept]
    if gone:
        forget_held(ledger, gone)
    return len(gone)
