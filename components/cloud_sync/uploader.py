"""The workers: take the next upload that is due, make one attempt, write down what became of it.

sync.db is the truth: a worker that is killed anywhere leaves a row that is simply taken again. What is kept in memory
only saves work: which keys are under way, who waits (`core/retry.py`), and which keys were surely never tried, so that
nobody needs to look whether they are in the store.

Invariants: an object is under way in at most one worker; no failure ends the trying, except Rejected, which is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.cloud_sync.core.plan import lanes
from components.cloud_sync.core.retry import RetryState, object_failed, store_answered, store_failed
from components.cloud_sync.object_store import Held, Stopped, StoreAway, StoreUnreached
from components.cloud_sync.pacer import Pacer
from components.cloud_sync.source_file import FileGone
from components.cloud_sync.transfer import Transfer
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.errors import NvrError, Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.runtime.status import StatusBoard
from components.shared.wire.units import NS_PER_MS, NS_PER_S, WallNs

FRESH_KEYS_MAX = 1_000
"""Keys known to be untried. More are looked for in the store before they are sent, which costs a request each."""

IDLE_NS = 30 * NS_PER_S
"""A worker without work looks again after this, should it ever miss being woken."""

HELD_LOOK_NS = NS_PER_S
"""How often a worker looks whether uploads are still held back."""

STOP_LOOK_NS = 250 * NS_PER_MS
"""How often a waiting worker looks whether it should stop: well within the 2 s of a stop."""

_ALWAYS_DUE_NS = 2**62
"""Who waits is decided here by the monotonic clock: a wall clock that was set back must not hold an upload up."""


class Files(Protocol):
    """Where the files of uploads are."""

    def path_of(self, row: UploadRow) -> Path:
        """Where the file is, or was."""

    def why_gone(self, row: UploadRow) -> NvrError:
        """What it means that it is not there."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the workers share with the rest of the component. `chance` gives numbers in [0, 1)."""

    clock: Clock
    stop: threading.Event
    log: Log
    status: StatusBoard
    chance: Callable[[], float]
    pacer: Pacer


