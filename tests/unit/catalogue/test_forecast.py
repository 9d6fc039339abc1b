"""How long a volume's room lasts follows from what was recorded in the last day and what may be filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.catalogue.capture import Volume
from components.shared.catalogue.forecast import DAY_NS, VolumeUsage, forecast, read_usage
from components.shared.wire.recording_config import RetentionSection
from tests.fakes.archive import Archive, at

GB = 10**9
NOW = at(0)


@pytest.mark.parametrize(
    ("free_gb", "footage_gb", "held", "until_full"),
    [
        (1_000, 0, 9.0, 9.0),  # 900 above the tenth that stays free, 100 a day
        (550, 450, 9.0, 4.5),
        (100, 900, 9.0, 0.0),
        (50, 950, 9.5, 0.0),  # less than the tenth already
    ],
)
def test_a_disk_that_fills_up(free_gb: int, footage_gb: int, held: float, until_full: float) -> None:
    """A disk that cannot hold all days is full when what is free above the least is used up."""
    usage = VolumeUsage("main", footage_gb * GB, 50 * GB, DAY_NS // 2, NOW - DAY_NS)
    made = forecast(usage, 1_000 * GB, free_gb * GB, RetentionSection(days=30), NOW)
    assert (made.bytes_per_day, made.days_held, made.days_until_full) == (100 * GB, held, until_full)
    assert (made.oldest_days, made.days_max) == (1.0, 30)


def test_a_disk_that_never_fills(tmp_path: Path) -> None:
    """Where more days fit than are kept, footage goes for its age and the disk is never full."""
    usage = VolumeUsage("main", 0, 50 * GB, DAY_NS, None)
    for days, until_full in ((17, None), (18, None), (19, 18.0)):
        made = forecast(usage, 1_000 * GB, 1_000 * GB, RetentionSection(days=days), NOW)
        assert (made.days_held, made.days_until_full) == (18.0, until_full)


def test_nothing_recorded_tells_nothing() -> None:
    """Without footage, or with seconds of it, there is no rate and no forecast."""
    for usage in (VolumeUsage("main", 0, 0, DAY_NS, None), VolumeUsage("main", 5, 5, 1_000_000_000, NOW)):
        made = forecast(usage, 100, 50, RetentionSection(), NOW)
        assert (made.bytes_per_day, made.days_held, made.days_until_full) == (0, None, None)


def test_usage_of_a_catalogue(tmp_path: Path) -> None:
    """The rate is that of the last day, or of the whole record when that is younger; per volume."""
    archive = Archive(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    archive.writer.register_volume(Volume("second", second))
    day_s = DAY_NS // 10**9
    old, new = archive.record(at(0)), archive.record(at(1.5 * day_s))
    size_bytes = old.size_bytes + new.size_bytes
    empty = VolumeUsage("second", 0, 0, 0, None)
    expected = VolumeUsage("main", size_bytes, new.size_bytes, DAY_NS, at(0))
    assert read_usage(archive.writer, at(2 * day_s)) == [expected, empty]
    young = VolumeUsage("main", size_bytes, size_bytes, at(0.9 * day_s) - at(0), at(0))
    assert read_usage(archive.writer, at(0.9 * day_s)) == [young, empty]
    archive.close()
