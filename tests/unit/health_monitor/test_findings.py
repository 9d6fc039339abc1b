"""What the probes read, as figures of the table of metrics."""

from __future__ import annotations

from components.health_monitor.core.box_watch import Readings
from components.health_monitor.core.findings import alert_figures, reading_figures
from components.health_monitor.core.readings import (
    ClockReading,
    DiskReading,
    LinkReading,
    ThrottleReading,
    WriteReading,
)
from components.shared.wire import metrics
from components.shared.wire.metrics import SITE_METRICS
from components.shared.wire.units import NS_PER_MS, NS_PER_S

READ = reading_figures(
    Readings(
        writes=[WriteReading("main", NS_PER_MS), WriteReading("second", 2_500 * NS_PER_MS)],
        disks=[DiskReading("sda"), DiskReading("mmcblk0", worn_percent=40), DiskReading("sdb", worn_percent=3)],
        clock=ClockReading(is_synchronised=True, error_ns_max=4 * NS_PER_MS),
        link=LinkReading("cloud:443", 23_500_000),
        throttle=ThrottleReading(("its voltage is low",), 60),
    ),
    camera_offsets_ns=[3 * NS_PER_S, -7 * NS_PER_S],
)
"""Every probe has read something."""


def test_readings_are_told_in_the_units_of_the_table() -> None:
    """Of several volumes, disks and cameras the worst is told, of a clock that is behind as of one that is ahead."""
    assert READ == {
        metrics.DISK_WRITE: 2.5,
        metrics.DISK_WORN: 40,
        metrics.PROCESSOR_THROTTLED: 1,
        metrics.PROCESSOR_FREQUENCY: 60,
        metrics.CLOCK_SYNCHRONISED: 1,
        metrics.CLOCK_ERROR: 0.004,
        metrics.CAMERA_CLOCK_APART: 7,
        metrics.CLOUD_ROUND_TRIP: 0.0235,
    }
    assert all(type(value) is float for value in READ.values())


def test_what_was_not_read_is_absent() -> None:
    """A box without sensors, cameras or a cloud has no figures of them; neither has a cloud that is not reached."""
    assert reading_figures(Readings(), []) == {}
    nothing = Readings(
        disks=[DiskReading("sda")], link=LinkReading("cloud:443", None), throttle=ThrottleReading((), None)
    )
    assert reading_figures(nothing, []) == {metrics.PROCESSOR_THROTTLED: 0}
    unkept = Readings(clock=ClockReading(is_synchronised=False, error_ns_max=16 * NS_PER_S))
    assert reading_figures(unkept, []) == {metrics.CLOCK_SYNCHRONISED: 0, metrics.CLOCK_ERROR: 16}


def test_figures_found_are_figures_of_the_site() -> None:
    """Whatever is found beyond a picture is a figure of the site as a whole, without labels."""
    assert {*READ, *alert_figures(raised=0, notices_waiting=0)} <= set(SITE_METRICS)
