"""Where packets belong: repairs of the sender's times, the anchor, audio beside video."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from components.capture.core.packet_times import LAG_NS_MAX
from components.capture.core.packets import EncodedPacket, StreamParameters, TimedPacket
from components.capture.core.timeline import SENDER_OFFSET_NS_MAX, RunTimeline
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, WallNs
from tests.fakes.packets import (
    START_NS,
    STEP,
    STREAMS,
    STREAMS_WITH_AUDIO,
    VIDEO_BASE,
    WALL,
    audio_packet,
    due_ns,
    in_order,
    video_packet,
)


def place(
    packets: Iterable[EncodedPacket], streams: StreamParameters = STREAMS, wall_ns: int = WALL
) -> tuple[RunTimeline, list[TimedPacket]]:
    """All packets through a timeline; wall and monotonic clock go together, `wall_ns` is at START_NS."""
    timeline = RunTimeline(streams)
    placed = []
    for packet in packets:
        now_ns = packet.arrived_ns
        placed += timeline.feed(packet, WallNs(wall_ns + now_ns - START_NS), MonotonicNs(now_ns))
    return timeline, placed + timeline.finish()


def dts_of(placed: Sequence[TimedPacket], kind: str = "video") -> list[int]:
    return [timed.dts for timed in placed if timed.packet.kind == kind]


def late_times(count: int, **changes: object) -> list[EncodedPacket]:
    return [video_packet(number, **changes) for number in range(count)]  # type: ignore[arg-type]


def test_times_of_a_good_sender_stand() -> None:
    """Times that are right are kept, counted from the first picture."""
    timeline, placed = place(video_packet(number, dts=777 + number * STEP) for number in range(30))
    assert dts_of(placed) == [number * STEP for number in range(30)]
    assert all(timed.duration_ticks == STEP for timed in placed)
    assert (timeline.repairs.missing, timeline.repairs.backwards, timeline.repairs.jumped) == (0, 0, 0)


def test_last_picture_lasts_as_long_as_the_one_before() -> None:
    """Nobody says how long the last picture lasts: as long as the one before it."""
    _, placed = place(late_times(10))
    assert placed[-1].duration_ticks == STEP


def test_first_time_missing() -> None:
    """A first picture without times is placed before the next by what it says that it lasts."""
    packets = late_times(20)
    packets[0] = replace(packets[0], dts=None, duration_ticks=STEP)
    timeline, placed = place(packets)
    assert dts_of(placed) == [number * STEP for number in range(20)]
    assert timeline.repairs.missing == 1


def test_no_times_at_all() -> None:
    """A stream without any times is placed as it arrives: late by less than a second, never by more and more."""
    packets = [replace(packet, dts=None) for packet in late_times(400)]
    timeline, placed = place(packets)
    assert len(placed) == 400
    assert abs(placed[-1].dts - 399 * STEP) < VIDEO_BASE.from_ns(2 * NS_PER_S)
    assert timeline.repairs.missing == 400


def test_presentation_time_stands_in() -> None:
    """A packet with a presentation time only is placed by that."""
    packets = [replace(packet, pts=packet.dts, dts=None) for packet in late_times(20)]
    _, placed = place(packets)
    assert dts_of(placed) == [number * STEP for number in range(20)]


def test_presentation_follows_decoding() -> None:
    """The distance of presentation from decoding is kept; one that is backward or absurd becomes none."""
    packets = late_times(20)
    packets[5] = replace(packets[5], pts=5 * STEP + 2 * STEP)
    packets[6] = replace(packets[6], pts=6 * STEP - 1)
    packets[7] = replace(packets[7], pts=7 * STEP + 90_000 * 60)
    _, placed = place(packets)
    assert [timed.pts - timed.dts for timed in placed[4:9]] == [0, 2 * STEP, 0, 0, 0]


def test_repeated_time() -> None:
    """A repeated time becomes the next tick; the times after it stand."""
    packets = late_times(20)
    packets[10] = replace(packets[10], dts=9 * STEP)
    timeline, placed = place(packets)
    assert dts_of(placed)[9:12] == [9 * STEP, 9 * STEP + 1, 11 * STEP]
    assert timeline.repairs.backwards == 1


def test_small_step_back() -> None:
    """A time a little backward becomes the next tick, until the times have caught up."""
    packets = late_times(20)
    packets[10] = replace(packets[10], dts=6 * STEP)
    packets[11] = replace(packets[11], dts=7 * STEP)
    _, placed = place(packets)
    assert dts_of(placed)[9:13] == [9 * STEP, 9 * STEP + 1, 9 * STEP + 2, 12 * STEP]


@pytest.mark.parametrize("bits", [32, 33])
def test_wrap(bits: int) -> None:
    """Times that wrap run on."""
    top = (1 << bits) - 5 * STEP
    _, placed = place(video_packet(number, dts=(top + number * STEP) % (1 << bits)) for number in range(30))
    assert dts_of(placed) == [number * STEP for number in range(30)]


@pytest.mark.parametrize("jump", [-3_600 * 90_000, 3_600 * 90_000, -100_000])
def test_jump(jump: int) -> None:
    """Where the sender's time jumps, in either direction, pictures go on as they arrive."""
    packets = [video_packet(number, dts=number * STEP + (jump if number >= 20 else 0) + 10**9) for number in range(40)]
    timeline, placed = place(packets)
    assert dts_of(placed) == pytest.approx([number * STEP for number in range(40)], abs=1)
    assert timeline.repairs.jumped == 1


