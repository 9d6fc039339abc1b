"""What a stream is called after failures, when it is frozen, and whether there is room."""

import pytest

from components.capture.core.frozen import StreamWatch, WatchLimits
from components.capture.core.reconnect import OFFLINE_FAILURES, SCHEDULE_S, Cause, StreamStatus
from components.capture.core.room import Room
from components.shared.wire.units import NS_PER_S

START_NS = 100 * NS_PER_S


def after(failures: int, cause: Cause = "unreachable") -> StreamStatus:
    status = StreamStatus("connecting")
    for _ in range(failures):
        status = status.failed(cause)
    return status


def test_pauses() -> None:
    """5, 10, 30 and then always 60 s."""
    assert SCHEDULE_S == (5, 10, 30, 60)


@pytest.mark.parametrize(
    ("failures", "state"),
    [(1, "connecting"), (OFFLINE_FAILURES - 1, "connecting"), (OFFLINE_FAILURES, "offline"), (50, "offline")],
)
def test_offline_after_ten_failures(failures: int, state: str) -> None:
    """Ten failures in a row make a camera offline, nine do not."""
    assert (after(failures).state, after(failures).failures) == (state, failures)


def test_recording_ends_a_row_of_failures() -> None:
    """Pictures end the row; the next failure is a first one."""
    assert after(30).recording() == StreamStatus("recording")
    assert after(30).recording().failed("unreachable").failures == 1


def test_frozen_is_told_until_it_is_offline() -> None:
    """A frozen stream is called so; ten times in a row, it is offline like any other."""
    assert after(1, "frozen").state == "frozen"
    assert after(OFFLINE_FAILURES, "frozen").state == "offline"


def test_a_full_disk_makes_no_camera_offline() -> None:
    """The disk is not the camera's fault."""
    status = after(50, "disk")
    assert (status.state, status.cause, status.failures) == ("connecting", "disk", 0)


def watch() -> StreamWatch:
    return StreamWatch(WatchLimits(), START_NS)


def looks(watched: StreamWatch, until_s: int, pictures_until_s: int, keyframe_every_s: int = 2) -> dict[int, str]:
    """Second by second, pictures for a while; what was found, and when."""
    found: dict[int, str] = {}
    for second in range(1, until_s + 1):
        now_ns = START_NS + second * NS_PER_S
        if second <= pictures_until_s:
            watched.saw_picture(now_ns)
            if keyframe_every_s and second % keyframe_every_s == 0:
                watched.saw_keyframe(now_ns, is_damaged=False)
        trouble = watched.look(now_ns)
        if trouble:
            found[second] = trouble
            break
    return found


def test_frozen_after_30_to_45_seconds() -> None:
    """The newest picture is looked at every 15 s, and may be 30 s old."""
    assert looks(watch(), 300, pictures_until_s=10) == {45: "frozen"}
    assert looks(watch(), 300, pictures_until_s=15) == {45: "frozen"}
    assert looks(watch(), 300, pictures_until_s=16) == {60: "frozen"}


def test_a_connection_that_never_shows_anything_is_frozen() -> None:
    """From its opening on."""
    assert looks(watch(), 300, pictures_until_s=0) == {30: "frozen"}


def test_a_process_that_stood_still_looks_again() -> None:
    """After a minute in which this very process did not run, what came meanwhile is read first."""
    watched = watch()
    assert watched.look(START_NS + 60 * NS_PER_S) is None
    assert watched.look(START_NS + 75 * NS_PER_S) == "frozen"


def test_a_stream_that_goes_on_is_not_frozen() -> None:
    """As long as pictures and keyframes come."""
    assert looks(watch(), 3_600, pictures_until_s=3_600) == {}


def test_no_keyframe() -> None:
    """Pictures without a keyframe for 30 s."""
    assert looks(watch(), 300, pictures_until_s=300, keyframe_every_s=0) == {30: "no_keyframe"}


def test_keyframes_far_apart_are_no_trouble() -> None:
    """A camera whose keyframes are 40 s apart is patiently waited for, once they have come."""
    watched = watch()
    watched.saw_keyframe(START_NS, is_damaged=False)
    watched.saw_keyframe(START_NS + 25 * NS_PER_S, is_damaged=False)
    assert looks(watched, 300, pictures_until_s=300, keyframe_every_s=40) == {}


def test_damaged_keyframes_are_undecodable() -> None:
    """Keyframes that do not decode do not help; one that does ends it."""
    watched = watch()
    for second in range(1, 30):
        watched.saw_picture(START_NS + second * NS_PER_S)
        watched.saw_keyframe(START_NS + second * NS_PER_S, is_damaged=True)
    assert watched.look(START_NS + 15 * NS_PER_S) is None
    assert watched.look(START_NS + 30 * NS_PER_S) == "undecodable"
    watched.saw_keyframe(START_NS + 31 * NS_PER_S, is_damaged=False)
    assert watched.look(START_NS + 46 * NS_PER_S) is None


def test_room_has_two_limits() -> None:
    """Recording stops below the reserve and goes on at one and a half of it."""
    room = Room(1_000)
    assert [(free, room.seen(free), room.has_room) for free in (1_000, 999, 1_499, 1_500, 1_000)] == [
        (1_000, False, True),
        (999, True, False),
        (1_499, False, False),
        (1_500, True, True),
        (1_000, False, True),
    ]
