"""Every figure of the table, worked out from a picture."""

from __future__ import annotations

from dataclasses import replace

from components.health_monitor.core.findings import alert_figures
from components.health_monitor.core.measures import Sample, Tally, measure
from components.health_monitor.core.picture import Picture, Stream, Uploads
from components.health_monitor.core.rules import judge
from components.shared.wire import metrics
from components.shared.wire.metrics import METRICS
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from tests.unit.health_monitor.test_findings import READ
from tests.unit.health_monitor.test_rules import BOX, HEALTHY, NOW, WALL, heard, stream

BUSY = replace(
    HEALTHY,
    watching_since_ns=MonotonicNs(NOW - 100 * NS_PER_S),
    heard={"Capture": heard(ago_ns=2 * NS_PER_S, backlog=3, idle_ns=4 * NS_PER_S)},
    streams=(
        stream("cam-1", "recording", 60 * NS_PER_S),
        Stream("cam-1", "sub", "offline", "unreachable", WallNs(WALL - 5 * NS_PER_S), 7),
        stream("cam-2", "off"),
        stream("cam-3", "offline", 9 * NS_PER_S),
    ),
    uploads=Uploads(waiting=5, waiting_bytes=700, refused=1),
    box=replace(BOX, temperature_c=61.5),
)


FOUND = {**READ, **alert_figures(raised=2, notices_waiting=3)}
"""What was found beyond the picture: every probe has read something."""


def of(picture: Picture, tally: Tally | None = None) -> tuple[Sample, ...]:
    return measure(picture, judge(picture), tally or Tally(), FOUND)


def test_each_figure_of_the_table_is_worked_out() -> None:
    """HealthMonitor has a sample of every figure that the table gives it, each once per label values, and no other."""
    samples = of(BUSY)
    assert {sample.metric for sample in samples} == {one for one in METRICS if one.made_by == "HealthMonitor"}
    told = [(sample.metric.name, sample.labels) for sample in samples]
    assert len(set(told)) == len(told)
    assert all(len(sample.labels) == len(sample.metric.labels) for sample in samples)


def test_figures_are_those_of_the_picture() -> None:
    """Each figure has the value that the picture gives it."""
    samples = of(BUSY, Tally(looks=9, telemetry_sent=8, telemetry_failed=7))
    site = {sample.metric: sample.value for sample in samples if not sample.labels}
    assert site == {
        metrics.CAMERAS: 2,
        metrics.CAMERAS_RECORDING: 1,
        metrics.CAMERAS_IMPAIRED: 2,
        metrics.COMPONENTS_DOWN: 4,
        metrics.CONDITIONS: 7,
        metrics.UPLOADS_WAITING_BYTES: 700,
        metrics.UPLOADS_WAITING: 5,
        metrics.UPLOADS_REFUSED: 1,
        metrics.DISK_USED: 50,
        metrics.DISK_FREE: 50,
        metrics.INODES_FREE: 90,
        metrics.CPU: 10,
        metrics.MEMORY: 40,
        metrics.TEMPERATURE: 61.5,
        metrics.DISK_WRITE: 2.5,
        metrics.DISK_WORN: 40,
        metrics.PROCESSOR_THROTTLED: 1,
        metrics.PROCESSOR_FREQUENCY: 60,
        metrics.CLOCK_SYNCHRONISED: 1,
        metrics.CLOCK_ERROR: 0.004,
        metrics.CAMERA_CLOCK_APART: 7,
        metrics.CLOUD_ROUND_TRIP: 0.0235,
        metrics.ALERTS_RAISED: 2,
        metrics.NOTICES_WAITING: 3,
        metrics.WATCHED: 100,
        metrics.LOOKS: 9,
        metrics.TELEMETRY_SENT: 8,
        metrics.TELEMETRY_FAILED: 7,
    }
    labelled = {(sample.metric.short, *sample.labels): sample.value for sample in samples if sample.labels}
    assert labelled == {
        ("condition_subjects_count", "camera_impaired"): 2,
        ("condition_subjects_count", "component_down"): 4,
        ("condition_subjects_count", "uploads_refused"): 1,
        ("component_silent_s", "Capture"): 2,
        ("component_idle_s", "Capture"): 4,
        ("component_backlog_count", "Capture"): 3,
        ("camera_recording_flag", "cam-1", "main"): 1,
        ("camera_recording_flag", "cam-1", "sub"): 0,
        ("camera_recording_flag", "cam-2", "main"): 0,
        ("camera_recording_flag", "cam-3", "main"): 0,
        ("camera_impaired_flag", "cam-1", "main"): 0,
        ("camera_impaired_flag", "cam-1", "sub"): 1,
        ("camera_impaired_flag", "cam-2", "main"): 0,
        ("camera_impaired_flag", "cam-3", "main"): 1,
        ("camera_state_age_s", "cam-1", "main"): 60,
        ("camera_state_age_s", "cam-1", "sub"): 5,
        ("camera_state_age_s", "cam-2", "main"): 0,
        ("camera_state_age_s", "cam-3", "main"): 9,
        ("camera_failures_count", "cam-1", "main"): 3,
        ("camera_failures_count", "cam-1", "sub"): 7,
        ("camera_failures_count", "cam-2", "main"): 3,
        ("camera_failures_count", "cam-3", "main"): 3,
    }


def test_what_is_not_known_is_not_nought() -> None:
    """Without a sensor, or before a catalogue is there, its figures are absent."""
    known = {sample.metric for sample in of(replace(BUSY, streams=None, uploads=None, box=BOX))}
    absent = {metrics.TEMPERATURE, metrics.CAMERAS, metrics.CAMERAS_RECORDING, *metrics.CAMERA_COLUMNS}
    absent |= {metrics.UPLOADS_WAITING, metrics.UPLOADS_WAITING_BYTES, metrics.UPLOADS_REFUSED}
    assert known == {one for one in METRICS if one.made_by == "HealthMonitor"} - absent


def test_what_no_probe_has_read_is_not_nought() -> None:
    """What was not found beyond the picture has no sample either."""
    known = {sample.metric for sample in measure(BUSY, judge(BUSY), Tally(), {})}
    assert known == {one for one in METRICS if one.made_by == "HealthMonitor"} - FOUND.keys()


def test_a_clock_that_was_set_back_makes_no_age_negative() -> None:
    """What lies in the future by the wall clock is of this moment."""
    back = replace(BUSY, wall_ns=WallNs(WALL - 3_600 * NS_PER_S))
    assert all(sample.value >= 0 for sample in of(back))


def test_as_many_series_as_cameras() -> None:
    """The number of samples grows with cameras, components and kinds of conditions, and with nothing else."""
    few, many = (
        len(of(replace(HEALTHY, streams=tuple(stream(f"cam-{n}", "recording") for n in range(count)))))
        for count in (1, 65)
    )
    assert many - few == 64 * len(metrics.CAMERA_COLUMNS)
