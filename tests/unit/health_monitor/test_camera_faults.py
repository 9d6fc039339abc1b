"""When a camera's clock is wrong, and when its footage does not arrive, at, below and above each limit."""

from __future__ import annotations

import pytest

from components.health_monitor.core.camera_faults import (
    CLOCK_OFF_NS_MAX,
    CLOCK_RIGHT_NS_MAX,
    EPOCH_OFFSET_NS,
    STILL_NS_MAX,
    CameraClock,
    ClockFaults,
    GrowthFaults,
)
from components.health_monitor.core.picture import CameraFault, Stream
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

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


def stream(state: str) -> Stream:
    return Stream("cam-1", "sub", state, "", WallNs(WALL_NS), 0)


def growth(faults: GrowthFaults, state: str, file: tuple[str, int] | None, at_ns: int) -> list[str]:
    files = {} if file is None else {"cam-1~sub": file}
    return subjects(faults.judge([stream(state)], files, MonotonicNs(at_ns)))


def test_file_that_does_not_grow() -> None:
    """A stream that is said to record grows; one that stands still, or has no file, is told after its time."""
    faults = GrowthFaults()
    for at_ns, size in ((0, 1), (STILL_NS_MAX, 1)):
        assert growth(faults, "recording", ("a.mp4", size), at_ns) == []
    assert growth(faults, "recording", ("a.mp4", 1), STILL_NS_MAX + 1) == ["cam-1~sub"]
    assert growth(faults, "recording", ("b.mp4", 1), STILL_NS_MAX + 2) == []
    assert growth(faults, "recording", None, 2 * STILL_NS_MAX + 2) == []
    assert growth(faults, "recording", None, 2 * STILL_NS_MAX + 3) == ["cam-1~sub"]


def test_stream_that_does_not_record_need_not_grow() -> None:
    """What is off or away has its own state, and its time begins anew when it records again."""
    faults = GrowthFaults()
    assert growth(faults, "recording", ("a.mp4", 1), 0) == []
    assert growth(faults, "offline", None, 5 * STILL_NS_MAX) == []
    assert growth(faults, "recording", ("a.mp4", 1), 6 * STILL_NS_MAX) == []
