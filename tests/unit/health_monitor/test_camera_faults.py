"""When a camera's clock is wrong, at, below and above each limit."""

from __future__ import annotations

import pytest

from components.health_monitor.core.camera_faults import (
    CLOCK_OFF_NS_MAX,
    CLOCK_RIGHT_NS_MAX,
    EPOCH_OFFSET_NS,
    CameraClock,
    ClockFaults,
)
from components.health_monitor.core.picture import CameraFault
from components.shared.wire.units import NS_PER_S

WALL_NS = 1_760_000_000 * NS_PER_S


def clock(camera: str, offset_ns: int) -> CameraClock:
    return CameraClock(camera, offset_ns, WALL_NS + offset_ns)


def subjects(faults: list[CameraFault]) -> list[str]:
    return [fault.camera for fault in faults]


@pytest.mark.parametrize(("offset_ns", "wrong"), [(CLOCK_OFF_NS_MAX, []), (CLOCK_OFF_NS_MAX + 1, ["cam-1"])])
@pytest.mark.parametrize("sign", [1, -1])
def test_clock_beyond_the_limit_is_wrong(offset_ns: int, wrong: list[str], sign: int) -> None:
    """Ahead and behind alike."""
    assert subjects(ClockFaults().judge([clock("cam-1", sign * offset_ns)], True)) == wrong


def test_clock_at_the_limit_does_not_come_and_go() -> None:
    """It is right again only well below the limit."""
    faults = ClockFaults()
    offsets = (CLOCK_OFF_NS_MAX + 1, CLOCK_OFF_NS_MAX, CLOCK_RIGHT_NS_MAX + 1, CLOCK_RIGHT_NS_MAX, CLOCK_OFF_NS_MAX)
    found = [subjects(faults.judge([clock("cam-1", offset_ns)], True)) for offset_ns in offsets]
    assert found == [["cam-1"], ["cam-1"], ["cam-1"], [], []]


@pytest.mark.parametrize("word", [None, False])
def test_box_that_nobody_speaks_for_accuses_nobody(word: bool | None) -> None:
    """Without a time server most cameras must agree with the box: otherwise its own clock may be the wrong one."""
    hour = 3_600 * NS_PER_S
    alone, all_off = [clock("cam-1", hour)], [clock(f"cam-{number}", hour) for number in range(4)]
    split = [clock("cam-1", hour), clock("cam-2", hour), clock("cam-3", 0), clock("cam-4", 0)]
    for clocks in ([], alone, all_off, split):
        assert ClockFaults().judge(clocks, word) == []
    assert subjects(ClockFaults().judge([*split, clock("cam-5", 0)], word)) == ["cam-1", "cam-2"]


def test_clock_that_counts_from_the_start_tells_no_time() -> None:
    """A report in the decade after 1900 is how long the camera has run; one of 1970 is a clock that was lost."""
    up = CameraClock("cam-1", EPOCH_OFFSET_NS - WALL_NS, EPOCH_OFFSET_NS + 86_400 * NS_PER_S)
    lost = CameraClock("cam-2", -WALL_NS, 86_400 * NS_PER_S)
    assert subjects(ClockFaults().judge([up, lost], True)) == ["cam-2"]


def test_reason_says_how_far_and_where() -> None:
    """People read seconds, minutes or hours, and it does not change with every report."""
    told = ClockFaults().judge([clock("a", 7 * NS_PER_S + 5), clock("b", -3_600 * NS_PER_S), clock("c", 10**14)], True)
    assert [fault.reason for fault in told] == [
        "its clock is 7 s ahead of the box's",
        "its clock is 60 min behind the box's",
        "its clock is 27 h ahead of the box's",
    ]
