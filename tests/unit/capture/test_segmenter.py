"""Where segments begin: keyframes at the target, changed parameters, and only whole keyframes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from components.capture.core.packets import TimedPacket, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.core.segmenter import ASK_AGAIN_NS, Segmenter, Step
from components.shared.wire.units import NS_PER_S
from tests.fakes.encoded_pictures import Picture, pictures
from tests.fakes.packets import STEP, VIDEO, video_packet

GOP = 5
SECOND = 15  # pictures

IsWhole = Callable[[VideoParameters, bytes, bool], bool]


def always(_parameters: VideoParameters, _payload: bytes, _has_own_sets: bool) -> bool:
    return True


def timed(stream: Sequence[Picture], first: int = 0) -> list[TimedPacket]:
    found = []
    for number, picture in enumerate(stream, first):
        packet = video_packet(number, is_keyframe=picture.is_keyframe, payload=picture.payload)
        found.append(TimedPacket(packet, number * STEP, number * STEP, STEP))
    return found


def steps(segmenter: Segmenter, stream: Sequence[TimedPacket]) -> list[Step]:
    return [segmenter.step(picture) for picture in stream]


def at(found: Sequence[Step], step: Step) -> list[int]:
    return [number for number, which in enumerate(found) if which is step]


def make(is_whole: IsWhole = always, parameters: VideoParameters = VIDEO, target_ns: int = NS_PER_S) -> Segmenter:
    return Segmenter(parameters, target_ns, is_whole)


def test_cuts_at_the_first_keyframe_at_or_after_the_target() -> None:
    """A segment ends at the first keyframe that is at least the target away from its start."""
    found = steps(make(), timed(pictures("h264", 40, GOP)))
    assert at(found, Step.BEGIN) == [0]
    assert at(found, Step.CUT) == [15, 30]
    assert at(found, Step.SKIP) == []


def test_target_just_below_at_and_above_a_keyframe() -> None:
    """A keyframe exactly at the target cuts; one nanosecond before the target does not."""
    stream = timed(pictures("h264", 40, GOP))
    assert at(steps(make(target_ns=NS_PER_S - 1), stream), Step.CUT) == [15, 30]
    assert at(steps(make(target_ns=NS_PER_S), stream), Step.CUT) == [15, 30]
    assert at(steps(make(target_ns=NS_PER_S + 1), stream), Step.CUT) == [20]


def test_a_wanted_cut_comes_at_the_next_keyframe() -> None:
    """Whatever the length of the segment, and once: the one after it has its whole length again."""
    stream = timed(pictures("h264", 40, GOP))
    segmenter = make()
    assert at(steps(segmenter, stream[:7]), Step.CUT) == []
    segmenter.is_cut_wanted = True
    assert [7 + number for number in at(steps(segmenter, stream[7:]), Step.CUT)] == [10, 25]


def test_a_segment_may_begin_at_an_earlier_picture() -> None:
    """What was begun behind the segmenter's back has its length counted from there."""
    stream = timed(pictures("h264", 40, GOP))
    segmenter = make()
    steps(segmenter, stream[:13])
    segmenter.began(stream[10].dts)
    assert [13 + number for number in at(steps(segmenter, stream[13:]), Step.CUT)] == [25]


def test_target_changes_at_once() -> None:
    """A new target counts for the segment at hand."""
    segmenter = make(target_ns=100 * NS_PER_S)
    stream = timed(pictures("h264", 40, GOP))
    steps(segmenter, stream[:12])
    segmenter.target_ns = NS_PER_S // 2
    assert segmenter.step(stream[15]) is Step.CUT


def test_pictures_before_the_first_keyframe_are_skipped_and_counted() -> None:
    """What cannot be decoded is not kept, and counted."""
    segmenter = make()
    found = steps(segmenter, timed(pictures("h264", 40, GOP))[3:])
    assert at(found, Step.SKIP) == [0, 1]
    assert at(found, Step.BEGIN) == [2]
    assert segmenter.skipped == 2


def test_no_cut_without_a_keyframe() -> None:
    """However long no keyframe comes, every picture stays in the segment at hand."""
    stream = timed(pictures("h264", 40, 40))
    assert at(steps(make(), stream), Step.CUT) == []