def test_pause_is_no_jump() -> None:
    """A camera that pauses, by its own clock and by ours, is believed: the picture before lasts that long."""
    pause_ns = 8 * NS_PER_S
    late = [
        video_packet(n, dts=n * STEP + 8 * 90_000, arrived_ns=START_NS + due_ns(n) + pause_ns) for n in range(20, 30)
    ]
    timeline, placed = place([*late_times(20), *late])
    assert placed[19].duration_ticks == STEP + 8 * 90_000
    assert timeline.repairs.jumped == 0


def test_network_stall_moves_nothing() -> None:
    """Pictures that a stalled network delivers late, all at once, keep their own times."""
    stalled = [video_packet(n, arrived_ns=START_NS + due_ns(200)) for n in range(20, 200)]
    timeline, placed = place([*late_times(20), *stalled, *(video_packet(n) for n in range(200, 220))])
    assert dts_of(placed) == [number * STEP for number in range(220)]
    assert timeline.repairs.jumped == 0


def test_standing_time() -> None:
    """A sender whose time stands still is put back on the arrivals, at the latest half a minute late."""
    _, placed = place(video_packet(number, dts=0 if number > 20 else None) for number in range(15 * 120))
    for timed in placed[15 * 60 :: 15]:
        due = VIDEO_BASE.from_ns(timed.packet.arrived_ns - START_NS)
        assert abs(timed.dts - due) <= VIDEO_BASE.from_ns(LAG_NS_MAX + NS_PER_S)


