"""What HealthMonitor calls wrong, at, below and above each limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.health_monitor.core.picture import Box, Heard, Picture, Stream, Uploads
from components.health_monitor.core.rules import (
    IMPAIRED_NS,
    NAMES_CHARS_MAX,
    SILENT_NS,
    judge,
    summarise,
)
from components.shared.wire.topics import COMPONENTS
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

WALL = WallNs(1_760_000_000 * NS_PER_S)
NOW = MonotonicNs(5_000 * NS_PER_S)
BOX = Box(
    disk_free_bytes=50,
    disk_total_bytes=100,
    inodes_free_percent=90.0,
    cpu_percent=10.0,
    memory_percent=40.0,
    temperature_c=None,
)


def heard(ago_ns: int = 0, *, backlog: int = 0, idle_ns: int = 0, error: str | None = None) -> Heard:
    """A status that came `ago_ns` ago."""
    return Heard(MonotonicNs(NOW - ago_ns), "0.1.0", WALL, WALL - idle_ns, backlog, error)


def stream(camera: str, state: str, for_ns: int = 0) -> Stream:
    """A main stream that has been in its state for so long."""
    return Stream(camera, "main", state, "unreachable", WallNs(WALL - for_ns), 3)


HEALTHY = Picture(
    wall_ns=WALL,
    monotonic_ns=NOW,
    watching_since_ns=MonotonicNs(0),
    heard={name: heard() for name in COMPONENTS},
    streams=(stream("cam-1", "recording"),),
    uploads=Uploads(0, 0, 0),
    box=BOX,
)


def kinds(picture: Picture) -> list[tuple[str, str]]:
    """Kind and subject of what is wrong."""
    return [(condition.kind, condition.subject) for condition in judge(picture)]


def test_healthy_site_has_no_condition() -> None:
    """When all is well nothing is said, and the summary says ok."""
    assert judge(HEALTHY) == ()
    assert summarise(HEALTHY, ())["ok"] is True


@pytest.mark.parametrize(("ago_ns", "down"), [(SILENT_NS, []), (SILENT_NS + 1, [("component_down", "Capture")])])
def test_silent_component_is_down(ago_ns: int, down: list[tuple[str, str]]) -> None:
    """A component is down once it has been silent for longer than the limit."""
    assert kinds(replace(HEALTHY, heard={**HEALTHY.heard, "Capture": heard(ago_ns)})) == down


def test_component_never_heard_is_down_after_the_same_time() -> None:
    """A component that never came up is missed too, but not before it had its time."""
    without = {name: status for name, status in HEALTHY.heard.items() if name != "CloudSync"}
    fresh = replace(HEALTHY, heard=without, watching_since_ns=MonotonicNs(NOW - SILENT_NS))
    assert kinds(fresh) == []
    assert kinds(replace(fresh, watching_since_ns=MonotonicNs(NOW - SILENT_NS - 1))) == [
        ("component_down", "CloudSync")
    ]


def test_last_error_of_a_component_that_is_down_is_told() -> None:
    """Whoever reads the condition learns what the component said last."""
    picture = replace(HEALTHY, heard={**HEALTHY.heard, "Capture": heard(SILENT_NS + 1, error="disk is full")})
    assert "disk is full" in judge(picture)[0].reason


@pytest.mark.parametrize(
    ("state", "for_ns", "impaired"),
    [
        ("recording", IMPAIRED_NS * 9, False),
        ("off", IMPAIRED_NS * 9, False),
        ("connecting", IMPAIRED_NS, False),
        ("connecting", IMPAIRED_NS + 1, True),
        ("frozen", IMPAIRED_NS + 1, True),
        ("offline", 0, True),
    ],
)
def test_camera_that_does_not_record(state: str, for_ns: int, impaired: bool) -> None:
    """A camera may reconnect for a while; offline counts at once; off is what somebody wanted."""
    picture = replace(HEALTHY, streams=(stream("cam-1", state, for_ns),))
    assert kinds(picture) == ([("camera_impaired", "cam-1")] if impaired else [])


def test_folder_camera_without_new_files_is_not_impaired() -> None:
    """Files come when their sender sends them; a disk that does not take them is another matter."""
    waiting = Stream("cam-1", "main", "connecting", "not_delivered", WallNs(WALL - 9 * IMPAIRED_NS), 0)
    picture = replace(HEALTHY, streams=(waiting,))
    assert kinds(picture) == []
    assert summarise(picture, ())["waiting_for_files"] == 1
    assert kinds(replace(HEALTHY, streams=(replace(waiting, cause="disk"),))) == [("camera_impaired", "cam-1")]


@pytest.mark.parametrize(("free", "full"), [(10, False), (9, True)])
def test_disk_nearly_full(free: int, full: bool) -> None:
    """90 % is well, above it is not."""
    assert bool(kinds(replace(HEALTHY, box=replace(BOX, disk_free_bytes=free)))) == full


@pytest.mark.parametrize(("degrees", "hot"), [(None, False), (85.0, False), (85.1, True)])
def test_hot_box(degrees: float | None, hot: bool) -> None:
    """A box without a sensor is not hot."""
    assert bool(kinds(replace(HEALTHY, box=replace(BOX, temperature_c=degrees)))) == hot


def test_refused_uploads_are_told() -> None:
    """Footage that never reaches the cloud is a condition."""
    assert kinds(replace(HEALTHY, uploads=Uploads(5, 100, 1))) == [("uploads_refused", "CloudSync")]


def test_unknown_catalogues_are_not_wrong() -> None:
    """Before Capture has made its catalogue nothing can be said of cameras."""
    assert kinds(replace(HEALTHY, streams=None, uploads=None)) == []


def test_summary_counts_and_names() -> None:
    """The summary has the counts and the names of what is impaired."""
    streams = (stream("cam-1", "recording"), stream("cam-2", "offline"), stream("cam-3", "off"))
    picture = replace(HEALTHY, streams=streams)
    summary = summarise(picture, judge(picture))
    assert (summary["cameras"], summary["recording"], summary["offline"], summary["impaired"]) == (2, 1, 1, "cam-2")
    assert summary["ok"] is False


def test_summary_of_a_large_site_fits_its_shadow() -> None:
    """With 64 cameras of the longest names all offline, the summary stays small."""
    streams = tuple(stream(f"{number:03}" + "x" * 29, "offline") for number in range(64))
    picture = replace(HEALTHY, streams=streams)
    conditions = judge(picture)
    assert len(summarise(picture, conditions)["impaired"]) <= NAMES_CHARS_MAX
