"""Whatever is sent by whomever and however late, what leaves keeps to the cap, and the cap is used."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from components.cloud_sync.core.bandwidth import (
    BURST_NS,
    PACE_PERMILLE,
    STARVED_NS,
    UNUSED,
    Bucket,
    Waiting,
    block_bytes,
    whose_turn,
)
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs

WINDOW_NS = 10 * NS_PER_S
CAPS = st.sampled_from([8_000, 32_000, 125_000, 250_000, 2_500_000, 12_500_000])


@dataclass
class Line:
    """What left when, by a sender that comes late by what it is told, each time anew."""

    bytes_per_s: int
    now_ns: int = 1_000 * NS_PER_S
    bucket: Bucket = UNUSED

    def __post_init__(self) -> None:
        self.left: list[tuple[int, int]] = []

    def send(self, size_bytes: int, late_ns: int) -> None:
        self.now_ns += self.bucket.due_in_ns(MonotonicNs(self.now_ns)) + late_ns
        self.bucket = self.bucket.after(size_bytes, self.bytes_per_s, MonotonicNs(self.now_ns))
        self.left.append((self.now_ns, size_bytes))

    def most_in(self, window_ns: int) -> int:
        """The most bytes that left within any span of that length."""
        most, total, first = 0, 0, 0
        for at_ns, size_bytes in self.left:
            total += size_bytes
            while self.left[first][0] <= at_ns - window_ns:
                total -= self.left[first][1]
                first += 1
            most = max(most, total)
        return most


@settings(max_examples=40)
@given(CAPS, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3_000)), min_size=1, max_size=300))
def test_no_ten_seconds_hold_more_than_the_cap(cap: int, sends: list[tuple[float, int]]) -> None:
    """Blocks of any size within the limit, late by up to seconds: at most 102 % in any 10 s, 105 % below 1 Mbit/s.

    Filled up with blocks without any lateness, so that a window always ends in a burst.
    """
    line = Line(cap)
    block = block_bytes(cap)
    for share, late_ms in sends:
        line.send(max(1, int(share * block)), late_ms * NS_PER_MS)
    begin_ns = line.now_ns
    while line.now_ns < begin_ns + WINDOW_NS + NS_PER_S:
        line.send(block, 0)
    allowed = cap * 10 * (1.02 if cap >= 125_000 else 1.05)
    assert line.most_in(WINDOW_NS) <= allowed


@settings(max_examples=40)
@given(CAPS, st.lists(st.integers(0, BURST_NS // NS_PER_MS - 60), min_size=50, max_size=200))
def test_a_sender_that_comes_late_uses_the_cap(cap: int, late_ms: list[int]) -> None:
    """With a backlog and a thread that wakes late by less than the burst, again and again: more than 95 % is used."""
    line = Line(cap)
    block = block_bytes(cap)
    begin_ns = line.now_ns
    while line.now_ns < begin_ns + WINDOW_NS:
        # Whoever has nothing more to make good waits for its due time, and may wake late.
        waits = line.bucket.due_in_ns(MonotonicNs(line.now_ns)) > 0
        line.send(block, late_ms[len(line.left) % len(late_ms)] * NS_PER_MS if waits else 0)
    sent = sum(size_bytes for _, size_bytes in line.left)
    assert sent * NS_PER_S >= 0.95 * cap * (line.now_ns - begin_ns)


@settings(max_examples=40)
@given(CAPS, CAPS, st.integers(0, 400))
def test_a_change_of_the_cap_carries_nothing_over(before: int, after: int, idle_ms: int) -> None:
    """The first ten seconds under a new cap hold what it allows, whatever was saved or owed under the old one."""
    line = Line(before)
    for _ in range(100):
        line.send(block_bytes(before), 0)
    line.now_ns += line.bucket.due_in_ns(MonotonicNs(line.now_ns)) + idle_ms * NS_PER_MS
    line.bytes_per_s, line.left = after, []
    changed_ns = line.now_ns
    while line.now_ns < changed_ns + WINDOW_NS:
        line.send(block_bytes(after), 0)
    assert line.most_in(WINDOW_NS) <= after * 10 * (1.02 if after >= 125_000 else 1.05)
    assert line.most_in(WINDOW_NS) >= after * 10 * 0.95


@given(st.integers(1, 3), st.integers(0, 50), st.integers(1, 20))
def test_the_urgent_go_first_and_nobody_starves(others: int, urgent_priority: int, owed_s: int) -> None:
    """While urgent blocks keep coming the others wait, but each gets one within STARVED_NS and its turn."""
    turn_ns = 50 * NS_PER_MS
    line = [Waiting(urgent_priority + 10, MonotonicNs(0), number) for number in range(others)]
    last_turn = dict.fromkeys(range(others), 0)
    urgent = 0
    for turn in range(owed_s * 20):
        now_ns = MonotonicNs(turn * turn_ns)
        first = whose_turn([*line, Waiting(urgent_priority, now_ns, 1_000 + turn)], now_ns)
        assert first is not None
        if first.priority == urgent_priority:
            urgent += 1
        else:
            line.remove(first)
            line.append(Waiting(first.priority, now_ns, first.number))
            last_turn[first.number] = now_ns
        assert all(now_ns - since_ns <= STARVED_NS + others * turn_ns for since_ns in last_turn.values())
    assert urgent >= owed_s * 20 * 0.95 - others
    assert PACE_PERMILLE < 1_000