@pytest.mark.slow
@pytest.mark.parametrize("percent", [-4, 4])
def test_wrong_clock_is_slewed(percent: int) -> None:
    """A camera whose clock is 4 % wrong is wrong by a few seconds after twenty minutes, not by fifty."""
    step = STEP * (100 + percent) // 100
    timeline, placed = place(video_packet(number, dts=number * step) for number in range(15 * 1_200))
    last = placed[-1]
    assert abs(last.dts - VIDEO_BASE.from_ns(last.packet.arrived_ns - START_NS)) < VIDEO_BASE.from_ns(3 * NS_PER_S)
    assert all(abs(timed.duration_ticks - step) <= step // 16 + 1 for timed in placed[1:])
    assert timeline.repairs.slewed_ns > 40 * NS_PER_S
    assert timeline.repairs.jumped == 0


def test_anchor_is_the_first_arrival() -> None:
    """Wall time of the first picture is when it arrived, when it arrived in time."""
    timeline, _ = place(late_times(30))
    assert timeline.wall_ns(0) == WALL
    assert timeline.wall_ns(15 * STEP) == WALL + NS_PER_S


def test_burst_does_not_move_the_anchor() -> None:
    """Pictures that were buffered while connecting, and come at once, are dated back to when they were taken."""
    burst = [video_packet(number, arrived_ns=START_NS + due_ns(29)) for number in range(30)]
    timeline, placed = place([*burst, *(video_packet(number) for number in range(30, 60))])
    assert placed[0].dts == 0
    assert abs(timeline.wall_ns(0) - WALL) < due_ns(2)


def test_nothing_is_given_out_before_the_anchor_is_known() -> None:
    """Pictures are held while the burst may last, and given out together, audio among them."""
    timeline = RunTimeline(STREAMS_WITH_AUDIO)
    packets = in_order([video_packet(n) for n in range(10)], [audio_packet(n) for n in range(10)])
    counts = [len(timeline.feed(packet, WALL, MonotonicNs(START_NS))) for packet in packets]
    first = next(index for index, count in enumerate(counts) if count)
    assert first > 5
    assert sum(counts[: first + 1]) >= first - 1


def test_record_of_before_is_respected() -> None:
    """A run never begins before the record ends, whatever the clock says now; order within it is kept."""
    timeline, _ = place(late_times(30))
    assert timeline.begin_at(2 * STEP, WallNs(WALL + 10 * NS_PER_S)) == 10 * NS_PER_S - timeline_offset(2)
    assert timeline.wall_ns(2 * STEP) == WALL + 10 * NS_PER_S
    assert timeline.wall_ns(17 * STEP) == WALL + 11 * NS_PER_S
    assert timeline.begin_at(2 * STEP, WALL) == 0


def timeline_offset(pictures: int) -> int:
    return pictures * STEP * NS_PER_S // 90_000


def test_sender_clock_that_agrees_is_believed() -> None:
    """A sender whose clock agrees with ours says when its pictures were taken: before the network delayed them."""
    delay_ns = 200 * NS_PER_MS
    packets = [replace(video_packet(n), sender_wall_ns=WallNs(WALL + due_ns(n) - delay_ns)) for n in range(30)]
    timeline, _ = place(packets)
    assert abs(timeline.wall_ns(0) - (WALL - delay_ns)) < 1_000
    assert timeline.clock.offset_ns == pytest.approx(-delay_ns, abs=1_000)


def test_sender_clock_that_disagrees_is_only_noted() -> None:
    """A sender whose clock is wrong moves nothing, and its offset is known."""
    wrong_ns = SENDER_OFFSET_NS_MAX + 1
    packets = [replace(video_packet(n), sender_wall_ns=WallNs(WALL + due_ns(n) + wrong_ns)) for n in range(30)]
    timeline, _ = place(packets)
    assert timeline.wall_ns(0) == WALL
    assert timeline.clock.offset_ns == pytest.approx(wrong_ns, abs=1_000)


def test_anchor_of_a_sender() -> None:
    """Where the sender decides, the truth is between its word and the arrivals', and that is what is unsure."""
    delay_ns = 200 * NS_PER_MS
    packets = [replace(video_packet(n), sender_wall_ns=WallNs(WALL + due_ns(n) - delay_ns)) for n in range(30)]
    timeline, _ = place(packets)
    assert timeline.clock.source == "sender"
    assert timeline.clock.uncertainty_ns == pytest.approx(delay_ns, abs=1_000)


def test_anchor_of_arrivals() -> None:
    """Where the arrivals decide, the second-best of them, and the length of a picture, are what is unsure."""
    late_ns = [0, *[30 * NS_PER_MS + n * NS_PER_MS for n in range(29)]]
    timeline, _ = place(video_packet(n, arrived_ns=START_NS + due_ns(n) + late_ns[n]) for n in range(30))
    assert timeline.clock.source == "arrival" and timeline.clock.offset_ns is None
    assert timeline.clock.uncertainty_ns == pytest.approx(30 * NS_PER_MS + NS_PER_S // 15, abs=1_000)


@pytest.mark.parametrize("offset_s", [3.2, -3_600, 86_400, -56 * 365 * 86_400])
def test_absurd_sender_clock(offset_s: float) -> None:
    """A sender that is off by seconds, a time zone, a day or since 1970 is recorded by arrival; its offset is known."""
    wrong_ns = int(offset_s * NS_PER_S)
    packets = [replace(video_packet(n), sender_wall_ns=WallNs(WALL + due_ns(n) + wrong_ns)) for n in range(30)]
    timeline, _ = place(packets)
    assert timeline.wall_ns(0) == WALL
    assert timeline.clock.source == "arrival"
    assert timeline.clock.offset_ns == pytest.approx(wrong_ns, abs=1_000)


def test_sender_that_reports_later() -> None:
    """A first report in the middle of a run leads it to the sender's clock, by a sixteenth at most."""
    delay_ns = 300 * NS_PER_MS
    packets = [
        replace(video_packet(n), sender_wall_ns=WallNs(WALL + due_ns(n) - delay_ns) if n > 75 else None)
        for n in range(15 * 90)
    ]
    timeline, placed = place(packets)
    last = placed[-1]
    true_ns = WALL + last.packet.arrived_ns - START_NS - delay_ns
    assert abs(timeline.wall_ns(last.dts) - true_ns) < 2 * NS_PER_MS
    assert timeline.wall_ns(0) == WALL
    assert all(abs(timed.duration_ticks - STEP) <= STEP // 16 for timed in placed)
    assert timeline.clock.source == "sender" and abs(timeline.ahead_ns) < NS_PER_MS
    assert timeline.clock.offset_ns == pytest.approx(-delay_ns, abs=5 * NS_PER_MS)


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [-500, 500])
def test_drift_of_a_bad_crystal(ppm: int) -> None:
    """Two hours of a camera that is 500 ppm wrong: never half a second off, and no picture changed by a hundredth."""
    packets = (video_packet(n, dts=n * STEP * (1_000_000 + ppm) // 1_000_000) for n in range(15 * 7_200))
    timeline, placed = place(packets)
    away_ns = [timeline.wall_ns(timed.dts) - WALL - (timed.packet.arrived_ns - START_NS) for timed in placed]
    assert max(map(abs, away_ns)) < 300 * NS_PER_MS
    assert all(abs(timed.duration_ticks - STEP) <= STEP // 100 for timed in placed)
    assert timeline.repairs.slewed_ns > 3 * NS_PER_S


def test_led_to_the_clock() -> None:
    """A run that is to follow a step of the clock comes there by pictures that last a little shorter or longer."""
    for step_ns in (-30 * NS_PER_S, 20 * NS_PER_S):
        timeline = RunTimeline(STREAMS)
        placed = []
        for number in range(15 * 700):
            packet = video_packet(number)
            wall_ns = WALL + due_ns(number) + (step_ns if number > 30 else 0)
            placed += timeline.feed(packet, WallNs(wall_ns), packet.arrived_ns)
            if number == 60:
                assert timeline.ahead_ns == -step_ns
                timeline.approach()
        assert abs(timeline.ahead_ns) < NS_PER_MS
        assert timeline.repairs.jumped == 0
        assert all(abs(timed.duration_ticks - STEP) <= STEP // 16 for timed in placed)
        last = placed[-1]
        true_ns = WALL + last.packet.arrived_ns - START_NS + step_ns
        assert abs(timeline.wall_ns(last.dts) - true_ns) < 2 * NS_PER_MS


def test_moved_to_the_clock() -> None:
    """A run that begins anew at the clock's time is with it from there on, and is led nowhere any more."""
    timeline = RunTimeline(STREAMS)
    for number in range(60):
        packet = video_packet(number)
        wall_ns = WALL + due_ns(number) - (3_600 * NS_PER_S if number > 30 else 0)
        timeline.feed(packet, WallNs(wall_ns), packet.arrived_ns)
    timeline.approach()
    timeline.move_to(45 * STEP, timeline.box_wall_ns(45 * STEP))
    assert timeline.wall_ns(45 * STEP) == WALL + 3 * NS_PER_S - 3_600 * NS_PER_S
    assert timeline.ahead_ns == 0


def test_record_ahead_is_unsure() -> None:
    """A run that was put behind a record that is ahead of the clock is as unsure as that is."""
    timeline, _ = place(late_times(30))
    before_ns = timeline.clock.uncertainty_ns
    timeline.begin_at(0, WallNs(WALL + 10 * NS_PER_S))
    assert timeline.clock.uncertainty_ns - before_ns == 10 * NS_PER_S


def test_audio_is_slewed_with_the_picture() -> None:
    """Sound stays beside the picture while a drifting clock is made up for: it never has to be put there anew."""
    pictures = [video_packet(n, dts=n * STEP * 101 // 100) for n in range(15 * 300)]
    sound = [audio_packet(n, dts=n * 1024 * 101 // 100) for n in range(300 * 16_000 // 1_024)]
    _, placed = place(in_order(pictures, sound), STREAMS_WITH_AUDIO)
    audio = [timed for timed in placed if timed.packet.kind == "audio"]
    steps = [following.dts - first.dts for first, following in itertools.pairwise(audio)]
    assert max(steps) - min(steps) < 1_024 // 4
    beside = abs(audio[-1].dts / 16_000 - placed[-1].dts / 90_000)
    assert beside < 0.3


def test_wall_clock_steps_do_not_touch_a_run() -> None:
    """The wall clock may jump during a run: the run's pictures keep their distances."""
    timeline = RunTimeline(STREAMS)
    for number in range(60):
        packet = video_packet(number)
        wall_ns = WALL + due_ns(number) + (3_600 * NS_PER_S if number > 30 else 0)
        timeline.feed(packet, WallNs(wall_ns), packet.arrived_ns)
    assert timeline.wall_ns(45 * STEP) - timeline.wall_ns(0) == 3 * NS_PER_S


def test_audio_lies_beside_video() -> None:
    """Audio has the same start as video and runs on by its own ticks."""
    packets = in_order([video_packet(n) for n in range(60)], [audio_packet(n) for n in range(60)])
    _, placed = place(packets, STREAMS_WITH_AUDIO)
    audio = dts_of(placed, "audio")
    assert [following - first for first, following in itertools.pairwise(audio)] == [1024] * (len(audio) - 1)
    assert audio[0] in (0, 1024)


def test_audio_jump_is_put_beside_video() -> None:
    """Audio whose times leave those of the video is put beside it anew."""
    sound = [audio_packet(n, dts=n * 1024 + (10**7 if n >= 30 else 0)) for n in range(60)]
    _, placed = place(in_order([video_packet(n) for n in range(60)], sound), STREAMS_WITH_AUDIO)
    for timed in placed:
        if timed.packet.kind == "audio":
            due = (timed.packet.arrived_ns - START_NS) * 16_000 // NS_PER_S
            assert abs(timed.dts - due) < 16_000


def test_audio_times_grow() -> None:
    """Audio times that repeat or fall back become the next tick."""
    sound = [audio_packet(n, dts=(n // 2) * 1024) for n in range(60)]
    _, placed = place(in_order([video_packet(n) for n in range(60)], sound), STREAMS_WITH_AUDIO)
    audio = dts_of(placed, "audio")
    assert all(following > first for first, following in itertools.pairwise(audio))


def test_audio_before_any_picture_is_left_out() -> None:
    """Audio from before the first picture has no place."""
    packets = [audio_packet(n, arrived_ns=START_NS - 1) for n in range(3)] + late_times(20)
    _, placed = place(packets, STREAMS_WITH_AUDIO)
    assert not dts_of(placed, "audio")


def test_no_packets() -> None:
    """A connection that brought nothing ends with nothing."""
    assert RunTimeline(STREAMS).finish() == []


def test_one_picture() -> None:
    """A single picture is given out at the end, lasting a moment."""
    timeline, placed = place(late_times(1))
    assert len(placed) == 1
    assert placed[0].duration_ticks > 0
    assert timeline.wall_ns(0) == WALL
