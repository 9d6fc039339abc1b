"""What cameras with bad habits put on the wire: timestamps, order, jumps, and where parameter sets are told."""

import itertools
from dataclasses import replace

import pytest

from local.cameras.faults import Fault, FaultOrder
from tests.unit.cameras.test_camera import SPEC, FakeLine, Stage, watching

_STEP = 9_000  # ticks of a frame at 10 fps


def _steps(line: FakeLine) -> list[int]:
    """What each timestamp adds to the one before, as a signed number."""
    times = line.timestamps(0)
    return [((later - sooner + 2**31) % 2**32) - 2**31 for sooner, later in itertools.pairwise(times)]


def test_a_lying_rate_is_in_the_timestamps_alone() -> None:
    """Frames come at their own rate, and their timestamps advance as if it were another."""
    _, _, line = watching(replace(SPEC, claimed_fps=25))
    assert line.stamps() == [(0, number) for number in range(5, 11)]
    assert set(_steps(line)) == {90_000 // 25}


def test_timestamps_can_stand_or_run_backwards() -> None:
    """Zero stays zero, and backwards is as fast as forwards; sound is not touched."""
    _, _, zero = watching(replace(SPEC, timestamps="zero"))
    assert zero.timestamps(0) == [0]
    assert len(zero.timestamps(2)) > 10
    _, _, back = watching(replace(SPEC, timestamps="backwards"))
    assert set(_steps(back)) == {-_STEP}


def test_timestamps_wrap_when_asked() -> None:
    """The timestamp passes 0 that long after PLAY; the sequence number wraps within its first 40 packets."""
    stage = Stage(replace(SPEC, wraps_after_s=1.0))
    stage.time.move(0.3)
    _, line = stage.watch("a")
    stage.time.move(2.05)
    times = line.timestamps(0)
    assert [times.index(0), times[0]] == [8, 2**32 - 8 * _STEP]
    assert set(_steps(line)) == {_STEP}
    sequences = [sequence for _, sequence, _, _ in line.packets(0)]
    assert (sequences[0], sequences[40]) == (2**16 - 40, 0)


@pytest.mark.parametrize("by", [7, -7])
def test_timestamps_jump_once(by: int) -> None:
    """All tracks jump by so many seconds, and go on from there."""
    stage, _, line = watching()
    stage.camera.jump(FaultOrder(Fault.TIMESTAMP_JUMP, by=by))
    stage.time.move(2.0)
    assert sorted(set(_steps(line)), key=abs) == [_STEP, by * 90_000 + _STEP]
    assert _steps(line).count(_STEP) == len(_steps(line)) - 1


def test_sequence_numbers_jump_once() -> None:
    """The next packet of each track has a number that is off by that many."""
    stage, _, line = watching()
    before = len(line.packets(0))
    stage.camera.jump(FaultOrder(Fault.SEQUENCE_JUMP, by=20_000))
    stage.time.move(2.0)
    sequences = [sequence for _, sequence, _, _ in line.packets(0)]
    assert (sequences[before] - sequences[before - 1]) % 65_536 == 20_001
    assert (sequences[-1] - sequences[before]) % 65_536 == len(sequences) - before - 1


def test_reordered_packets_are_all_there() -> None:
    """Every n-th packet comes after the next one; none is lost."""
    stage, _, line = watching(replace(SPEC, audio="none"))
    before = len(line.packets(0))
    stage.camera.set_fault(FaultOrder(Fault.REORDER, every=4))
    stage.time.move(4.0)
    sequences = [sequence for _, sequence, _, _ in line.packets(0)][before:]
    in_order = [(sequences[0] + place) % 65_536 for place in range(len(sequences))]
    swapped = sum(one != other for one, other in zip(sequences, in_order, strict=True))
    assert swapped == pytest.approx(2 * len(sequences) / 4, abs=4)
    assert sorted(sequences) == sorted(in_order)


def test_lost_packets_are_in_the_log() -> None:
    """The log says of each frame how many of its packets were left out."""
    stage, viewer, line = watching(replace(SPEC, audio="none"))
    stage.camera.set_fault(FaultOrder(Fault.LOSS, every=4))
    stage.time.move(3.0)
    lost = [int(text.rpartition(" ")[2].rstrip("}")) for text in stage.log.getvalue().splitlines()]
    assert viewer.video is not None
    assert sum(lost) == viewer.video.packets_lost == viewer.video.packets_sent - len(line.packets(0)) > 3
    assert not any(lost[:6])


def test_parameter_sets_are_told_in_one_place_when_asked() -> None:
    """In the stream alone, or in the session description alone."""
    stream, _, in_stream = watching(replace(SPEC, sets_in="stream"))
    assert "sprop" not in stream.camera.session_description()
    assert 0x67 in {payload[0] for *_, payload in in_stream.packets(0)}
    description, _, in_description = watching(replace(SPEC, sets_in="description"))
    assert "sprop" in description.camera.session_description()
    assert 0x67 not in {payload[0] for *_, payload in in_description.packets(0)}


def test_sound_alone() -> None:
    """A camera that offers sound only describes no picture."""
    stage = Stage(replace(SPEC, sound_only=True))
    assert "m=video" not in stage.camera.session_description()
    assert "m=audio" in stage.camera.session_description()


def test_a_hanging_camera_says_nothing() -> None:
    """Neither pictures nor sound nor reports; the next keyframe is the first thing after it."""
    stage, _, line = watching()
    stage.camera.set_fault(FaultOrder(Fault.HANG))
    count = len(line.writes)
    stage.time.move(8.0)
    assert len(line.writes) == count
    stage.camera.set_fault(FaultOrder(Fault.NONE))
    stage.time.move(8.55)
    assert line.stamps()[6:] == [(4, 5)]


def test_b_frames_have_the_time_at_which_they_are_shown() -> None:
    """Frames leave in the order of decoding; no timestamp is later than the moment of sending."""
    stage = Stage(replace(SPEC, audio="none"), shown_after=(0, 2, -1, -1, 0))
    viewer, line = stage.watch("a")
    stage.time.move(1.0)
    assert line.stamps()[:5] == [(0, 5), (0, 6), (0, 7), (0, 8), (0, 9)]
    assert viewer.video is not None
    shown = [((time - viewer.video.first_timestamp) % 2**32) // _STEP for time in line.timestamps(0)]
    assert shown[:5] == [5 - 2, 8 - 2, 6 - 2, 7 - 2, 9 - 2]
    assert viewer.first_shown_ns == 300_000_000
