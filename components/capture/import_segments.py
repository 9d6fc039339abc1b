"""Writes the footage of a foreign file as segments of a stream's record, where the record has none yet.

The same as recorded footage in every byte and row: stream copied, cut at keyframes, hashed and scanned while it is
written, closed by a trailer. Only the order of a segment's life differs, because it may belong before segments that are
there already: its place is noted, the file is written and made durable, then its row comes, closed at once, and the
hint (see `catalogue/imports`). Whatever breaks that off leaves a noted place, which is cleared before the next attempt.

Footage is left out where the record has some (`core/import_plan`); after such a stretch a new run begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from components.capture.audio_track import AudioTrack, open_audio_track
from components.capture.core.import_plan import FreeTime
from components.capture.core.packets import TimedPacket, VideoParameters
from components.capture.core.segmenter import IsWhole, Segmenter, Step
from components.capture.core.timeline import RunTimeline
from components.capture.hints import GivesHints
from components.capture.import_rows import ImportRows
from components.capture.import_source import ForeignFile
from components.capture.recorded_file import FileRefused, RecordedFile
from components.capture.segment_writer import SegmentName, SegmentWriter, frames_in, seal_segment
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import RunRow, SegmentRow, Volume, open_row
from components.shared.catalogue.imports import FileKey
from components.shared.errors import Rejected, Transient
from components.shared.runtime import files
from components.shared.runtime.log import Log
from components.shared.wire.messages import SegmentClosed
from components.shared.wire.object_keys import StreamName, segment_id
from components.shared.wire.units import MonotonicNs, WallNs


class ImportStoppedError(Exception):
    """The component stops: what is written so far stays, the rest of the file is imported later."""


class PlaceTakenError(Transient):
    """Where a segment belongs there is a file that no row knows, or that is about to be deleted."""


@dataclass(slots=True)
class Tally:
    """What became of a file's pictures: in segments, in time that was taken, before a keyframe or damaged.

    `note` says why it ended early.
    """

    imported: int = 0
    taken: int = 0
    skipped: int = 0
    segments: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where imported footage goes: the stream, its rows, its volume."""

    camera: str
    stream: StreamName
    rows: StreamRows
    imports: ImportRows
    volume: Volume
    hints: GivesHints


@dataclass(slots=True)
class _Segment:
    row: SegmentRow
    file: RecordedFile
    writer: SegmentWriter
    until_ns: int | None
    """Where footage begins that was there before: the segment ends there at the latest."""


