"""Which notices are sent when: order, pauses, limits."""

from __future__ import annotations

from components.health_monitor.core.outbox_plan import (
    AT_ONCE_MAX,
    IN_FLIGHT_MAX,
    PAUSE_NS_MAX,
    PAUSE_NS_MIN,
    Sent,
    Waiting,
    after_answer,
    after_sending,
    due_now,
)
from components.shared.wire.units import NS_PER_S, MonotonicNs

NOW = MonotonicNs(1_000 * NS_PER_S)


def test_one_of_each_subject_is_sent_oldest_first() -> None:
    """The next one of a subject waits for the one before, others do not."""
    waiting = [Waiting("1", "a"), Waiting("2", "a"), Waiting("3", "b"), Waiting("4", "a")]
    assert due_now(waiting, {}, NOW) == ["1", "3"]
    sent = {"1": after_sending(None, NOW), "3": after_sending(None, NOW)}
    assert due_now(waiting, sent, NOW) == []
    assert due_now(waiting[1:], sent, NOW) == ["2"]


def test_pauses_grow_from_five_seconds_to_five_minutes() -> None:
    """Doubling; at its pause a notice is due, just before it is not."""
    waiting = [Waiting("1", "a")]
    sent = None
    pauses = []
    for _ in range(40):
        sent = after_sending(sent, NOW)
        pauses.append((sent.due_ns - NOW) // NS_PER_S)
        assert due_now(waiting, {"1": sent}, MonotonicNs(sent.due_ns - 1)) == []
        assert due_now(waiting, {"1": sent}, sent.due_ns) == ["1"]
    assert pauses[:8] == [5, 10, 20, 40, 80, 160, 300, 300] and pauses[-1] == PAUSE_NS_MAX // NS_PER_S


def test_an_answer_shows_that_there_is_a_way() -> None:
    """What was sent in vain long ago is due at once, what was sent just now after the shortest pause."""
    long_ago = Sent(9, MonotonicNs(NOW - 60 * NS_PER_S), MonotonicNs(NOW + 240 * NS_PER_S))
    just_now = Sent(9, NOW, MonotonicNs(NOW + 300 * NS_PER_S))
    left = after_answer({"1": long_ago, "2": just_now, "3": just_now}, ["3"])
    waiting = [Waiting("1", "a"), Waiting("2", "b")]
    assert sorted(left) == ["1", "2"]
    assert due_now(waiting, left, NOW) == ["1"]
    assert due_now(waiting, left, MonotonicNs(NOW + PAUSE_NS_MIN)) == ["1", "2"]


def test_limits_of_a_round_and_of_what_is_under_way() -> None:
    """So many at once; new ones only while fewer are under way, those under way again in any case."""
    waiting = [Waiting(str(number), str(number)) for number in range(IN_FLIGHT_MAX + 10)]
    assert len(due_now(waiting, {}, NOW)) == AT_ONCE_MAX
    just_sent = {entry.notice: after_sending(None, NOW) for entry in waiting}
    sent = {notice: just_sent[notice] for notice in list(just_sent)[: IN_FLIGHT_MAX - 1]}
    assert due_now(waiting, sent, NOW) == [str(IN_FLIGHT_MAX - 1)]
    sent = {notice: just_sent[notice] for notice in list(just_sent)[:IN_FLIGHT_MAX]}
    assert due_now(waiting, sent, NOW) == []
    assert len(due_now(waiting, sent, MonotonicNs(NOW + PAUSE_NS_MIN))) == AT_ONCE_MAX
