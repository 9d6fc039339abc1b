"""health.db: alerts raised and cleared once, told in the same transaction, by way of an outbox that is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.shared.catalogue.alerts import (
    ALERTS_KEPT_MAX,
    NewAlert,
    alerts_of,
    clear_alert,
    count_raised,
    past_alerts,
    raise_alert,
    tell_cleared,
    tell_raised,
    unsettled_alerts,
)
from components.shared.catalogue.health import HealthWriter
from components.shared.catalogue.outbox import (
    MERGED_AT_ONCE_MAX,
    MERGED_KIND,
    OUTBOX_MAX,
    acknowledge,
    count_waiting,
    mark_handed,
    payload_of,
    put_notice,
    waiting_notices,
)
from components.shared.wire.alert_notice import AlertNotice, decode_notice, notice_of
from tests.fakes.archive import at
from tests.fakes.crash import CrashAt, CrashingDatabase
from tests.fakes.memory_folder import memory_folder

pytestmark = pytest.mark.slow  # real databases with real syncs

THING = "site-1"
OFFLINE = NewAlert("camera_offline", "cam-1", "critical", "connecting: unreachable")


@pytest.fixture
def writer() -> Iterator[HealthWriter]:
    with memory_folder() as folder:
        writer = HealthWriter.open(folder)
        yield writer
        writer.close()


def notices(writer: HealthWriter) -> list[AlertNotice]:
    """What waits, as it is sent."""
    return [decode_notice(payload_of(writer, row.notice) or b"") for row in waiting_notices(writer)]


def said(writer: HealthWriter) -> list[tuple[str, str]]:
    return [(notice.state, notice.subject) for notice in notices(writer)]


def test_an_alert_is_raised_and_cleared_once(writer: HealthWriter) -> None:
    """Raising it again and clearing it again do nothing; each is told once, with all that there is to say."""
    row = raise_alert(writer, THING, OFFLINE, at(0), is_held=False)
    assert row is not None
    assert raise_alert(writer, THING, OFFLINE, at(1), is_held=False) is None
    assert [active.alert for active in unsettled_alerts(writer)] == [row.alert]
    assert clear_alert(writer, THING, row.alert, at(9), is_held=False) is not None
    assert clear_alert(writer, THING, row.alert, at(10), is_held=False) is None
    raised, cleared = notices(writer)
    assert (raised.state, raised.raised_wall_ns, raised.reason) == ("raised", at(0), OFFLINE.reason)
    assert (cleared.state, cleared.raised_wall_ns, cleared.cleared_wall_ns) == ("cleared", at(0), at(9))
    assert raised.alert == cleared.alert == row.alert == cleared.trace_id
    assert unsettled_alerts(writer) == []
    assert [past.alert for past in past_alerts(writer, 5)] == [row.alert]


def test_what_happens_and_what_is_told_are_one_transaction(writer: HealthWriter) -> None:
    """A process that is killed leaves both or none: there is no step between them."""
    crash = CrashAt()
    stepping = HealthWriter(CrashingDatabase(writer.database, crash))  # type: ignore[arg-type]  # stands for it
    row = raise_alert(stepping, THING, OFFLINE, at(0), is_held=False)
    assert row is not None
    clear_alert(stepping, THING, row.alert, at(9), is_held=False)
    assert said(writer) == [("raised", "cam-1"), ("cleared", "cam-1")]
    assert len(crash.steps) == 4, crash.steps


def test_group_is_told_with_its_number(writer: HealthWriter) -> None:
    """An alert of many has their names in the catalogue and their number in what is told."""
    row = raise_alert(writer, THING, NewAlert("cameras_offline", "site", "critical", "", ("a", "b", "c")), at(0), False)
    assert row is not None and row.members == ("a", "b", "c")
    assert notices(writer)[0].count == row.count == 3


def test_an_alert_that_comes_back_is_another_one(writer: HealthWriter) -> None:
    """Also when the clock was set back to the very moment: an id is of one alert."""
    for _ in range(3):
        row = raise_alert(writer, THING, OFFLINE, at(5), is_held=False)
        assert row is not None
        clear_alert(writer, THING, row.alert, at(6), is_held=False)
    assert len({notice.id for notice in notices(writer)}) == 6
    assert len(alerts_of(writer, OFFLINE.kind, OFFLINE.subject)) == 3


def test_what_is_held_is_not_told_until_it_is(writer: HealthWriter) -> None:
    """A beginning that was held is told once; one that is over by then never is."""
    held, over = (
        raise_alert(writer, THING, NewAlert("kind", name, "warning", ""), at(0), is_held=True) for name in ("a", "b")
    )
    assert held is not None and over is not None
    clear_alert(writer, THING, over.alert, at(1), is_held=False)
    assert said(writer) == []
    assert tell_raised(writer, THING, held.alert, at(2)) and not tell_raised(writer, THING, held.alert, at(3))
    assert not tell_raised(writer, THING, over.alert, at(2)) and not tell_cleared(writer, THING, over.alert, at(2))
    assert said(writer) == [("raised", "a")]


def test_alerts_and_notices_are_counted(writer: HealthWriter) -> None:
    """An alert counts until it is over, held or not; a notice until it is acknowledged."""

    def counts() -> tuple[int, int]:
        return count_raised(writer), count_waiting(writer)

    assert counts() == (0, 0)
    told = raise_alert(writer, THING, OFFLINE, at(0), is_held=False)
    raise_alert(writer, THING, NewAlert("camera_offline", "cam-2", "critical", ""), at(0), is_held=True)
    assert told is not None and counts() == (2, 1)
    clear_alert(writer, THING, told.alert, at(9), is_held=False)
    assert counts() == (1, 2)
    acknowledge(writer, [row.notice for row in waiting_notices(writer)], at(10))
    assert counts() == (1, 0)


def test_end_that_is_held_is_told_once(writer: HealthWriter) -> None:
    """Until then it stands among what is not settled."""
    row = raise_alert(writer, THING, OFFLINE, at(0), is_held=False)
    assert row is not None
    clear_alert(writer, THING, row.alert, at(1), is_held=True)
    assert said(writer) == [("raised", "cam-1")]
    assert [(left.alert, left.cleared_ns) for left in unsettled_alerts(writer)] == [(row.alert, at(1))]
    assert tell_cleared(writer, THING, row.alert, at(2)) and not tell_cleared(writer, THING, row.alert, at(3))
    assert said(writer) == [("raised", "cam-1"), ("cleared", "cam-1")]
    assert unsettled_alerts(writer) == []


def test_digest_stands_for_what_it_tells_of(writer: HealthWriter) -> None:
    """Its alerts name it; only those that were not told."""
    rows = [raise_alert(writer, THING, NewAlert("kind", name, "warning", ""), at(0), name != "c") for name in "abc"]
    ids = [row.alert for row in rows if row]
    digest = raise_alert(writer, THING, NewAlert("held_alerts", "site", "warning", ""), at(1), False, ids)
    assert digest is not None and digest.count == 3
    assert [row.digest for row in unsettled_alerts(writer)] == [digest.alert, digest.alert, None, None]


def test_acknowledged_notice_waits_no_more(writer: HealthWriter) -> None:
    """A second acknowledgement, and one of what nobody knows, change nothing."""
    row = raise_alert(writer, THING, OFFLINE, at(0), is_held=False)
    assert row is not None
    notice = waiting_notices(writer)[0].notice
    assert acknowledge(writer, [notice, "0" * 32, notice], at(3)) == [notice]
    assert acknowledge(writer, [notice], at(9)) == []
    assert waiting_notices(writer) == []
    assert unsettled_alerts(writer)[0].raised_acknowledged_ns == at(3)


def test_handed_over_is_noted(writer: HealthWriter) -> None:
    """It is no delivery: the notice waits on. One that is gone meanwhile is no matter."""
    raise_alert(writer, THING, OFFLINE, at(0), is_held=False)
    mark_handed(writer, [waiting_notices(writer)[0].notice, "0" * 32], at(2))
    assert [row.handed_ns for row in waiting_notices(writer)] == [at(2)]


def flap(writer: HealthWriter, times: int, subject: str = "cam-1", kind: str = "camera_offline") -> None:
    """An alert that comes and goes; as one transaction, for the test's own sake."""
    with writer.database.transaction("flap") as do:
        for _ in range(times):
            number = do("SELECT coalesce(max(number), 0) FROM alert")[0][0]
            begun, over = (
                notice_of(THING, kind, subject, "critical", "away", at(2 * number), cleared_ns)
                for cleared_ns in (None, at(2 * number + 1))
            )
            do(
                "INSERT INTO alert (alert, kind, subject, severity, reason, members, count, raised_ns, cleared_ns, "
                "told) VALUES (?, ?, ?, 'critical', 'away', '[]', 1, ?, ?, 'cleared')",
                *(begun.alert, kind, subject, begun.raised_wall_ns, over.cleared_wall_ns),
            )
            put_notice(do, begun, at(2 * number))
            put_notice(do, over, at(2 * number + 1))