def test_changed_parameters_begin_a_new_run() -> None:
    """A keyframe with another sequence parameter set begins a run, at once, and its size is known."""
    segmenter = make(target_ns=100 * NS_PER_S)
    stream = timed(pictures("h264", 10, GOP)) + timed(pictures("h264", 10, GOP, 160, 128), 10)
    found = steps(segmenter, stream)
    assert at(found, Step.RENEW) == [10]
    assert at(found, Step.CUT) == []
    assert (segmenter.parameters.width, segmenter.parameters.height) == (160, 128)


def test_size_and_sets_come_from_the_stream() -> None:
    """What the keyframe says of itself counts, not what was said when the camera described itself."""
    other = find_parameter_sets("h264", pictures("h264", 10, GOP, 160, 128)[0].payload)
    assert other is not None
    segmenter = make(parameters=VideoParameters("h264", VIDEO.time_base, other.annex_b, 0, 0))
    segmenter.step(timed(pictures("h264"))[0])
    assert (segmenter.parameters.width, segmenter.parameters.height) == (96, 64)


def test_sets_that_are_only_described() -> None:
    """A camera that tells its parameter sets only in its description has them from there."""
    keyframe = pictures("h264")[0].payload
    sets = find_parameter_sets("h264", keyframe)
    assert sets is not None
    bare = keyframe.replace(sets.annex_b, b"")
    assert find_parameter_sets("h264", bare) is None
    segmenter = make(parameters=VideoParameters("h264", VIDEO.time_base, sets.annex_b, 0, 0))
    assert segmenter.step(timed([Picture(bare, True)])[0]) is Step.BEGIN
    assert (segmenter.parameters.width, segmenter.parameters.height) == (96, 64)
    assert segmenter.parameters.extradata == sets.annex_b


def test_damaged_keyframe_begins_nothing() -> None:
    """A keyframe that does not decode begins no segment; the next one does."""
    answers = iter([False, True])
    segmenter = make(lambda *_asked: next(answers))
    found = steps(segmenter, timed(pictures("h264", 12, GOP)))
    assert at(found, Step.BEGIN) == [5]
    assert at(found, Step.SKIP) == [0, 1, 2, 3, 4]
    assert segmenter.damaged == 1


def test_keyframe_without_a_size_begins_nothing() -> None:
    """Where neither the description nor a parameter set says the picture's size, there is nothing to record."""
    bare = Picture(b"\0\0\0\1\x65" + bytes(range(200)), True)
    segmenter = make(parameters=VideoParameters("h264", VIDEO.time_base, b"", 0, 0))
    assert steps(segmenter, timed([bare, bare])) == [Step.SKIP, Step.SKIP]
    assert segmenter.damaged == 2


def test_damaged_keyframe_at_a_cut_stays_in_the_segment() -> None:
    """At the target, a keyframe that does not decode is kept in the segment at hand, and the next one cuts."""
    answers = iter([True, False, True])
    segmenter = make(lambda *_asked: next(answers), target_ns=ASK_AGAIN_NS)
    minute = 60 * SECOND
    stream = timed(pictures("h264", GOP, GOP)) + timed(pictures("h264", 2 * GOP, GOP), minute)
    found = steps(segmenter, stream)
    assert at(found, Step.CUT) == [2 * GOP]
    assert at(found, Step.SKIP) == []


def test_a_decoder_is_asked_seldom() -> None:
    """Looking whether a keyframe decodes costs something: at a run's start, and at cuts once a minute."""
    asked: list[int] = []

    def ask(_parameters: VideoParameters, _payload: bytes, _has_own_sets: bool) -> bool:
        asked.append(number)
        return True

    segmenter = make(ask)
    picture = timed(pictures("h264", 1))[0]
    for number in range(0, 130 * SECOND, GOP):
        segmenter.step(replace(picture, dts=number * STEP))
    assert asked == [0, 60 * SECOND, 120 * SECOND]


def test_keyframe_without_its_usual_sets_is_suspicious() -> None:
    """Where keyframes bring parameter sets, one without is asked too: random bytes look like that."""
    answers = iter([True, False])
    segmenter = make(lambda *_asked: next(answers), target_ns=100 * NS_PER_S)
    stream = [*pictures("h264", 5, GOP), Picture(b"\0\0\0\1\x65" + bytes(range(200)), True)]
    assert steps(segmenter, timed(stream))[-1] is Step.CONTINUE
    assert segmenter.damaged == 1
