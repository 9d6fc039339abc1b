"""Days of normal footage through the decoder and the judgement that VideoProcessor has, and failures put into them.

Pictures are drawn (`replayed_scenes`), encoded as real H.264 keyframes, decoded by the product and judged by it, a
keyframe every five seconds of simulated time. A fault that is raised though nothing was wrong is a false alarm. Now and
then the watch is copied and the copy is shown each failure for a minute, so that the normal day goes on unharmed: that
tells what would have been found, by day and by night.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from components.shared.wire.live import LiveVideo
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from components.video_processor.core.picture_measures import Look
from components.video_processor.core.picture_watch import PictureWatch
from components.video_processor.frame_source import small_picture
from lab.replayed_scenes import HEIGHT, NORMAL, WIDTH, Place, ReplayedDay, View, Yuv

STEP_S = 5.0
"""Simulated time between two keyframes."""

INJECTED_LOOKS = 13
"""A minute and a bit: what is not raised by then is missed."""

CRF = {"yard": 30, "street": 27, "room": 33, "lot": 36}
"""How coarsely the camera of each place encodes."""

FAILURES: dict[str, View] = {
    "picture_black": View(is_black=True),
    "picture_covered": View(cover=0.4),
    "picture_blurred": View(blur_sigma=2.0),
    "picture_moved": View(shift=(24, 10)),
}
"""Views of a camera that fails; `picture_frozen` is the same picture again and again."""

_VIDEO = LiveVideo(codec="h264", width=WIDTH, height=HEIGHT, ticks_numerator=1, ticks_denominator=1)


@dataclass
class Replayed:
    """What came of a replay. `missed` and `found` count injected failures, by kind."""

    hours: float = 0.0
    keyframes: int = 0
    false_alarms: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    detect_s_max: float = 0.0

    def add(self, other: Replayed) -> None:
        """Count what came of another one too."""
        self.hours += other.hours
        self.keyframes += other.keyframes
        self.false_alarms += other.false_alarms
        for mine, others in ((self.found, other.found), (self.missed, other.missed)):
            for kind, count in others.items():
                mine[kind] = mine.get(kind, 0) + count
        self.detect_s_max = max(self.detect_s_max, other.detect_s_max)


class Encoder:
    """Pictures as the keyframes of a camera, each with its parameter sets."""

    def __init__(self, crf: int) -> None:
        encoder = VideoCodecContext.create("libx264", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 1), Fraction(1, 1)
        encoder.gop_size = encoder.thread_count = 1
        encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "crf": str(crf)}
        self._encoder = encoder
        self._count = 0

    def encode(self, picture: Yuv) -> bytes:
        """The access unit of a picture."""
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self._count
        self._count += 1
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


def replay(
    place: Place, seed: int, begin_s: float, hours: float, say: Callable[[str], None], inject_every_s: float
) -> Replayed:
    """Replay so many hours of a place from that time of its day on."""
    day, encoder, watch, replayed = ReplayedDay(place, seed), Encoder(CRF[place]), PictureWatch(), Replayed()
    raised = None
    for number in range(round(hours * 3600 / STEP_S)):
        time_s = begin_s + number * STEP_S
        watch.look(_look(encoder.encode(day.picture(time_s % 86_400)), time_s))
        if watch.fault is not None and raised is None:
            text = f"{place}, seed {seed}, {time_s / 3600:.2f} h: {watch.fault.kind}: {watch.fault.reason}"
            replayed.false_alarms.append(text)
            say(f"false alarm: {text}")
        raised = watch.fault
        replayed.hours += STEP_S / 3600
        replayed.keyframes += 1
        if number and not number * STEP_S % inject_every_s:
            _inject_all(day, encoder, watch, time_s, replayed, say)
    return replayed


def _inject_all(
    day: ReplayedDay,
    encoder: Encoder,
    watch: PictureWatch,
    time_s: float,
    replayed: Replayed,
    say: Callable[[str], None],
) -> None:
    for kind in (*FAILURES, "picture_frozen"):
        view = FAILURES.get(kind, NORMAL)
        frozen = encoder.encode(day.picture(time_s % 86_400)) if kind == "picture_frozen" else None
        trial = copy.deepcopy(watch)
        for look in range(1, INJECTED_LOOKS + 1):
            at_s = time_s + look * STEP_S
            trial.look(_look(frozen or encoder.encode(day.picture(at_s % 86_400, view)), at_s))
            if trial.fault is not None and trial.fault.kind == kind:
                replayed.found[kind] = replayed.found.get(kind, 0) + 1
                replayed.detect_s_max = max(replayed.detect_s_max, look * STEP_S)
                break
        else:
            replayed.missed[kind] = replayed.missed.get(kind, 0) + 1
            say(f"missed: {day.place}, {time_s / 3600:.0f} h: {kind}, judged {trial.fault and trial.fault.kind}")


def _look(access_unit: bytes, time_s: float) -> Look:
    small = small_picture(_VIDEO, access_unit)
    at_ns = round(time_s * NS_PER_S)
    return Look(MonotonicNs(at_ns), WallNs(at_ns), small.grey, small.points, small.saturation)
