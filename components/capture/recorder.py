"""ONE attempt to record a camera: from opening its source until it fails or is stopped.

Others read (the pump, or a thread of its own), and the scribe has it record, from the queue between them. Whatever ends
the attempt, what was received until then is recorded, the segment closed and the run ended, in that order; then the
reason is raised. A reader that does not come back (libav cannot be interrupted) is left behind: it closes its source
when its own limit ends it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

from components.capture.audio_track import open_audio_track
from components.capture.camera_plan import Wanted
from components.capture.core.frozen import StreamWatch, Trouble
from components.capture.core.packets import EncodedPacket, StreamParameters, TimedPacket
from components.capture.core.segmenter import Segmenter
from components.capture.core.timeline import RunTimeline
from components.capture.footage import Footage
from components.capture.keeping import Keeping
from components.capture.live_stream import LiveStream
from components.capture.packet_queue import Batch, PacketQueue
from components.capture.packet_source import OpenSource, SourceFailed, SourceRequest
from components.capture.pump import Pump, PumpedSource
from components.capture.recorded_file import DiskFailed
from components.capture.run_place import RunPlace
from components.capture.stream_ledger import StreamLedger
from components.capture.workshop import Workshop
from components.shared.errors import Rejected, Transient
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S

OPENING_NS_MAX = 45 * NS_PER_S
"""A source has limits of its own, 20 s in all; looking up a host's name has none that we could set."""

MISSED_TOLD_NS = 60 * NS_PER_S
"""Loss on the way is told at once, then added up: a bad line in the log for every bad packet would hide the others."""


