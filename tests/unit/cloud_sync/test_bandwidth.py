"""Which cap is in force when, by the clocks of the site's time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from components.cloud_sync.core.bandwidth import (
    BLOCK_BYTES_MAX,
    BLOCK_BYTES_MIN,
    Limit,
    block_bytes,
    limit_at,
    next_minute_ns,
    whose_turn,
)
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> WallNs:
    """A moment given in UTC."""
    return WallNs(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S)


def section(**members: object) -> SyncSection:
    return SyncSection.model_validate(members)


def test_without_settings_there_is_no_cap() -> None:
    """A site that says nothing uploads as fast as it can."""
    assert limit_at(SyncSection(), UTC, at("2026-11-27T12:00")) == Limit(None, "none")


def test_cap_span_and_pause_by_rank() -> None:
    """A pause counts more than a span, a span more than the site's cap; a span ends at its end."""
    settings: dict[str, object] = {"cap_kbit_s": 2_000, "schedule": {"fri": "08:00-18:00 256, 20:00-24:00 none"}}
    caps = {
        "2026-11-27T07:59:59": Limit(250_000, "cap"),
        "2026-11-27T08:00:00": Limit(32_000, "schedule"),
        "2026-11-27T17:59:59": Limit(32_000, "schedule"),
        "2026-11-27T18:00:00": Limit(250_000, "cap"),
        "2026-11-27T23:59:59": Limit(None, "schedule"),
        "2026-11-28T00:00:00": Limit(250_000, "cap"),
    }
    for moment, limit in caps.items():
        assert limit_at(section(**settings), UTC, at(moment)) == limit, moment
        assert limit_at(section(**settings, paused=True), UTC, at(moment)) == Limit(0, "paused")
    assert Limit(0, "paused").is_closed
    assert not Limit(None).is_closed


def test_span_of_nothing_closes() -> None:
    """A span of 0 lets nothing out while it lasts."""
    assert limit_at(section(schedule={"fri": "08:00-18:00 0"}), UTC, at("2026-11-27T12:00")).is_closed


@pytest.mark.parametrize(
    ("moment", "bytes_per_s"),
    [
        # The clocks go from 03:00 CEST back to 02:00 CET at 01:00 UTC: 02:30 is shown twice, and capped twice.
        ("2026-10-24T23:59", None),  # 01:59 CEST
        ("2026-10-25T00:00", 32_000),  # 02:00 CEST
        ("2026-10-25T00:59", 32_000),
        ("2026-10-25T01:00", 32_000),  # 02:00 CET
        ("2026-10-25T01:59", 32_000),
        ("2026-10-25T02:00", None),  # 03:00 CET
        # They go from 02:00 CET to 03:00 CEST at 01:00 UTC: 02:30 is never shown.
        ("2026-03-29T00:59", None),
        ("2026-03-29T01:00", None),
        ("2026-03-29T01:30", None),
    ],
)
def test_span_over_a_change_of_the_clocks(moment: str, bytes_per_s: int | None) -> None:
    """What the site's clocks show counts."""
    settings = section(schedule={"sun": "02:00-03:00 256"})
    assert limit_at(settings, BERLIN, at(moment)).bytes_per_s == bytes_per_s


def test_day_of_the_week_is_the_sites() -> None:
    """Friday begins in Auckland while it is Thursday in UTC."""
    settings = section(schedule={"fri": "00:00-24:00 256"})
    moment = at("2026-11-26T12:00")
    assert limit_at(settings, ZoneInfo("Pacific/Auckland"), moment).source == "schedule"
    assert limit_at(settings, UTC, moment).source == "none"


def test_next_minute() -> None:
    """A limit changes at full minutes."""
    assert next_minute_ns(at("2026-11-27T07:59:59")) == NS_PER_S
    assert next_minute_ns(at("2026-11-27T08:00:00")) == 60 * NS_PER_S


def test_blocks_stay_small() -> None:
    """50 ms of the cap, within bounds."""
    assert block_bytes(250_000) == 12_500
    assert block_bytes(8_000) == BLOCK_BYTES_MIN
    assert block_bytes(12_500_000) == BLOCK_BYTES_MAX


def test_nobody_waits() -> None:
    """Then it is nobody's turn."""
    assert whose_turn([], MonotonicNs(0)) is None
