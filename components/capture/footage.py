"""The footage of one stream: runs and segments, rows and files together, one segment at a time.

A segment: row `open`, file, fragments, trailer, file and folder synced, row `closed`, hint. Whatever breaks that off
leaves a closed file and an open row; `settle` then keeps what is in the file, as start-up would, before anything new
is recorded.

Counted, never assumed: `frames_recorded` of a run is what the closed files hold by their own bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.capture.audio_track import AudioTrack
from components.capture.core.packets import TimedPacket, VideoParameters
from components.capture.core.timeline import RunClock, RunTimeline
from components.capture.group_sync import GroupSync
from components.capture.hints import GivesHints
from components.capture.recorded_file import DiskFailed, FileRefused, RecordedFile
from components.capture.segment_writer import SegmentName, SegmentWriter, frames_in, seal_segment
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import RunRow, SegmentRow, Volume, open_row
from components.shared.catalogue.reconcile import settle_stream
from components.shared.catalogue.volumes import absence
from components.shared.errors import Rejected, Transient
from components.shared.runtime.log import Log
from components.shared.wire.messages import SegmentClosed
from components.shared.wire.object_keys import StreamName, segment_id
from components.shared.wire.recording_config import SpanMode
from components.shared.wire.segment_file import media_duration_ns
from components.shared.wire.units import NS_PER_S, WallNs

CLOCK_MOVED_NS = NS_PER_S
"""A camera's clock that moves by less against the box's is told when its run ends."""

CLOCK_TOLD_NS = 5 * NS_PER_S
"""How often at most, by the camera's own ticks: one whose clock jumps all the time is not worth more rows."""


@dataclass(slots=True)
class _Run:
    run: str
    video: VideoParameters
    timeline: RunTimeline
    clock: RunClock
    clock_told_dts: int = 0
    received: int = 0
    recorded: int = 0


@dataclass(slots=True)
class _Segment:
    row: SegmentRow
    file: RecordedFile
    writer: SegmentWriter
    mode: SpanMode


