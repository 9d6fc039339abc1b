"""Whatever times a sender gives: every packet has one place, in order, and times only run forward."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.capture.core.packet_times import LAG_NS_MAX, LEAD_NS_MAX, VideoTimes
from components.capture.core.packets import EncodedPacket, TimedPacket
from components.capture.core.segmenter import ASK_AGAIN_NS, Segmenter, Step
from components.capture.core.timeline import RunTimeline
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from tests.fakes.packets import (
    START_NS,
    STEP,
    STREAMS,
    STREAMS_WITH_AUDIO,
    VIDEO,
    VIDEO_BASE,
    WALL,
    audio_packet,
    in_order,
    video_packet,
)

pytestmark = pytest.mark.slow

any_time = st.one_of(
    st.none(),
    st.integers(-(2**34), 2**34),
    st.sampled_from([0, 2**32 - 1, 2**32, 2**33 - 1, 2**33, -1]),
)


@st.composite
def wild_packets(draw: st.DrawFn) -> list[EncodedPacket]:
    """Pictures and sound whose times go astray now and then, arriving late now and then."""
    packets: list[EncodedPacket] = []
    shift = draw(st.integers(-(2**33), 2**33))
    late_ns = 0
    for number in range(draw(st.integers(1, 60))):
        what = draw(st.sampled_from(["good"] * 8 + ["wild", "none", "repeat", "near", "shift", "late", "bits"]))
        if what == "shift":
            shift += draw(st.integers(-(2**33), 2**33))
        if what == "late":
            late_ns += draw(st.integers(0, 20 * NS_PER_S))
        dts: int | None = number * STEP + shift
        if what == "wild":
            dts = draw(any_time)
        if what == "none":
            dts = None
        if what == "repeat" and packets:
            dts = packets[-1].dts
        if what == "near" and packets and packets[-1].dts is not None:
            dts = packets[-1].dts + draw(st.integers(1, 3))
        if what == "bits" and dts is not None:
            dts %= 2 ** draw(st.sampled_from([32, 33]))
        packet = video_packet(number, is_keyframe=number % 5 == 0)
        packets.append(
            replace(
                packet,
                dts=dts,
                pts=draw(any_time) if draw(st.booleans()) else dts,
                duration_ticks=draw(st.sampled_from([0, 0, STEP, 1])),
                arrived_ns=MonotonicNs(packet.arrived_ns + late_ns),
            )
        )
    return packets


class LongWay(VideoTimes):
    """Places every picture as one about which there is something to decide."""

    def _plainly(self, last: EncodedPacket, packet: EncodedPacket) -> TimedPacket | None:
        return None


class Placing(VideoTimes):
    """Counts the pictures that go the long way."""

    decided = 0

    def _place(self, packet: EncodedPacket) -> int:
        self.decided += 1
        return super()._place(packet)


def run_through(
    packets: list[EncodedPacket], with_audio: bool = False, video: VideoTimes | None = None
) -> tuple[RunTimeline, list[TimedPacket]]:
    timeline = RunTimeline(STREAMS_WITH_AUDIO if with_audio else STREAMS)
    timeline._video = video or timeline._video
    placed = []
    for packet in packets:
        placed += timeline.feed(packet, WallNs(WALL + packet.arrived_ns - START_NS), packet.arrived_ns)
    return timeline, placed + timeline.finish()


@settings(max_examples=200)
@given(wild_packets(), st.booleans())
def test_the_short_way_changes_nothing(packets: list[EncodedPacket], with_audio: bool) -> None:
    """Pictures about which there is nothing to decide come to the same place by the long way."""
    short, placed = run_through(packets, with_audio)
    long, placed_long = run_through(packets, with_audio, LongWay(VIDEO_BASE))
    assert placed == placed_long
    assert short.repairs == long.repairs


def test_plain_times_go_the_short_way() -> None:
    """Of a camera whose times are right only the first pictures, before its clock is known, go the long one."""
    video = Placing(VIDEO_BASE)
    run_through([video_packet(number, is_keyframe=number % 5 == 0) for number in range(60)], video=video)
    assert video.decided < 20


@settings(max_examples=60)
@given(wild_packets())
def test_every_picture_has_one_place(packets: list[EncodedPacket]) -> None:
    """Pictures come out as they went in: all of them, once, in the same order, the very same bytes."""
    _, placed = run_through(packets)
    assert [timed.packet for timed in placed] == packets


@settings(max_examples=60)
@given(wild_packets())
def test_times_only_run_forward(packets: list[EncodedPacket]) -> None:
    """Decode times begin at 0 or later and grow, presentation is never before decoding, durations fill the time."""
    _, placed = run_through(packets)
    assert placed[0].dts >= 0
    assert all(timed.pts >= timed.dts and timed.duration_ticks > 0 for timed in placed)
    assert all(first.end == second.dts for first, second in itertools.pairwise(placed))


@settings(max_examples=60)
@given(wild_packets())
def test_times_stay_near_the_arrivals(packets: list[EncodedPacket]) -> None:
    """However wild the sender's times, media time is never far from our own clock."""
    timeline, placed = run_through(packets)
    for timed in placed:
        arrived_ns = WALL + timed.packet.arrived_ns - START_NS
        away_ns = timeline.wall_ns(timed.dts) - arrived_ns
        assert -LAG_NS_MAX - 3 * NS_PER_S <= away_ns <= LAG_NS_MAX + LEAD_NS_MAX


