"""When CloudSync tries again."""

from __future__ import annotations

from components.cloud_sync.core.retry import (
    NETWORK_PAUSE_MAX_NS,
    OBJECT_PAUSE_FIRST_NS,
    OBJECT_PAUSE_MAX_NS,
    OBJECTS_WAITING_MAX,
    STORE_PAUSE_FIRST_NS,
    STORE_PAUSE_MAX_NS,
    RetryState,
    object_failed,
    pause_ns,
    store_answered,
    store_failed,
)
from components.shared.wire.units import NS_PER_S, MonotonicNs

NOW = MonotonicNs(1_000_000_000_000)
ALMOST_ONE = 1 - 2**-53


def test_pause_is_a_share_of_a_doubling_limit() -> None:
    """Full jitter: the pause is anything from nothing to the limit, which doubles up to the longest."""
    assert [pause_ns(failures, 2, 300, 0.5) for failures in (1, 2, 3, 9, 50)] == [1, 2, 4, 150, 150]
    assert pause_ns(1, 2, 300, 0.0) == 0
    assert pause_ns(10**9, OBJECT_PAUSE_FIRST_NS, OBJECT_PAUSE_MAX_NS, ALMOST_ONE) < OBJECT_PAUSE_MAX_NS


def test_failed_object_waits_alone() -> None:
    """An object that fails for its own reasons waits; the store and the others do not."""
    state = object_failed(RetryState(), "a", 1, NOW, 0.5)
    assert state.objects_waiting(NOW) == {"a"}
    assert state.store_is_due(NOW)
    due_ns = MonotonicNs(NOW + OBJECT_PAUSE_FIRST_NS // 2)
    assert state.next_due_ns(NOW) == due_ns
    assert state.objects_waiting(due_ns) == frozenset()


def test_store_that_is_away_stops_everybody_and_passes_the_object_over() -> None:
    """When the store is away nobody tries until the pause is over, and then another object goes first."""
    state = store_failed(RetryState(), "a", 1, NOW, (0.5, 0.0))
    assert not state.store_is_due(NOW)
    due_ns = MonotonicNs(NOW + STORE_PAUSE_FIRST_NS // 2)
    assert state.store_is_due(due_ns)
    assert state.objects_waiting(due_ns) == {"a"}


def test_failures_within_a_pause_are_the_same_failure() -> None:
    """Two attempts that lose the network together make one pause, not a longer one."""
    first = store_failed(RetryState(), "a", 1, NOW, (0.5, 0.5))
    second = store_failed(first, "b", 1, NOW, (0.9, 0.5))
    assert (second.store_failures, second.store_due_ns) == (1, first.store_due_ns)
    assert second.objects_waiting(NOW) == {"a", "b"}


def test_store_pauses_grow_to_their_limit_and_never_end() -> None:
    """However often the store fails, the next attempt comes within the longest pause."""
    state, now_ns = RetryState(), NOW
    for _ in range(200):
        state = store_failed(state, "a", 1, now_ns, (ALMOST_ONE, 0.0))
        assert state.store_due_ns - now_ns <= STORE_PAUSE_MAX_NS
        now_ns = state.store_due_ns
    assert state.store_failures == 200
    assert STORE_PAUSE_MAX_NS - (state.store_due_ns - NOW) // 200 < STORE_PAUSE_MAX_NS // 10


def test_answer_ends_the_stores_pause_and_keeps_other_waiters() -> None:
    """An answer of the store makes it due at once; objects that wait for their own reasons go on waiting."""
    state = object_failed(RetryState(), "bad", 5, NOW, 0.9)
    state = store_failed(state, "a", 1, NOW, (0.9, 0.9))
    state = store_answered(state, "a")
    assert state.store_is_due(NOW)
    assert state.store_failures == 0
    assert state.objects_waiting(NOW) == {"bad"}


def test_waiting_objects_are_bounded() -> None:
    """At the limit of waiting objects, one more makes the one that is due first due at once."""
    state = RetryState()
    for number in range(OBJECTS_WAITING_MAX):
        state = object_failed(state, f"key-{number}", number + 1, NOW, 0.5)
    assert len(state.objects_waiting(NOW)) == OBJECTS_WAITING_MAX
    state = object_failed(state, "one more", 5, NOW, 0.5)
    waiting = state.objects_waiting(NOW)
    assert len(waiting) == OBJECTS_WAITING_MAX
    assert "one more" in waiting
    assert "key-0" not in waiting


def test_a_network_that_is_away_is_looked_for_more_often_than_a_store_that_refuses() -> None:
    """Where nothing answers the pauses stay short: a network that is back is noticed within seconds."""
    state, now_ns = RetryState(), NOW
    for _ in range(50):
        state = store_failed(state, "a", 40, now_ns, (ALMOST_ONE, ALMOST_ONE), is_reached=False)
        assert state.store_due_ns - now_ns <= NETWORK_PAUSE_MAX_NS
        assert state.waiting["a"] - now_ns <= 2 * NETWORK_PAUSE_MAX_NS + NS_PER_S
        now_ns = state.store_due_ns
    refusing = store_failed(state, "a", 40, now_ns, (ALMOST_ONE, 0.0))
    assert refusing.store_due_ns - now_ns > NETWORK_PAUSE_MAX_NS