class Footage:
    """Records the packets of one stream; used by its worker's thread. Lives over all attempts."""

    def __init__(
        self,
        camera: str,
        stream: StreamName,
        catalogue: StreamRows,
        volume: Volume,
        disk: GroupSync,
        hints: GivesHints,
        log: Log,
    ) -> None:
        self._camera = camera
        self._stream = stream
        self._catalogue = catalogue
        self._volume = volume
        self._disk = disk
        self._hints = hints
        self._log = log
        self._audio: AudioTrack | None = None
        self._run: _Run | None = None
        self._segment: _Segment | None = None
        self._is_unsettled = True  # a worker before this one may have left a segment
        self.ended_ns: WallNs | None = None
        """Where the footage ends that was recorded last; None before there was any."""

    @property
    def is_recording(self) -> bool:
        """Whether a segment is open."""
        return self._segment is not None

    @property
    def mode(self) -> SpanMode | None:
        """The class of the segment at hand; None without one."""
        return self._segment.mode if self._segment is not None else None

    def settle(self) -> None:
        """Finish what an attempt before could not. Transient when the disk is still not able to."""
        if not self._is_unsettled:
            return
        for repair in settle_stream(self._catalogue, self._camera, self._stream):
            self._log.warning("segment_settled", what=repair.what, path=repair.where, detail=repair.detail)
        self._is_unsettled = False

    def begin_run(self, video: VideoParameters, audio: AudioTrack | None, timeline: RunTimeline, dts: int) -> None:
        """A run begins with the picture at `dts`."""
        start_ns = timeline.wall_ns(dts)
        run = segment_id(self._camera, self._stream, start_ns)
        known = timeline.clock
        self._catalogue.begin_run(
            RunRow(
                *(run, self._camera, self._stream, start_ns, None),
                *(video.codec, video.width, video.height, video.time_base),
                anchor_source=known.source,
                clock_offset_ns=known.offset_ns,
                anchor_uncertainty_ns=known.uncertainty_ns,
            )
        )
        self._audio = audio
        self._run = _Run(run, video, timeline, known, dts)
        self._log.info(
            "run_began",
            run=run,
            codec=video.codec,
            picture=f"{video.width}x{video.height}",
            anchor=known.source,
            uncertainty_s=round(known.uncertainty_ns / NS_PER_S, 3),
            clock_offset_s=None if known.offset_ns is None else round(known.offset_ns / NS_PER_S, 3),
        )

    def begin_segment(self, dts: int, video: VideoParameters, mode: SpanMode = "continuous") -> None:
        """A segment of the run, of that class, begins with the picture at `dts`. DiskFailed when there is no place."""
        run = self._need_run()
        start_ns = run.timeline.wall_ns(dts)
        row = open_row(self._camera, self._stream, start_ns, run.run, self._volume.volume)
        self._catalogue.open_segment(row, mode)
        self._is_unsettled = True
        self.ended_ns = start_ns
        self._check_volume()
        where = f"camera {self._camera}, segment {row.segment}"
        file = RecordedFile(self._volume.root / row.path, where, self._disk.door)
        try:
            writer = SegmentWriter(file, video, self._audio)
        except FileRefused:
            file.close()
            raise
        self._segment = _Segment(row, file, writer, mode)
        self._disk.add(file)

    def keep_longer(self) -> None:
        """The segment at hand is of the class `continuous` from now on. Transient."""
        if self._segment is not None and self._segment.mode != "continuous":
            self._catalogue.keep_longer(self._segment.row.segment)
            self._segment.mode = "continuous"

    def write(self, timed: TimedPacket) -> None:
        """A packet of the segment at hand; audio without one is left out. DiskFailed, FileRefused."""
        if self._segment is None:
            return
        if timed.packet.kind == "video":
            self._need_run().received += 1
            if timed.packet.is_keyframe:
                self._follow_clock(self._need_run(), timed.dts)
        self._segment.writer.write(timed)

    def _follow_clock(self, run: _Run, dts: int) -> None:
        """Tell the catalogue when the camera's clock has moved against the box's, now and then."""
        known = run.timeline.clock
        if known.offset_ns is None:
            return
        moved_ns = CLOCK_MOVED_NS if run.clock.offset_ns is None else abs(known.offset_ns - run.clock.offset_ns)
        waited_ns = run.video.time_base.to_ns(dts - run.clock_told_dts)
        if moved_ns < CLOCK_MOVED_NS or waited_ns < CLOCK_TOLD_NS:
            return
        run.clock, run.clock_told_dts = known, dts
        told = (run.run, known.source, known.offset_ns, known.uncertainty_ns)
        self._quietly("set_run_clock", lambda: self._catalogue.set_run_clock(*told))

    def end_segment(self) -> None:
        """Close the segment at hand: file, row, hint. DiskFailed, FileRefused, Transient."""
        segment, run = self._segment, self._need_run()
        if segment is None:
            return
        segment.writer.finish()
        self._disk.remove(segment.file)
        frames = frames_in(segment.file)
        if frames != segment.writer.frames:
            self._log.error(
                "frames_lost", segment=segment.row.segment, given=segment.writer.frames, written=frames, step="mux"
            )
        if not frames:
            raise FileRefused(f"camera {self._camera}, segment {segment.row.segment}: no picture was written")
        name = SegmentName(self._camera, self._stream, run.run, segment.row.start_ns)
        facts, parts = seal_segment(segment.file, name, run.timeline.wall_ns)
        self._check_volume()
        run_frames = (run.received, run.recorded + facts.frames)
        self._catalogue.close_segment(segment.row.segment, facts, parts, run_frames=run_frames)
        self._is_unsettled = False
        self._segment = None
        self.ended_ns = facts.end_ns
        run.recorded += facts.frames
        self._log.info(
            "segment_closed",
            segment=segment.row.segment,
            size_bytes=facts.size_bytes,
            frames=facts.frames,
            duration_s=round((facts.end_ns - facts.start_ns) / NS_PER_S, 3),
        )
        self._hints.give(
            SegmentClosed(
                camera=self._camera,
                stream=self._stream,
                segment=segment.row.segment,
                start_ns=facts.start_ns,
                end_ns=facts.end_ns,
            )
        )

    def end_run(self, cause: str, lost_pictures: int) -> None:
        """End the run; `lost_pictures` were received and are in no segment. Nothing is raised for a failing disk."""
        if self._run is None:
            return
        run, self._run = self._run, None
        self._audio = None
        run.received += lost_pictures
        end_ns = self.ended_ns if self.ended_ns is not None else run.timeline.wall_ns(0)
        self._quietly("end_run", lambda: self._catalogue.update_run(run.run, run.received, run.recorded))
        self._quietly("end_run", lambda: self._catalogue.end_run(run.run, end_ns, cause))
        known = run.timeline.clock
        self._quietly(
            "end_run",
            lambda: self._catalogue.set_run_clock(run.run, known.source, known.offset_ns, known.uncertainty_ns),
        )
        self._log.info(
            "run_ended", run=run.run, cause=cause, frames_received=run.received, frames_recorded=run.recorded
        )

    def break_off(self) -> None:
        """Leave the segment at hand as it is, because it cannot be finished, and keep what is in its file."""
        segment, run = self._segment, self._run
        if segment is None or run is None:
            self._quietly("settle", self.settle)
            return
        self._segment = None
        self._disk.remove(segment.file)
        header = segment.file.header
        if header is not None and frames_in(segment.file):
            # As settling will count it: what follows, a gap, begins where its row ends, to the nanosecond.
            self.ended_ns = WallNs(segment.row.start_ns + media_duration_ns(header, segment.file.fragments))
        self._quietly("close", segment.file.close)
        self._quietly("settle", self.settle)
        settled = self._read_settled(segment.row.segment)
        if settled is not None:
            run.recorded += settled.frames
        elif not self._is_unsettled:  # nothing of it is kept, as when its disk is gone: the gap begins where it began
            self.ended_ns = segment.row.start_ns

    def _read_settled(self, segment: str) -> SegmentRow | None:
        if self._is_unsettled:
            return None
        try:
            return self._catalogue.segment(segment)
        except Transient:  # the count stays lower than the truth; start-up puts it right
            return None

    def _quietly(self, step: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (Transient, Rejected) as error:
            self._log.warning("left_for_later", step=step, error=error)

    def _check_volume(self) -> None:
        """DiskFailed when another disk is in the volume's place: the disk watch looks only once a second.

        A segment that begins would be on it; one that ends is not where its row says.
        """
        absent = absence(self._volume)
        if absent is not None:
            raise DiskFailed(absent)

    def _need_run(self) -> _Run:
        assert self._run is not None, "a run has begun"
        return self._run