@settings(max_examples=60)
@given(wild_packets(), st.lists(any_time, max_size=40))
def test_sound_never_disturbs_pictures(packets: list[EncodedPacket], times: list[int | None]) -> None:
    """Pictures have the same places with sound as without; times of sound grow, whatever they were."""
    sound = [replace(audio_packet(number), dts=dts) for number, dts in enumerate(times)]
    _, alone = run_through(packets)
    _, together = run_through(in_order(packets, sound), with_audio=True)
    pictures = [timed for timed in together if timed.packet.kind == "video"]
    assert [timed.packet for timed in pictures] == [timed.packet for timed in alone]
    audio = [timed.dts for timed in together if timed.packet.kind == "audio"]
    assert all(second > first >= 0 for first, second in itertools.pairwise(audio))


@settings(max_examples=60)
@given(st.integers(-(2**33), 2**33), st.integers(2, 40), st.integers(1, 4))
def test_good_times_are_untouched(start: int, count: int, every: int) -> None:
    """Times that are right are kept to the tick, wherever they begin."""
    packets = [video_packet(number, dts=start + number * STEP * every) for number in range(count)]
    packets = [
        replace(packet, arrived_ns=MonotonicNs(START_NS + n * every * NS_PER_S // 15))
        for n, packet in enumerate(packets)
    ]
    _, placed = run_through(packets)
    assert [timed.dts for timed in placed] == [number * STEP * every for number in range(count)]


@settings(max_examples=60)
@given(wild_packets(), st.integers(0, 5 * NS_PER_S), st.data())
def test_every_picture_is_in_one_segment(packets: list[EncodedPacket], target_ns: int, data: st.DataObject) -> None:
    """From the first whole keyframe on, each picture belongs to one segment, and a whole one was seen lately."""
    _, placed = run_through(packets)
    verdicts: list[bool] = []

    def is_whole(*_asked: object) -> bool:
        verdicts.append(data.draw(st.booleans()))
        return verdicts[-1]

    segmenter = Segmenter(VIDEO, target_ns, is_whole)
    whole_ns = 0
    segments: list[list[TimedPacket]] = []
    skipped = 0
    for timed in placed:
        asked = len(verdicts)
        step = segmenter.step(timed)
        if len(verdicts) > asked and verdicts[-1]:
            whole_ns = VIDEO_BASE.to_ns(timed.dts)
        if step is Step.SKIP:
            assert not segments
            skipped += 1
        elif step is Step.CONTINUE:
            segments[-1].append(timed)
        else:
            assert timed.packet.is_keyframe
            assert VIDEO_BASE.to_ns(timed.dts) - whole_ns < ASK_AGAIN_NS
            segments.append([timed])
    assert skipped == segmenter.skipped
    assert [timed for segment in segments for timed in segment] == placed[skipped:]
    for segment, following in itertools.pairwise(segments):
        assert VIDEO_BASE.to_ns(following[0].dts - segment[0].dts) >= target_ns
