"""Forecasts follow from what was recorded, carried and lost lately, by the formulas that they state."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from components.shared.catalogue.camera_risk import BEFORE_DAYS, judge_camera, poisson_tail, read_camera_risks
from components.shared.catalogue.capture import GapRow, StreamRow
from components.shared.catalogue.class_forecast import (
    ClassUsage,
    days_until_full,
    forecast_volume,
    read_class_usage,
)
from components.shared.catalogue.forecast import DAY_NS
from components.shared.catalogue.pending import pending_after
from components.shared.catalogue.site_forecast import SiteForecast, read_site_forecast
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.catalogue.upload_forecast import BEHIND_NS, forecast_uploads, read_upload_forecast
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.archive import Archive, at

GB = 10**9
DAY_S = DAY_NS // NS_PER_S
HOUR_S = 3_600
KEPT = RetentionSection(days=10, event_days=40, free_percent_min=10)


@pytest.mark.parametrize(
    ("room", "growths", "days"),
    [
        (100, [], None),
        (100, [(10, 20.0)], 10.0),
        (100, [(10, 10.0)], 10.0),
        (100, [(10, 9.9)], None),
        (100, [(10, 5.0), (5, 20.0)], 10.0),  # 75 in the first five days, then 5 a day: after five more
        (0, [(10, 5.0)], 0.0),
        (0, [(10, 0.0)], None),  # as much goes as comes
        (100, [(0, 99.0)], None),
    ],
)
def test_room_is_used_up_by_what_grows(room: int, growths: list[tuple[int, float]], days: float | None) -> None:
    """Each grows at its rate for its days; the room is used up when their sum reaches it, or never."""
    assert days_until_full(room, growths) == days


def test_each_class_by_its_own_days() -> None:
    """Continuous footage is as old as it may become and grows no more; motion has thirty days to go."""
    now_ns = at(0)
    usages = [
        ClassUsage("main", "continuous", 500 * GB, 50 * GB, DAY_NS, now_ns - 10 * DAY_NS),
        ClassUsage("main", "motion", 40 * GB, 2 * GB, DAY_NS // 2, now_ns - 10 * DAY_NS),
        ClassUsage("second", "motion", 40 * GB, 2 * GB, DAY_NS, now_ns - DAY_NS),
    ]
    made = forecast_volume("main", usages, 1_000 * GB, 180 * GB, KEPT, now_ns)
    assert [(one.footage_class, one.bytes_per_day, one.grows_days) for one in made.classes] == [
        ("continuous", 50 * GB, 0.0),
        ("motion", 4 * GB, 30.0),
    ]
    assert (made.room_bytes, made.days_until_full) == (80 * GB, 20.0)


def test_class_usage_of_a_catalogue(tmp_path: Path) -> None:
    """What a catalogue holds is told per volume and class, lately and in all."""
    archive = Archive(tmp_path)
    old, new = archive.record(at(0)), archive.record(at(1.5 * DAY_S))
    moving = archive.record(at(1.5 * DAY_S), camera="cam-2")
    with archive.writer.database.transaction("motion") as do:
        do("INSERT INTO motion_segment (segment) VALUES (?)", moving.segment)
    assert read_class_usage(archive.writer, at(2 * DAY_S)) == [
        ClassUsage("main", "continuous", old.size_bytes + new.size_bytes, new.size_bytes, DAY_NS, at(0)),
        ClassUsage("main", "motion", moving.size_bytes, moving.size_bytes, DAY_NS // 2, at(1.5 * DAY_S)),
    ]
    archive.close()


@pytest.mark.parametrize(
    ("waiting_bytes", "oldest_ns", "uploaded", "queued", "hours"),
    [
        (0, 0, 0, 0, 0.0),
        (10, 0, 0, 10, None),  # nothing was carried
        (10, BEHIND_NS, 20, 20, 0.5),  # it keeps up: what it carries is what comes
        (100, BEHIND_NS + 1, 20, 20, None),
        (100, BEHIND_NS + 1, 19, 20, None),
        (100, BEHIND_NS + 1, 30, 20, 10.0),
    ],
)
def test_uploads(waiting_bytes: int, oldest_ns: int, uploaded: int, queued: int, hours: float | None) -> None:
    """Waiting bytes by what the link has carried in an hour; of what is behind, less what came meanwhile."""
    made = forecast_uploads(1 if waiting_bytes else 0, waiting_bytes, oldest_ns, uploaded, queued)
    assert made.hours_until_done == hours


def upload(number: int, size_bytes: int, enqueued_s: float) -> UploadRow:
    """A queued upload."""
    hashes = ("0" * 64, ("0" * 64,))
    name = f"segment-{number}"
    return UploadRow(name, "segment", "cam-1", name, "main", name, size_bytes, *hashes, {}, 1, at(enqueued_s))


def test_uploads_of_a_catalogue(tmp_path: Path) -> None:
    """Only what was carried and what came within the hour counts, of all that there ever was."""
    sync = SyncWriter.open(tmp_path)
    rows = [upload(number, 3_600 * 10**number, number * HOUR_S) for number in range(5)]
    sync.enqueue("capture", rows, 1)
    sync.mark_uploaded(rows[0].key, "e", at(3.5 * HOUR_S))
    sync.mark_uploaded(rows[1].key, "e", at(4.5 * HOUR_S))
    made = read_upload_forecast(sync, at(4.6 * HOUR_S))
    sync.close()
    assert (made.uploaded_bytes_per_s, made.queued_bytes_per_s) == (10, 10_000)
    assert (made.waiting, made.waiting_bytes, made.oldest_waits_s) == (3, 3_600 * 11_100, int(2.6 * HOUR_S))
    assert made.hours_until_done is None


@pytest.mark.parametrize(("count", "expected"), [(0, 3.0), (1, 0.1), (3, 2.0), (5, 20.0), (40, 3.0), (900, 1_000.0)])
def test_poisson_tail(count: int, expected: float) -> None:
    """The chance of so many or more is that of the sum of all of them."""
    terms = (math.exp(i * math.log(expected) - expected - math.lgamma(i + 1)) for i in range(count, count + 3_000))
    assert poisson_tail(count, expected) == pytest.approx(math.fsum(terms), rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("failures", "before", "days", "risk"),
    [
        (0, 0, 14.0, "low"),
        (2, 0, 14.0, "low"),  # twice is a coincidence
        (3, 0, 14.0, "high"),
        (3, 14, 14.0, "low"),  # one a day is usual with it
        (5, 14, 14.0, "raised"),
        (7, 14, 14.0, "high"),
        (3, 0, 0.0, "low"),  # of a new camera nothing is known
        (9, 0, 0.0, "high"),
    ],
)
def test_risk_of_a_camera(failures: int, before: int, days: float, risk: str) -> None:
    """More failures than usual are a risk, as many as usual are none, however many that is."""
    assert judge_camera("cam-1", "main", {"unreachable": failures}, before, days).risk == risk


def test_risks_of_a_catalogue(tmp_path: Path) -> None:
    """Gaps that the camera is the cause of count, by day; what the box, the disk or a schedule caused does not."""
    archive = Archive(tmp_path)
    now_s = 5 * DAY_S
    archive.writer.set_stream(StreamRow("cam-1", "main", "recording", "", at(0), 0, at(0)))
    archive.writer.set_stream(StreamRow("cam-2", "main", "off", "schedule", at(0), 0, at(0)))
    lately = [("unreachable", -9), ("frozen", -8), ("unreachable", -7), ("disk", -6), ("schedule", -5)]
    before = [("unreachable", -30), ("component_down", -31)]
    for cause, hours in sorted(lately + before, key=lambda one: one[1]):
        begin_s = now_s + hours * HOUR_S
        archive.writer.add_gap(GapRow("cam-1", "main", at(begin_s), at(begin_s + 60), cause))
    (found,) = read_camera_risks(archive.writer, at(now_s))
    assert (found.camera, found.failures, found.causes) == ("cam-1", 3, {"frozen": 1, "unreachable": 2})
    assert (found.failures_before, found.days_before, found.expected) == (1, 4.0, 0.4)
    assert found.risk == "raised"
    very_old = read_camera_risks(archive.writer, at(now_s + 99 * DAY_S))
    assert [(one.failures, one.failures_before, one.days_before) for one in very_old] == [(0, 0, BEFORE_DAYS)]
    archive.close()


def test_forecast_of_a_site(tmp_path: Path) -> None:
    """Without catalogues there is nothing to tell; with them every volume that is there has a forecast."""
    assert read_site_forecast(tmp_path, KEPT, at(0)) == SiteForecast()
    archive = Archive(tmp_path)
    archive.record(at(0))
    made = read_site_forecast(tmp_path, KEPT, at(DAY_S))
    assert [(one.volume, len(one.classes)) for one in made.volumes] == [("main", 1)]
    assert made.uploads is None
    archive.close()


def test_pending_counts_segments_and_not_numbers(tmp_path: Path) -> None:
    """Numbers of what was deleted are no work."""
    archive = Archive(tmp_path)
    rows = [archive.record(at(5 * number)) for number in range(4)]
    archive.writer.mark_garbage(rows[2].segment, "retention")
    assert [pending_after(archive.writer, cursor) for cursor in (0, 1, 4)] == [3, 2, 0]
    archive.close()


def test_oldest_upload_by_a_clock_that_was_put_back(tmp_path: Path) -> None:
    """What was queued in a future waits for no time."""
    sync = SyncWriter.open(tmp_path)
    sync.enqueue("capture", [upload(1, 10, 0)], 1)
    assert read_upload_forecast(sync, WallNs(at(0) - DAY_NS)).oldest_waits_s == 0
    sync.close()