class SegmentImport:
    """The import of one file; `run` is called once."""

    def __init__(
        self,
        archive: Archive,
        key: FileKey,
        source: ForeignFile,
        start_ns: WallNs,
        free: FreeTime,
        target_ns: int,
        is_whole: IsWhole,
        log: Log,
        step: files.Step = files.no_step,
    ) -> None:
        """`start_ns` is when the first picture of `source` was; `step` is called around durable steps."""
        self._archive = archive
        self._key = key
        self._source = source
        self._start_ns = start_ns
        self._free = free
        self._target_ns = target_ns
        self._is_whole = is_whole
        self._log = log
        self._step = step
        self._where = f"camera {archive.camera}, file {key.path}"
        self._parameters: VideoParameters = source.parameters.video
        self._timeline = RunTimeline(source.parameters)
        self._segmenter: Segmenter | None = None
        self._audio: AudioTrack | None = None
        self._run: RunRow | None = None
        self._segment: _Segment | None = None
        self.tally = Tally()

    def run(self, proceed: Callable[[], bool]) -> Tally:
        """Import all that can be. Transient when disk or catalogue fail; ImportStoppedError when `proceed` says no.

        What cannot be written as a segment ends the import of the rest: `note` of the tally says why.
        """
        self._open_audio()
        try:
            for packet in self._source.packets():
                if not proceed():
                    raise ImportStoppedError
                for timed in self._timeline.feed(packet, self._start_ns, MonotonicNs(0)):
                    self._take(timed)
            for timed in self._timeline.finish():
                self._take(timed)
            self._end_run()
        except (Rejected, FileRefused) as error:
            self.tally.note = str(error)
        finally:
            self._abandon()
            self._audio = None
        self.tally.note = self.tally.note or self._source.broke_off
        return self.tally

    def _open_audio(self) -> None:
        parameters = self._source.parameters
        reason = parameters.audio_dropped
        if parameters.audio is not None:
            try:
                self._audio = open_audio_track(parameters.audio)
            except Rejected as error:
                reason = str(error)
        if reason:
            self._log.warning("audio_dropped", file=self._key.path, reason=reason)

    def _take(self, timed: TimedPacket) -> None:
        if timed.packet.kind == "audio":
            if self._segment is not None:
                self._segment.writer.write(timed)
            return
        if self._free.is_taken(self._timeline.wall_ns(timed.dts)):
            self.tally.taken += 1
            self._end_run()
            self._segmenter = None
            return
        if self._segmenter is None:
            self._segmenter = Segmenter(self._parameters, self._target_ns, self._is_whole)
        step = self._segmenter.step(timed)
        self._parameters = self._segmenter.parameters
        if step is Step.SKIP:
            self.tally.skipped += 1
            return
        if step in (Step.CUT, Step.RENEW):
            self._end_segment()
        if step is Step.RENEW:
            self._end_run()
        if step is not Step.CONTINUE:
            self._begin_segment(timed.dts)
        assert self._segment is not None, "begun with the first picture"
        self._segment.writer.write(timed)
        self.tally.imported += 1

    def _begin_segment(self, dts: int) -> None:
        archive, start_ns = self._archive, self._timeline.wall_ns(dts)
        if self._run is None:
            video = self._parameters
            run = segment_id(archive.camera, archive.stream, start_ns)
            self._run = RunRow(
                *(run, archive.camera, archive.stream, start_ns, None, video.codec, video.width, video.height),
                video.time_base,
            )
        row = open_row(archive.camera, archive.stream, start_ns, self._run.run, archive.volume.volume)
        path = archive.volume.root / row.path
        if path.exists() or archive.imports.is_garbage(row.segment):
            raise PlaceTakenError(
                f"{self._where}: {path} is there already, without a row: it is adopted or deleted first"
            )
        self._step("before intend")
        archive.imports.intend(self._key, row)
        self._step("after intend")
        file = RecordedFile(path, f"camera {archive.camera}, segment {row.segment}")
        try:
            writer = SegmentWriter(file, self._parameters, self._audio)
        except Transient:
            file.close()
            raise
        self._segment = _Segment(row, file, writer, self._free.until(start_ns))
        self._step("after create")

    def _end_segment(self) -> None:
        segment, run, archive = self._segment, self._run, self._archive
        if segment is None:
            return
        assert run is not None, "segments are of runs"
        segment.writer.finish()
        if not frames_in(segment.file):
            raise Rejected(f"{self._where}: the muxer wrote no picture of it")
        name = SegmentName(archive.camera, archive.stream, run.run, segment.row.start_ns)
        self._step("before seal")
        facts, parts = seal_segment(segment.file, name, lambda ticks: self._ends_at(ticks, segment))
        self._step("after seal")
        archive.imports.record(self._key, segment.row, run, facts, parts)
        self._step("after record")
        self._segment = None
        frames = run.frames_recorded + facts.frames
        self._run = replace(run, ended_ns=facts.end_ns, frames_received=frames, frames_recorded=frames)
        self.tally.segments += 1
        archive.hints.give(
            SegmentClosed(
                camera=archive.camera,
                stream=archive.stream,
                segment=segment.row.segment,
                start_ns=facts.start_ns,
                end_ns=facts.end_ns,
            )
        )

    def _ends_at(self, ticks: int, segment: _Segment) -> WallNs:
        end_ns = self._timeline.wall_ns(ticks)
        return end_ns if segment.until_ns is None else WallNs(min(end_ns, segment.until_ns))

    def _end_run(self) -> None:
        self._end_segment()
        run, self._run = self._run, None
        if run is None or run.ended_ns is None:
            return
        self._step("before end run")
        rows = self._archive.rows
        rows.update_run(run.run, run.frames_received, run.frames_recorded)
        rows.end_run(run.run, run.ended_ns, "imported")
        self._step("after end run")

    def _abandon(self) -> None:
        """Whatever happened: no segment stays half written, no run unended, if the disk lets us."""
        segment, self._segment = self._segment, None
        step = self._step
        with suppress(Transient):  # the next attempt clears the noted place otherwise, start-up ends the run
            if segment is not None:
                segment.file.close()
                files.remove_durably(segment.file.path, step)
                step("before forget")
                self._archive.imports.forget_intent(self._key)
                step("after forget")
            self._end_run()
