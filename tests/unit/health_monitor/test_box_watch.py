"""What HealthMonitor calls wrong with a box, at, below and above each limit; unknown is never wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.health_monitor.core.box_watch import (
    CPU_SPAN_NS,
    LINK_FAILURES,
    SLOW_WRITES,
    UNSYNCHRONISED_NS,
    WORN_PERCENT_MAX,
    WRITE_NS_MAX,
    BoxWatch,
    Readings,
)
from components.health_monitor.core.picture import Box
from components.health_monitor.core.readings import (
    ClockReading,
    DiskReading,
    LinkReading,
    ThrottleReading,
    VolumeReading,
    WriteReading,
)
from components.shared.wire.units import NS_PER_S, MonotonicNs

NOW = MonotonicNs(5_000 * NS_PER_S)
LOOK_NS = 5 * NS_PER_S
BOX = Box(50, 100, 90.0, 10.0, 40.0, None)
VOLUME = VolumeReading("main", None, True, 50, 100, 90.0)


def kinds(readings: Readings, box: Box = BOX, watch: BoxWatch | None = None, now_ns: int = NOW) -> list[str]:
    """The kinds of what is wrong in one look."""
    found = (watch or BoxWatch()).look(MonotonicNs(now_ns), box, readings)
    return [condition.kind for condition in found]


def test_nothing_known_is_nothing_wrong() -> None:
    """A box on which no probe can read anything is no ill box."""
    unknown = Readings(
        volumes=[VolumeReading("main", None)],
        disks=[DiskReading("sda")],
        throttle=ThrottleReading((), None),
        link=LinkReading("cloud:443", 20_000_000),
    )
    assert kinds(unknown) == []
    assert kinds(Readings()) == []


@pytest.mark.parametrize(
    ("volume", "found"),
    [
        (replace(VOLUME, free_bytes=10), []),
        (replace(VOLUME, free_bytes=9), ["volume_nearly_full"]),
        (replace(VOLUME, free_bytes=9, is_own_disk=False), []),  # judged with the data root's disk
        (replace(VOLUME, inodes_free_percent=5.0), []),
        (replace(VOLUME, inodes_free_percent=4.9), ["inodes_nearly_used_up"]),
        (replace(VOLUME, inodes_free_percent=None), []),
        (VolumeReading("main", "its disk is not mounted"), ["volume_absent"]),
    ],
)
def test_volume(volume: VolumeReading, found: list[str]) -> None:
    """Each disk of its own is judged by itself; one that is not there is told."""
    assert kinds(Readings(volumes=[volume])) == found


def test_slow_disk() -> None:
    """Two slow writes in a row; the same reading seen twice is one, and a quick one ends it."""
    watch = BoxWatch()
    slow = [WriteReading("main", WRITE_NS_MAX + 1) for _ in range(SLOW_WRITES)]
    assert kinds(Readings(writes=slow[:1]), watch=watch) == []
    assert kinds(Readings(writes=slow[:1]), watch=watch) == []
    assert kinds(Readings(writes=slow[1:]), watch=watch) == ["disk_slow"]
    assert kinds(Readings(writes=slow[1:]), watch=watch) == ["disk_slow"]
    assert kinds(Readings(writes=[WriteReading("main", WRITE_NS_MAX)]), watch=watch) == []


@pytest.mark.parametrize(
    ("disk", "found"),
    [
        (DiskReading("sda", True, 0, WORN_PERCENT_MAX - 1), []),
        (DiskReading("sda", True, 0, WORN_PERCENT_MAX), ["disk_worn_out"]),
        (DiskReading("sda", True, 1), ["disk_failing"]),
        (DiskReading("sda", False), ["disk_failing"]),
    ],
)
def test_disk_that_says_it_is_ill(disk: DiskReading, found: list[str]) -> None:
    """Its own judgement, its bad sectors, its wear."""
    assert kinds(Readings(disks=[disk])) == found


@pytest.mark.parametrize(("percent", "found"), [(95.0, []), (95.1, ["cpu_overloaded"])])
def test_busy_processor(percent: float, found: list[str]) -> None:
    """Five minutes of it; less than that is work."""
    watch, box = BoxWatch(), replace(BOX, cpu_percent=percent)
    for now_ns in range(NOW, NOW + CPU_SPAN_NS * 9 // 10 + 1, LOOK_NS):
        assert kinds(Readings(), box, watch, now_ns) == []
    assert kinds(Readings(), box, watch, NOW + CPU_SPAN_NS) == found
    assert kinds(Readings(), BOX, watch, NOW + 2 * CPU_SPAN_NS) == []


@pytest.mark.parametrize(("percent", "found"), [(95.0, []), (95.1, ["memory_nearly_used_up"])])
def test_memory(percent: float, found: list[str]) -> None:
    """Above the limit, at once."""
    assert kinds(Readings(), replace(BOX, memory_percent=percent)) == found


def test_clock_that_nobody_keeps() -> None:
    """Not at a start, where a time server is yet to be found; one that was found begins the time anew."""
    watch, wrong = BoxWatch(), Readings(clock=ClockReading(False, 16 * NS_PER_S))
    assert kinds(wrong, watch=watch) == []
    assert kinds(wrong, watch=watch, now_ns=NOW + UNSYNCHRONISED_NS) == []
    assert kinds(wrong, watch=watch, now_ns=NOW + UNSYNCHRONISED_NS + 1) == ["clock_not_synchronised"]
    assert kinds(Readings(clock=ClockReading(True, 1)), watch=watch, now_ns=NOW + UNSYNCHRONISED_NS + 2) == []
    assert kinds(wrong, watch=watch, now_ns=NOW + 9 * UNSYNCHRONISED_NS) == []


def test_cloud_that_cannot_be_reached() -> None:
    """After three connections in a row that could not be made, each counted once; one that stands ends it."""
    watch = BoxWatch()
    for number in range(1, LINK_FAILURES + 1):
        away = Readings(link=LinkReading("cloud:443", None))
        found = [] if number < LINK_FAILURES else ["cloud_unreachable"]
        assert kinds(away, watch=watch) == kinds(away, watch=watch) == found
    assert kinds(Readings(link=LinkReading("cloud:443", 1)), watch=watch) == []


def test_throttled_processor_and_silent_probe() -> None:
    """Why it is slow is told; so is a probe that does not answer, by its name."""
    watch = BoxWatch()
    throttled = Readings(throttle=ThrottleReading(("the supply voltage is too low",), 60), silent=["write to volume a"])
    found = watch.look(NOW, BOX, throttled)
    assert [(one.kind, one.subject) for one in found] == [
        ("processor_throttled", "box"),
        ("probe_silent", "write to volume a"),
    ]
    assert kinds(Readings(throttle=ThrottleReading((), 60))) == []