def test_full_outbox_tells_what_is_over_by_its_end_alone(writer: HealthWriter) -> None:
    """At the limit nothing is merged; above it the oldest pairs are, and their ends say when they began."""
    flap(writer, OUTBOX_MAX // 2)
    assert len(notices(writer)) == OUTBOX_MAX
    assert not any("before it could be told" in notice.reason for notice in notices(writer))
    raise_alert(writer, THING, NewAlert("camera_offline", "cam-2", "critical", ""), at(0), is_held=False)
    found = notices(writer)
    assert len(found) == OUTBOX_MAX + 1 - MERGED_AT_ONCE_MAX
    merged = [notice for notice in found if "before it could be told" in notice.reason]
    assert [notice.state for notice in merged] == ["cleared"] * MERGED_AT_ONCE_MAX
    assert [notice.raised_wall_ns for notice in merged] == [at(2 * number) for number in range(MERGED_AT_ONCE_MAX)]
    assert said(writer)[-1] == ("raised", "cam-2")


def test_outbox_is_bounded_and_nothing_is_dropped(writer: HealthWriter) -> None:
    """Weeks of flapping without a network: the outbox stays at its limit, and tells of every alert."""
    raise_alert(writer, THING, NewAlert("disk_nearly_full", "box", "warning", ""), at(0), is_held=False)
    times = 2 * OUTBOX_MAX
    for number in range(times // 20):
        flap(writer, 20, f"cam-{number % 7}", "camera_offline" if number % 2 else "camera_frozen")
        assert len(waiting_notices(writer)) <= OUTBOX_MAX
    found = notices(writer)
    told = {notice.alert for notice in found if notice.kind.startswith("camera_")}
    merged = [notice for notice in found if notice.kind == MERGED_KIND]
    assert merged and len({notice.id for notice in found}) == len(found)
    assert len(told) + sum(notice.count for notice in merged) == times
    assert "camera_frozen" in merged[0].reason and "camera_offline" in merged[0].reason
    assert all(notice.state == "cleared" and notice.severity == "critical" for notice in merged)
    assert ("raised", "box") in said(writer)
    gone = [row for row in past_alerts(writer, 1_000) if row.alert not in told and row.kind != MERGED_KIND]
    ids = {row.alert for row in past_alerts(writer, 1_000) if row.kind == MERGED_KIND}
    assert all(row.digest in ids for row in gone)


def test_what_was_handed_over_is_not_merged(writer: HealthWriter) -> None:
    """The cloud may have it: whoever heard of a beginning hears of its end."""
    flap(writer, OUTBOX_MAX // 2)
    first = waiting_notices(writer)[0].notice
    mark_handed(writer, [first], at(5))
    flap(writer, 1, "cam-2")
    assert waiting_notices(writer)[0].notice == first
    assert said(writer)[:2] == [("raised", "cam-1"), ("cleared", "cam-1")]


def test_history_is_bounded_and_keeps_what_waits(writer: HealthWriter) -> None:
    """Oldest first; never what is active or has not arrived yet."""
    flap(writer, 2, "waits")
    raise_alert(writer, THING, NewAlert("kind", "active", "warning", ""), at(0), is_held=True)
    with writer.database.transaction("fill") as do:
        do(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
            "INSERT INTO alert (alert, kind, subject, severity, reason, members, count, raised_ns, cleared_ns, told) "
            "SELECT 'alert-' || n, 'kind', 'past-' || n, 'warning', '', '[]', 1, n, n, 'cleared' FROM n",
            ALERTS_KEPT_MAX,
        )
    row = raise_alert(writer, THING, NewAlert("kind", "last", "warning", ""), at(0), is_held=True)
    assert row is not None
    clear_alert(writer, THING, row.alert, at(1), is_held=False)
    subjects = [row[0] for row in writer.database.read("SELECT subject FROM alert ORDER BY number")]
    assert subjects[:5] == ["waits", "waits", "active", "past-2", "past-3"]
    assert subjects[-1] == "last" and len(subjects) == ALERTS_KEPT_MAX + 3


def test_longest_texts_are_cut(writer: HealthWriter) -> None:
    """Whatever a component says fits, in the catalogue and in a message."""
    new = NewAlert("kind", "s" * 900, "warning", "ü" * 9_000)
    row = raise_alert(writer, THING, new, at(0), is_held=False)
    assert row is not None and (len(row.subject), len(row.reason)) == (200, 500)
    assert raise_alert(writer, THING, new, at(1), is_held=False) is None
    assert waiting_notices(writer)[0].subject == row.subject