class Uploader:
    """What all workers share. Each worker is a thread that calls `work`."""

    def __init__(self, ledger: SyncWriter, transfer: Transfer, files: Files, around: Surroundings) -> None:
        self._ledger = ledger
        self._transfer = transfer
        self._files = files
        self._around = around
        self._lock = threading.Lock()
        self._retry = RetryState()
        self._under_way: dict[str, int] = {}
        self._fresh: set[str] = set()
        self._sleepers: list[threading.Event] = []

    def queued(self, keys: Iterable[str]) -> None:
        """Something was queued: wake the workers. None of these keys was ever tried, by any process."""
        with self._lock:
            for key in keys:
                if len(self._fresh) < FRESH_KEYS_MAX:
                    self._fresh.add(key)
        self._wake()

    def work(self) -> None:
        """Uploads until the component stops. Transient when sync.db cannot be written now."""
        wakeup = threading.Event()
        with self._lock:
            self._sleepers.append(wakeup)
        try:
            while not self._around.stop.is_set():
                wakeup.clear()
                if not self.try_one():
                    self._sleep(wakeup)
        finally:
            with self._lock:
                self._sleepers.remove(wakeup)

    def try_one(self) -> bool:
        """Makes one attempt at the next upload that is due; False when none is."""
        row, may_exist = self._claim()
        if row is None:
            return False
        try:
            self._attempt(row, may_exist)
        finally:
            with self._lock:
                self._under_way.pop(row.key)
        return True

    def next_due_ns(self) -> int:
        """How long until something that waits is due, at most IDLE_NS."""
        now_ns = self._around.clock.monotonic_ns()
        with self._lock:
            due_ns = self._retry.next_due_ns(now_ns)
        look_ns = HELD_LOOK_NS if self._around.pacer.limit.is_closed else IDLE_NS
        return look_ns if due_ns is None else min(look_ns, due_ns - now_ns)

    def report_backlog(self) -> None:
        """Tells the status board how many uploads wait."""
        self._around.status.backlog(self._ledger.backlog()[0])

    def _claim(self) -> tuple[UploadRow | None, bool]:
        if self._around.pacer.limit.is_closed:
            return None, False
        now_ns = self._around.clock.monotonic_ns()
        with self._lock:
            if not self._retry.store_is_due(now_ns):
                return None, False
            if self._retry.store_failures and self._under_way:
                return None, False  # one at a time finds out whether the store is back
            passed_over = self._under_way.keys() | self._retry.objects_waiting(now_ns)
            found = (
                self._ledger.next_due(_ALWAYS_DUE_NS, passed_over, lane) for lane in lanes(self._under_way.values())
            )
            row = next((row for row in found if row is not None), None)
            if row is None:
                return None, False
            self._under_way[row.key] = row.priority
            may_exist = row.key not in self._fresh or row.attempts > 0 or row.upload_id is not None
            self._fresh.discard(row.key)
            return row, may_exist

    def _attempt(self, row: UploadRow, may_exist: bool) -> None:
        sent = 0

        def on_part(number: int, of: int) -> None:
            nonlocal sent
            sent += 1
            self._answered(row)
            self._around.status.progressed()
            self._around.log.debug("part_uploaded", camera=row.camera, segment=row.segment, part=number, of=of)

        began_ns = self._around.clock.monotonic_ns()
        try:
            etag = self._upload(row, may_exist, on_part)
        except (Stopped, Held) as error:
            # Nothing has failed: what arrived of it counts, the rest is sent when it may be.
            event = "upload_stopped" if isinstance(error, Stopped) else "upload_held"
            self._around.log.info(event, camera=row.camera, segment=row.segment, kind=row.kind)
        except Rejected as error:
            self._refuse(row, error)
        except Transient as error:
            # An object that got on, however little, begins its pauses anew.
            self._failed(row, error, failures=1 if sent else row.attempts + 1)
        else:
            self._uploaded(row, etag, self._around.clock.monotonic_ns() - began_ns)

    def _upload(self, row: UploadRow, may_exist: bool, on_part: Callable[[int, int], None]) -> str:
        try:
            with self._around.pacer.sending(row.priority, is_progress=row.attempts == 0):
                return self._transfer.upload(row, self._files.path_of(row), may_exist, on_part)
        except FileGone as error:
            raise self._files.why_gone(row) from error

    def _uploaded(self, row: UploadRow, etag: str, took_ns: int) -> None:
        around = self._around
        self._ledger.mark_uploaded(row.key, etag, around.clock.wall_ns())
        self._answered(row)
        around.status.progressed()
        self.report_backlog()
        around.log.info(
            "object_uploaded",
            camera=row.camera,
            segment=row.segment,
            kind=row.kind,
            key=row.key,
            size_bytes=row.size_bytes,
            attempts=row.attempts + 1,
            took_ms=took_ns // NS_PER_MS,
        )

    def _refuse(self, row: UploadRow, error: Rejected) -> None:
        """It will never be uploaded: end what was begun of it, write down why, tell it."""
        around = self._around
        try:
            self._transfer.forget(self._ledger.upload(row.key) or row)
        except Transient as away:
            self._failed(row, away, failures=row.attempts + 1)  # the next attempt comes to the same end
            return
        self._ledger.mark_refused(row.key, str(error))
        self._answered(row)
        around.status.failed(str(error))
        around.status.progressed()  # it waits no more, and the next one comes
        self.report_backlog()
        around.log.error(
            "object_refused", camera=row.camera, segment=row.segment, kind=row.kind, key=row.key, error=error
        )

    def _answered(self, row: UploadRow) -> None:
        with self._lock:
            failures = self._retry.store_failures
            self._retry = store_answered(self._retry, row.key)
        if failures:
            self._around.log.info("store_back", failures=failures)
            self._wake()

    def _failed(self, row: UploadRow, error: Transient, failures: int) -> None:
        around = self._around
        chances = around.chance(), around.chance()
        is_store = isinstance(error, StoreAway)
        with self._lock:
            was_away = self._retry.store_failures > 0
            now_ns = around.clock.monotonic_ns()
            if is_store:
                is_reached = not isinstance(error, StoreUnreached)
                self._retry = store_failed(self._retry, row.key, failures, now_ns, chances, is_reached)
            else:
                self._retry = object_failed(self._retry, row.key, failures, now_ns, chances[0])
            pause_ns = max(0, self._retry.waiting[row.key] - now_ns)
        self._ledger.mark_failed(row.key, str(error), WallNs(around.clock.wall_ns() + pause_ns))
        around.status.failed(str(error))
        # Repeats are counted in the row, not repeated here.
        is_news = not was_away if is_store else failures.bit_count() == 1
        tell = around.log.warning if is_news else around.log.debug
        tell(
            "store_away" if is_store else "upload_failed",
            camera=row.camera,
            segment=row.segment,
            kind=row.kind,
            failures=failures,
            retry_ms=pause_ns // NS_PER_MS,
            error=error,
        )

    def _wake(self) -> None:
        with self._lock:
            for wakeup in self._sleepers:
                wakeup.set()

    def _sleep(self, wakeup: threading.Event) -> None:
        clock, stop = self._around.clock, self._around.stop
        end_ns = clock.monotonic_ns() + self.next_due_ns()
        while not stop.is_set() and not wakeup.is_set():
            left_ns = end_ns - clock.monotonic_ns()
            if left_ns <= 0:
                return
            clock.wait(wakeup, min(left_ns, STOP_LOOK_NS))
