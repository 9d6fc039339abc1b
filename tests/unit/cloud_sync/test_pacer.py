"""The gate: who may send when, under settings that change while somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from components.cloud_sync.core.bandwidth import STARVED_NS
from components.cloud_sync.object_store import Held, Stopped
from components.cloud_sync.pacer import Pacer
from components.shared.errors import Transient
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from lab.moved_clock import MovedClock

BEGIN = datetime(2026, 11, 27, 7, 59, 50, tzinfo=UTC)
BLOCK_BYTES = 10_000
CAPPED = SyncSection(cap_kbit_s=800)
"""100 000 bytes a second: ten blocks, a little less with the pace."""


class Senders:
    """Threads that send blocks through one pacer, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = MovedClock(int(BEGIN.timestamp()) * NS_PER_S, 1_000 * NS_PER_S)
        self.stop = threading.Event()
        self.pacer = Pacer(self.clock, self.stop)
        self.sent: list[str] = []
        self.ended: dict[str, str] = {}

    def begin(self, name: str, priority: int, blocks: int) -> None:
        """A thread that sends so many blocks."""
        threading.Thread(target=self._send, args=(name, priority, blocks), name=name, daemon=True).start()
        self.clock.settle()

    def _send(self, name: str, priority: int, blocks: int) -> None:
        try:
            with self.pacer.sending(priority):
                for _ in range(blocks):
                    self.pacer.take(BLOCK_BYTES)
                    self.sent.append(name)
        except Transient as error:
            self.ended[name] = type(error).__name__
        else:
            self.ended[name] = "done"

    def advance(self, duration_ms: int, until: Callable[[], bool] = lambda: False) -> int:
        """Lets so much time pass in small steps; after how many milliseconds it was so far."""
        for passed_ms in range(0, duration_ms, 10):
            if until():
                return passed_ms
            self.clock.advance(10 * NS_PER_MS)
        return duration_ms


@pytest.fixture
def senders() -> Iterator[Senders]:
    made = Senders()
    yield made
    made.stop.set()
    made.clock.let_pass(NS_PER_S)


def test_closed_until_the_settings_are_known(senders: Senders) -> None:
    """A cap that was not read yet cannot be broken."""
    with pytest.raises(Held):
        senders.pacer.take(1)
    assert not senders.pacer.passes_freely()
    senders.pacer.follow(SyncSection(), UTC)
    senders.pacer.take(1_000_000_000)
    assert senders.pacer.passes_freely()
    assert senders.pacer.block_bytes() is None


def test_many_share_one_cap(senders: Senders) -> None:
    """Three that send at the same time get no more than one would."""
    senders.pacer.follow(CAPPED, UTC)
    for name in ("a", "b", "c"):
        senders.begin(name, 10, 1_000)
    senders.sent.clear()
    senders.advance(10_000)
    assert 95 <= len(senders.sent) <= 101
    assert {senders.sent.count(name) for name in "abc"} <= {32, 33, 34}


def test_the_urgent_overtake_within_a_block(senders: Senders) -> None:
    """Somebody more urgent gets the very next block, and all until it is done."""
    senders.pacer.follow(CAPPED, UTC)
    senders.begin("large", 10, 1_000)
    senders.advance(1_000)
    senders.sent.clear()
    senders.begin("alert", 0, 8)
    took_ms = senders.advance(3_000, lambda: "alert" in senders.ended)
    assert took_ms <= 1_000
    assert senders.sent[:8] == ["alert"] * 8


def test_who_is_passed_over_still_gets_a_block(senders: Senders) -> None:
    """S3 closes a connection on which nothing comes: behind urgent ones without end a block goes every few seconds."""
    senders.pacer.follow(CAPPED, UTC)
    senders.begin("urgent", 0, 10_000)
    senders.begin("large", 10, 10)
    senders.sent.clear()
    senders.advance(2 * STARVED_NS // NS_PER_MS + 1_000)
    assert senders.sent.count("large") == 2
    assert senders.sent.count("urgent") >= 95


def test_a_change_is_followed_by_who_waits(senders: Senders) -> None:
    """Raised, lowered or taken away while somebody waits: the next block goes by the new cap."""
    senders.pacer.follow(SyncSection(cap_kbit_s=64), UTC)
    senders.begin("one", 10, 1_000)
    senders.sent.clear()
    senders.advance(5_000)
    assert 3 <= len(senders.sent) <= 4
    senders.pacer.follow(CAPPED, UTC)
    senders.advance(1_300)  # what the last block takes at the old cap is still owed
    senders.sent.clear()
    senders.advance(5_000)
    assert 47 <= len(senders.sent) <= 51
    senders.pacer.follow(SyncSection(), UTC)
    senders.advance(300)
    assert senders.ended == {"one": "done"}


def test_a_pause_ends_what_is_under_way(senders: Senders) -> None:
    """Nothing leaves from then on, and who waits is told; when the pause ends all goes on."""
    senders.pacer.follow(CAPPED, UTC)
    senders.begin("one", 10, 1_000)
    senders.pacer.follow(CAPPED.model_copy(update={"paused": True}), UTC)
    senders.advance(300)
    assert senders.ended == {"one": "Held"}
    assert senders.pacer.limit.is_closed
    senders.sent.clear()
    senders.pacer.follow(CAPPED, UTC)
    senders.begin("two", 10, 3)
    senders.advance(1_000)
    assert senders.ended["two"] == "done"


def test_the_schedule_comes_by_itself(senders: Senders) -> None:
    """At 08:00 the span's cap holds, to the block; nobody has to say so."""
    scheduled = SyncSection.model_validate({"cap_kbit_s": 800, "schedule": {"fri": "08:00-08:01 80"}})
    senders.pacer.follow(scheduled, UTC)
    senders.begin("one", 10, 100_000)
    senders.sent.clear()
    senders.advance(10_000)
    assert 95 <= len(senders.sent) <= 101
    senders.sent.clear()
    senders.advance(10_000)
    assert 9 <= len(senders.sent) <= 10
    senders.advance(50_000)
    senders.sent.clear()
    senders.advance(10_000)
    assert 88 <= len(senders.sent) <= 101  # a block of this test takes a second under the cap before


def test_a_clock_that_is_set_is_noticed(senders: Senders) -> None:
    """Within a second the limit is that of the new time."""
    scheduled = SyncSection.model_validate({"schedule": {"fri": "08:00-09:00 0"}})
    senders.pacer.follow(scheduled, UTC)
    assert not senders.pacer.limit.is_closed
    senders.clock.step_wall(60 * NS_PER_S)
    senders.advance(1_000)
    assert senders.pacer.limit.is_closed


def test_a_stop_ends_every_wait(senders: Senders) -> None:
    """A worker that waits for its turn is gone within a moment."""
    senders.pacer.follow(SyncSection(cap_kbit_s=64), UTC)
    for name in ("a", "b"):
        senders.begin(name, 10, 1_000)
    senders.stop.set()
    senders.advance(300)
    assert senders.ended == {"a": "Stopped", "b": "Stopped"}
    with pytest.raises(Stopped):
        senders.pacer.take(1)
