"""When it is quiet, also where clocks change, and what is told after it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from components.health_monitor.core.quiet_hours import Known, Quiet, Telling, digests_over, quiet_at, telling
from components.shared.errors import Rejected
from components.shared.wire.alert_config import QuietSection, parse_quiet
from components.shared.wire.site_config import parse_site
from components.shared.wire.units import from_datetime

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietSection(warning="22:00-07:00")
NONE: Quiet = {"warning": False, "critical": False}
ALL: Quiet = {"warning": True, "critical": True}


def is_quiet(section: QuietSection, moment: str, zone: ZoneInfo = BERLIN) -> bool:
    """Whether warnings are held at a moment in UTC."""
    return quiet_at(section, zone, from_datetime(datetime.fromisoformat(moment).replace(tzinfo=UTC)))["warning"]


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-01-15T20:59:59", False),  # 21:59:59 in Berlin
        ("2026-01-15T21:00:00", True),
        ("2026-01-16T00:30:00", True),
        ("2026-01-16T05:59:59", True),
        ("2026-01-16T06:00:00", False),
        ("2026-07-15T19:59:59", False),  # 21:59:59 in summer
        ("2026-07-15T20:00:00", True),
        ("2026-07-16T05:00:00", False),
    ],
)
def test_quiet_hours_over_midnight_in_local_time(moment: str, quiet: bool) -> None:
    """From 22:00 to 07:00 by the clock on the wall, in winter and in summer."""
    assert is_quiet(NIGHT, moment) == quiet


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        # 2026-10-25: 02:00 to 03:00 comes twice, 00:00 and 01:00 UTC.
        ("2026-10-24T23:59:59", False),
        ("2026-10-25T00:00:00", True),
        ("2026-10-25T00:59:59", True),
        ("2026-10-25T01:00:00", True),
        ("2026-10-25T01:59:59", True),
        ("2026-10-25T02:00:00", False),
        # 2026-03-29: 02:00 to 03:00 is skipped; 01:00 UTC is 03:00.
        ("2026-03-29T00:59:59", False),
        ("2026-03-29T01:00:00", False),
    ],
)
def test_where_clocks_change(moment: str, quiet: bool) -> None:
    """The hour that comes twice is quiet both times, the one that is skipped is not there."""
    assert is_quiet(QuietSection(warning="02:00-03:00"), moment) == quiet


def test_night_is_an_hour_longer_or_shorter_where_clocks_change() -> None:
    """22:00 to 07:00 lasts ten hours in the night of autumn and eight in that of spring."""

    def hours(day: str) -> int:
        evening = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
        moments = (from_datetime(evening) + hour * 3_600 * 10**9 for hour in range(24))
        return sum(quiet_at(NIGHT, BERLIN, moment)["warning"] for moment in moments)  # type: ignore[arg-type]  # wall

    assert (hours("2026-10-24"), hours("2026-03-28"), hours("2026-06-01")) == (10, 8, 9)


def test_critical_passes_unless_it_has_quiet_hours_of_its_own() -> None:
    """Each severity has its own spans; none is quiet without one."""
    noon = from_datetime(datetime(2026, 1, 15, 23, tzinfo=UTC))
    assert quiet_at(NIGHT, BERLIN, noon) == {"warning": True, "critical": False}
    both = QuietSection(warning="12:00-13:00, 22:00-07:00", critical="23:00-24:00, 00:00-05:00")
    assert quiet_at(both, BERLIN, noon) == ALL
    assert quiet_at(QuietSection(), BERLIN, noon) == NONE
    assert quiet_at(QuietSection(warning="00:00-24:00"), BERLIN, noon)["warning"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("7-8", "HH:MM"),
        ("08:00-08:00", "no span"),
        ("24:00-07:00", "no span"),
        ("08:61-09:00", "no time"),
        ("25:00-26:00", "no time"),
        ("01:00-02:00,,", "HH:MM"),
        ("01:00-02:00, 02:00-03:00, 03:00-04:00, 04:00-05:00, 05:00-06:00", "at most 4"),
    ],
)
def test_bad_quiet_hours_are_refused_by_name(text: str, told: str) -> None:
    """A site's document says which field is wrong, and how."""
    with pytest.raises(ValueError, match=told):
        parse_quiet(text)
    with pytest.raises(Rejected, match=r"health\.alerts\.quiet\.warning.*" + told):
        parse_site({"schema": 2, "health": {"alerts": {"quiet": {"warning": text}}}})


def held(name: str, **changes: object) -> Known:
    """A warning that was raised in quiet hours."""
    values: dict[str, object] = {"severity": "warning", "is_active": True, "told": "nothing", "digest": None, **changes}
    return Known(alert=name, **values)  # type: ignore[arg-type]  # as the test says


def test_while_it_is_quiet_nothing_is_told() -> None:
    """Neither what was raised, nor the end of what was told before."""
    assert telling([held("a"), held("b", told="raised", is_active=False)], ALL) == Telling()


def test_one_that_still_holds_is_told_by_itself() -> None:
    """A digest of one would say less."""
    assert telling([held("a"), held("b", is_active=False)], NONE) == Telling(raised=("a",))


def test_several_that_still_hold_are_told_together() -> None:
    """As severe as the worst of them; what is over is told to nobody."""
    known = [held("a"), held("b", severity="critical"), held("c", is_active=False), held("d", told="raised")]
    assert telling(known, NONE) == Telling(digest=("a", "b"), severity="critical")


def test_only_those_whose_quiet_is_over_are_told() -> None:
    """A critical one does not wait for the warnings' morning."""
    known = [held("a"), held("b", severity="critical")]
    assert telling(known, {"warning": True, "critical": False}) == Telling(raised=("b",))


def test_what_a_digest_tells_of_is_not_told_again() -> None:
    """Neither when it holds on nor when it is over."""
    assert telling([held("a", digest="d"), held("b", digest="d", is_active=False)], NONE) == Telling()


def test_end_that_was_held_is_told() -> None:
    """Whoever heard of the beginning hears of the end."""
    assert telling([held("a", told="raised", is_active=False)], NONE) == Telling(cleared=("a",))


def test_digest_is_over_with_the_last_of_its_alerts() -> None:
    """One that holds keeps it."""
    known = [held("a", digest="d"), held("b", digest="e", is_active=False)]
    assert digests_over(known, ["d", "e"]) == ("e",)
