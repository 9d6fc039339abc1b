"""Whatever goes wrong in whatever order, every object ends in the store exactly once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cloud_sync.core.parts import Sizes
from components.shared.catalogue.sync import SyncWriter
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import THING, CloudSyncSite
from tests.fakes.footage import FakeFootage, key_of
from tests.fakes.object_store import FakeObjectStore, Fault

SIZES = Sizes(single_put_bytes_max=200, part_bytes=100)
LIVES_MAX = 60
FAST_FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # syncing a disk is not what is tried here


class Killed(BaseException):
    """The process ends here, without any clean-up of its own."""


@dataclass
class Fate:
    """What happens at the requests and durable steps to come, in order; afterwards all is well.

    `kill-before` and `kill-after` end the process around a request or a durable write, `expire` ends all unfinished
    uploads before a request; the others are what the store does to the request.
    """

    events: list[str]

    def next(self) -> str:
        return self.events.pop(0) if self.events else "well"


class MortalLedger:
    """A ledger whose process may be killed on either side of each durable write."""

    WRITES = frozenset({"enqueue", "record_upload_id", "record_part", "mark_uploaded", "mark_failed", "mark_refused"})

    def __init__(self, ledger: SyncWriter, fate: Fate) -> None:
        self._ledger = ledger
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._ledger, name)
        return self._mortal(member) if name in self.WRITES else member

    def _mortal(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            event = self._fate.next()
            if event == "kill-before":
                raise Killed
            result = write(*arguments, **named)
            if event == "kill-after":
                raise Killed
            return result

        return written


FAULTS = {"before": Fault.BEFORE, "after": Fault.AFTER, "late": Fault.LATE, "damaged": Fault.DAMAGED}
EVENTS = [*FAULTS, "kill-before", "kill-after", "expire"]


def faulty(store: FakeObjectStore, fate: Fate) -> None:
    """Lets the fate decide on every request of the store."""
    killing = False

    def faults(operation: str, key: str) -> Fault:
        nonlocal killing
        event = fate.next()
        killing = event == "kill-after"
        if event == "kill-before":
            raise Killed
        if event == "expire":
            store.expire_uploads()
        return FAULTS.get(event, Fault.NONE)

    def after(operation: str, key: str) -> None:
        if killing:
            raise Killed

    store.faults, store.after = faults, after


def live(
    data: Path,
    store: FakeObjectStore,
    clock: FakeClock,
    fate: Fate,
    chance: Callable[[], float],
    record: Callable[[], bool],
) -> bool:
    """One life of the worker: until everything is uploaded (True), or it is killed.

    `record` is called while it runs, and makes another segment as long as there are any to come.
    """
    ledger = SyncWriter.open(data)
    mortal: Any = MortalLedger(ledger, fate)
    site = CloudSyncSite(data, store, clock, mortal, SIZES, chance)
    try:
        site.sweep()
        while record():
            site.sweep()
            site.uploader.try_one()
        site.sweep()
        site.drain()
    except Killed:
        return False
    finally:
        site.footage.close()
        ledger.close()
    return True


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fates=st.lists(st.tuples(st.sampled_from([0, 0, 1, 2, 3, 5, 9]), st.sampled_from(EVENTS)), min_size=4, max_size=30),
    sizes=st.lists(st.sampled_from([1, 200, 201, 350, 400, 500]), min_size=1, max_size=3),
    wrong_parts=st.integers(0, 6),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5),
    wall_steps_ns=st.lists(st.integers(-(10**18), 10**18), max_size=3),
)
def test_every_object_ends_in_the_store_exactly_once(
    fates: list[tuple[int, str]], sizes: list[int], wrong_parts: int, shares: list[float], wall_steps_ns: list[int]
) -> None:
    """After any kills, lost, late and damaged requests, expiries and clock steps, each object is there exactly once.

    And nothing is left behind: no upload unfinished, no row waiting, no row refused.
    """
    store, clock, fate = (
        FakeObjectStore(),
        FakeClock(),
        Fate([event for well, what in fates for event in (*["well"] * well, what)]),
    )
    numbers = iter(range(10**9))
    with tempfile.TemporaryDirectory(dir=FAST_FOLDER) as folder:
        data = Path(folder)
        footage = FakeFootage(data, part_bytes=SIZES.part_bytes)
        recorded = [footage.segment(150)]
        recorded.append(footage.thumbnail(recorded[0], 50))
        coming = list(enumerate(sizes))
        faulty(store, fate)

        def record() -> bool:
            if coming:
                index, size = coming.pop()
                recorded.append(footage.segment(size, part_sha256s=index != wrong_parts))
                return True
            return False

        def chance() -> float:
            return shares[next(numbers) % len(shares)]

        for _ in range(LIVES_MAX):
            if live(data, store, clock, fate, chance, record):
                break
            if wall_steps_ns:
                clock.step_wall(wall_steps_ns.pop())
        store.deliver_late()
        ledger = SyncWriter.open(data)
        for one in recorded:
            key = key_of(THING, one)
            assert ledger.state_of(key) == "uploaded", (key, ledger.upload(key))
            assert store.versions_of(key) == 1
            assert store.data_of(key) == one.data
        assert ledger.backlog() == (0, 0)
        left = [upload for upload in store.uploads.values() if not upload.is_late]
        ledger.close()
        footage.close()
    # An upload whose beginning arrived after everybody had looked is all that is left: the bucket's lifecycle ends it.
    assert left == []
