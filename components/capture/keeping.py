"""What is kept of a stream that is read: runs and segments begin and end as it is wanted, and all of it is live.

A stream is read on while nothing of it is to be recorded, so that it can be looked at and its recording can begin at
once. Where that begins, the GOP at hand is recorded from its keyframe on: the moment that was asked for is never
missing. Where it ends, the segment ends with the picture before.

A segment is of one class. One that is to be kept longer from some moment on is kept longer as a whole, at once; one
that may be kept for a shorter time ends at the next keyframe, and the next one is of the other class.

Used by the recording thread of one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.capture.audio_track import AudioTrack
from components.capture.camera_plan import Wanted
from components.capture.core.packets import AudioParameters, TimedPacket
from components.capture.core.schedule import NotRecorded
from components.capture.core.segmenter import Segmenter, Step
from components.capture.core.timeline import RunTimeline
from components.capture.footage import Footage
from components.capture.live_stream import LiveStream
from components.capture.run_place import RunPlace
from components.capture.stream_ledger import StreamLedger
from components.shared.wire.recording_config import SpanMode
from components.shared.wire.units import WallNs

BEGINNINGS = (Step.BEGIN, Step.CUT, Step.RENEW)
"""Steps at which a segment may begin."""


class Keeping:
    """See the module; one per connection."""

    def __init__(
        self,
        timeline: RunTimeline,
        segmenter: Segmenter,
        place: RunPlace,
        footage: Footage,
        ledger: StreamLedger,
        live: LiveStream,
        wanted: Callable[[], Wanted],
    ) -> None:
        self._timeline = timeline
        self._segmenter = segmenter
        self._place = place
        self._footage = footage
        self._ledger = ledger
        self._live = live
        self._wanted = wanted
        self._audio: AudioTrack | None = None
        self._audio_parameters: AudioParameters | None = None
        self._may_reach_back = True
        self._is_gop_whole = False
        self.has_pictures = False
        """Whether a keyframe has come that decodes."""
        self.handled = 0
        """Pictures that it was decided about, and that nothing failed with before they were."""

    def hear(self, audio: AudioTrack, parameters: AudioParameters) -> None:
        """The stream has sound."""
        self._audio, self._audio_parameters = audio, parameters

    def prepare(self) -> None:
        """Before the next keyframe: whether a segment should begin with it if it can."""
        recorded = self._wanted().recorded
        self._segmenter.is_cut_wanted = recorded is not None and self._footage.mode not in (recorded, "motion")

    def sound(self, timed: TimedPacket) -> None:
        """A frame of sound; one without a segment is not kept."""
        self._live.feed(timed)
        self._footage.write(timed)

    def picture(self, timed: TimedPacket, step: Step, is_damaged: bool) -> None:
        """The next picture, with what the segmenter says of it. DiskFailed, FileRefused, Transient."""
        if step is Step.SKIP:
            self.handled += 1
            return
        self.has_pictures = True
        if timed.packet.is_keyframe:
            self._is_gop_whole = not is_damaged
        if step is Step.BEGIN or step is Step.RENEW:
            self._live.begin(self._segmenter.parameters, self._audio_parameters, self._wall_of)
        self._live.feed(timed)
        wanted = self._wanted()
        if wanted.recorded is None:
            self._pause(wanted.cause or "policy")
        elif self._footage.is_recording:
            self._go_on(timed, step, wanted.recorded)
        else:
            self._begin(timed, step, wanted.recorded)

    def _go_on(self, timed: TimedPacket, step: Step, mode: SpanMode) -> None:
        if step is Step.CUT or step is Step.RENEW:
            self._footage.end_segment()
            if step is Step.RENEW:
                self._footage.end_run("the picture's parameters changed", 0)
                self._begin_run(timed)
            elif self._place.follow(timed.dts):
                self._footage.end_run("the clock was set", 0)
                self._begin_run(timed)
            self._footage.begin_segment(timed.dts, self._segmenter.parameters, mode)
        elif mode == "continuous":
            self._footage.keep_longer()
        self.handled += 1
        self._footage.write(timed)

    def _pause(self, cause: NotRecorded) -> None:
        self._may_reach_back = True
        if self._footage.is_recording:
            self._footage.end_segment()
            self._footage.end_run(cause, 0)
            assert self._footage.ended_ns is not None, "there was a segment"
            self._ledger.lost(self._footage.ended_ns, cause, "")
        self.handled += 1

    def _begin(self, timed: TimedPacket, step: Step, mode: SpanMode) -> None:
        """Begin to record at this picture, or with the GOP that it belongs to, or at the next keyframe."""
        if step in BEGINNINGS:
            self._place.begin(timed.dts)
            packets: Sequence[TimedPacket] = [timed]
        else:
            packets = self._reach_back()
            if not packets:
                self.handled += 1
                return
        first = packets[0]
        self._ledger.found(self._timeline.wall_ns(first.dts))
        self._begin_run(first)
        self._footage.begin_segment(first.dts, self._segmenter.parameters, mode)
        self._segmenter.began(first.dts)
        self.handled += 1
        for packet in packets:
            self._footage.write(packet)

    def _reach_back(self) -> list[TimedPacket]:
        """The GOP at hand if it may be recorded: asked once, since it only becomes later."""
        if not (self._may_reach_back and self._is_gop_whole):
            return []
        self._may_reach_back = False
        packets = self._live.gop()
        if packets:
            start_ns = self._timeline.wall_ns(packets[0].dts)
            if start_ns < self._ledger.record_end_ns(start_ns):
                return []
        return packets

    def _begin_run(self, first: TimedPacket) -> None:
        self._footage.begin_run(self._segmenter.parameters, self._audio, self._timeline, first.dts)

    def _wall_of(self, timed: TimedPacket) -> WallNs:
        if timed.packet.kind == "video":
            return self._timeline.wall_ns(timed.dts)
        assert self._audio_parameters is not None, "sound has parameters"
        return WallNs(self._timeline.wall_ns(0) + self._audio_parameters.time_base.to_ns(timed.dts))