class Attempt:
    """One attempt; `run` is called once."""

    def __init__(
        self,
        request: SourceRequest,
        workshop: Workshop,
        footage: Footage,
        ledger: StreamLedger,
        log: Log,
        live: LiveStream,
        wanted: Callable[[], Wanted],
        on_pictures: Callable[[bool], None],
    ) -> None:
        """`on_pictures` is told that pictures come that decode, and whether they are recorded."""
        self._request = request
        self._workshop = workshop
        self._clock = workshop.clock
        self._footage = footage
        self._ledger = ledger
        self._log = log
        self._live = live
        self._wanted = wanted
        self._on_pictures = on_pictures
        self._where = f"camera {request.camera}"
        self.queue = PacketQueue(workshop.clock, workshop.limits.waiting_bytes_max)
        self._timeline: RunTimeline | None = None
        self._segmenter: Segmenter | None = None
        self._keeping: Keeping | None = None
        self._watch: StreamWatch | None = None
        self._began_ns = self._clock.monotonic_ns()
        self._taken = 0
        self._told_missed = 0
        self._told_missed_ns: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Record until `stop` is set. Raises what ended the attempt: SourceFailed, SourceRefused, DiskFailed, ..."""
        self._footage.settle()
        self._check_room()
        reader = threading.Thread(
            target=read_into,
            args=(self.queue, self._workshop.open_source, self._request, self._workshop.pump),
            name=f"read-{self._request.camera}",
            daemon=True,
        )
        reader.start()
        try:
            self._workshop.scribe.attend(lambda: self._take(self.queue.take(0)), stop)
            last = self.queue.take(0)
            self._guarded(lambda: self._record_all(last.packets))
            self._guarded(lambda: self._finish("stopped", last.dropped))
        finally:
            self.queue.abandon()
            # An error that is being raised holds this attempt by its traceback: let go of what libav has allocated.
            self._keeping = None
            self._live.end()

    def _take(self, batch: Batch) -> None:
        """Record a batch; then look for what ends the attempt."""
        parameters = self.queue.parameters
        if self._timeline is None and parameters is not None:
            self._prepare(parameters)
        self._guarded(lambda: self._record_all(batch.packets))
        self._tell_missed()
        if batch.dropped:
            self._end(
                DiskFailed(f"{self._where}: the disk is too slow, {batch.dropped} pictures found no place to wait"),
                batch.dropped,
            )
        if batch.ended:
            self._end(batch.error or SourceFailed("unreachable", f"{self._where}: the camera ended the stream"))
        if not self._workshop.disk.has_room:
            self._end(self._no_room())
        now_ns = self._clock.monotonic_ns()
        if self._watch is None:
            if now_ns - self._began_ns >= OPENING_NS_MAX:
                self._end(SourceFailed("unreachable", f"{self._where}: it could not be opened in good time"))
            return
        trouble = self._watch.look(now_ns)
        if trouble is not None:
            self._end(SourceFailed(trouble, f"{self._where}: {self._explain(trouble)}"))

    def _prepare(self, parameters: StreamParameters) -> None:
        """The source is open."""
        self._timeline = RunTimeline(parameters)
        self._segmenter = Segmenter(parameters.video, self._workshop.segment.target_ns, self._workshop.is_whole)
        place = RunPlace(self._timeline, self._ledger, self._clock, self._log)
        self._keeping = Keeping(
            *(self._timeline, self._segmenter, place, self._footage, self._ledger, self._live, self._wanted)
        )
        self._watch = StreamWatch(self._workshop.limits.watch, self._clock.monotonic_ns())
        reason = parameters.audio_dropped
        if parameters.audio is not None:
            try:
                self._keeping.hear(open_audio_track(parameters.audio), parameters.audio)
            except Rejected as error:
                reason = str(error)
        if reason:
            self._log.warning("audio_dropped", reason=reason)

    def _record_all(self, packets: tuple[EncodedPacket, ...]) -> None:
        if not packets:
            return
        assert self._timeline is not None, "packets come after parameters"
        assert self._segmenter is not None, "packets come after parameters"
        assert self._watch is not None, "packets come after parameters"
        self._segmenter.target_ns = self._workshop.segment.target_ns
        wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        arrivals = [packet.arrived_ns for packet in packets if packet.kind == "video"]
        if arrivals:
            self._taken += len(arrivals)
            self._watch.saw_picture(arrivals[-1])
        for packet in packets:
            for timed in self._timeline.feed(packet, wall_ns, monotonic_ns):
                self._record(timed)
        if self._keeping is not None and self._keeping.has_pictures:
            self._on_pictures(self._footage.is_recording)

    def _record(self, timed: TimedPacket) -> None:
        assert self._segmenter is not None, "packets come after parameters"
        assert self._keeping is not None, "packets come after parameters"
        if timed.packet.kind == "audio":
            self._keeping.sound(timed)
            return
        if not timed.packet.is_keyframe:
            self._keeping.picture(timed, self._segmenter.step(timed), is_damaged=False)
            return
        self._keeping.prepare()
        damaged = self._segmenter.damaged
        step = self._segmenter.step(timed)
        is_damaged = self._segmenter.damaged > damaged
        if self._watch is not None:
            self._watch.saw_keyframe(timed.packet.arrived_ns, is_damaged)
        self._keeping.picture(timed, step, is_damaged)

    @property
    def _handled(self) -> int:
        return self._keeping.handled if self._keeping is not None else 0

    def _finish(self, cause: str, lost_pictures: int) -> None:
        """Record what is still held, close the segment, end the run."""
        self._tell_missed(is_last=True)
        if self._timeline is not None:
            for timed in self._timeline.finish():
                self._record(timed)
            self._tell_repairs()
        if self._footage.is_recording:
            self._footage.end_segment()
        self._footage.end_run(cause, self._taken - self._handled + lost_pictures)

    def _end(self, error: Exception, lost_pictures: int = 0) -> NoReturn:
        cause = str(getattr(error, "cause", "disk"))
        if isinstance(error, Transient | Rejected):
            self._guarded(lambda: self._finish(cause, lost_pictures))
        raise error

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do it; when disk, catalogue or file fail, keep what is in the file and end the run before raising."""
        try:
            work()
        except (Transient, Rejected) as error:
            self._footage.break_off()
            self._footage.end_run(str(getattr(error, "cause", "disk")), self._taken - self._handled)
            raise

    def _check_room(self) -> None:
        if not self._workshop.disk.has_room:
            raise self._no_room()

    def _no_room(self) -> DiskFailed:
        return DiskFailed(f"{self._where}: {self._workshop.disk.why}, recording goes on when there is room")

    def _explain(self, trouble: Trouble) -> str:
        limits = self._workshop.limits.watch
        return {
            "frozen": f"no new picture for {limits.frozen_ns // NS_PER_S} s though the connection stands",
            "no_keyframe": f"no keyframe for {limits.keyframe_ns // NS_PER_S} s: without one nothing can be shown",
            "undecodable": "what comes is no picture: its keyframes cannot be decoded (damaged or encrypted stream?)",
        }[trouble]

    def _tell_missed(self, *, is_last: bool = False) -> None:
        missed, now_ns = self.queue.packets_missed, self._clock.monotonic_ns()
        is_early = self._told_missed_ns is not None and now_ns - self._told_missed_ns < MISSED_TOLD_NS
        if missed > self._told_missed and (is_last or not is_early):
            self._log.warning("network_packets_missed", packets=missed - self._told_missed, in_all=missed)
            self._told_missed, self._told_missed_ns = missed, now_ns

    def _tell_repairs(self) -> None:
        assert self._timeline is not None, "asked for at the end of a run"
        repairs = self._timeline.repairs
        if repairs.missing > 1 or repairs.backwards or repairs.jumped or repairs.slewed_ns:
            self._log.warning(
                "times_repaired",
                missing=repairs.missing,
                backwards=repairs.backwards,
                jumped=repairs.jumped,
                slewed_s=round(repairs.slewed_ns / NS_PER_S, 3),
            )


def read_into(queue: PacketQueue, open_source: OpenSource, request: SourceRequest, pump: Pump) -> None:
    """Open a camera and read it into the queue until it ends, fails or the queue is abandoned.

    It runs in a thread of its own, which the pump releases where it can read the camera together with others.
    """
    try:
        source = open_source(request)
        try:
            queue.opened(source.parameters, source.interrupt)
            if isinstance(source, PumpedSource) and source.is_pumped:
                pump.add(source, queue)
                return
            for packet in source.packets():
                queue.put(packet, source.packets_missed)
                if queue.is_abandoned:
                    break
        except BaseException:
            source.close()
            raise
        source.close()
    except Exception as error:  # noqa: BLE001 - the recorder's thread raises it, where it is decided about
        queue.end(error)
    else:
        queue.end(None)
