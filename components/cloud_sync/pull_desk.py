"""Answers `span/pull`: takes requests of the cloud for footage, attaches uploads to them, and tells how far they are.

A request is refused at once, with the reason, or it is on record in sync.db and ends: with everything of its span that
is at the site in the bucket, or told as never to come. What is a small part of a segment goes as a clip; what is nearly
all of one, or is there already, as the segment. Its span may reach into the segment that is being written.

Invariants: a request of a known id starts nothing; at most WORKING_MAX are worked on, of at most SPAN_S_MAX and
BYTES_MAX each; an answer that cannot be sent is sent later, and holds up nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from components.cloud_sync.clip_maker import growing_facts, make_clip
from components.cloud_sync.core.clips import complete_part, cuts_of, is_nearly_whole
from components.cloud_sync.core.plan import PULLED_PRIORITY, Why
from components.cloud_sync.happenings import Happenings
from components.cloud_sync.object_store import Stopped
from components.cloud_sync.sweeper import upload_row
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.catalogue.pulls import (
    PullProgress,
    PullRow,
    add_pull,
    attach,
    end_pull,
    progress_of,
    pull_of,
    working_pulls,
)
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Bus, CloudInbox
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.span_pull import (
    NOTE_CHARS_MAX,
    PullState,
    SpanPull,
    SpanPulled,
    decode_pull,
    encode_pulled,
    id_of_bad_pull,
    pulled_topic,
)
from components.shared.wire.units import NS_PER_S, WallNs, format_iso

SPAN_S_MAX = 86_400  # a day: more is a policy, not a request
BYTES_MAX = 4 * 1024**3  # an hour of 8 Mbit/s is 3.6 GB; more would keep a link of 20 Mbit/s for half an hour
WORKING_MAX = 20  # requests of people; more come from something that asks in a loop
LOOK_NS = 5 * NS_PER_S  # how often progress is told, and footage that was not there yet looked for
REQUESTS_MAX = 100  # that wait while sync.db is busy; one that is dropped is asked again by its sender


class PullDesk:
    """One thread calls `work`. `wake` is called when something came into the queue."""

    def __init__(
        self,
        thing: str,
        ledger: SyncWriter,
        footage: Happenings,
        bus: Bus,
        wake: Callable[[], object],
        clock: Clock,
        log: Log,
    ) -> None:
        self._thing = thing
        self._ledger = ledger
        self._footage = footage
        self._bus = bus
        self._wake = wake
        self._clock = clock
        self._log = log
        self._told: dict[str, SpanPulled] = {}
        self._attached: dict[str, set[str]] = {}

    def work(self, requests: CloudInbox, stop: threading.Event) -> None:
        """Takes requests and goes on with those taken until `stop` is set. Transient when a catalogue fails."""
        while not stop.is_set():
            first = requests.take(self._clock, stop, LOOK_NS)
            for message in ([first] if first is not None else []) + requests.drain():
                self.take(message.payload)
            self.look(stop)

    def take(self, payload: bytes) -> None:
        """Takes one request, or refuses it with the reason; either is told."""
        try:
            asked = decode_pull(payload)
        except Rejected as error:
            self._refuse(id_of_bad_pull(payload), str(error))
            return
        known = pull_of(self._ledger, asked.id)
        if known is not None:
            if (known.camera, known.start_ns, known.end_ns) != (asked.camera, asked.start_ns, asked.end_ns):
                self._refuse(asked.id, "this id was taken by a request for another span: choose a new one")
                return
            self._told.pop(asked.id, None)  # whoever asks again is told again
            if known.state == "done":
                self._tell(self._answer(known, "done", progress_of(self._ledger, known.pull)))
            return
        try:
            self._check(asked)
        except Rejected as error:
            self._refuse(asked.id, str(error))
            return
        span = (WallNs(asked.start_ns), WallNs(asked.end_ns))
        add_pull(self._ledger, PullRow(asked.id, asked.camera, *span, self._clock.wall_ns()))
        self._log.info(
            "pull_taken", pull=asked.id, camera=asked.camera, start=format_iso(span[0]), end=format_iso(span[1])
        )

    def look(self, stop: threading.Event) -> None:
        """Goes on with every request that is not over, and tells what is new. Transient when a catalogue fails."""
        for pull in working_pulls(self._ledger):
            if stop.is_set():
                return
            try:
                is_all_there = self._attach(pull, stop)
            except Stopped:
                return
            progress = progress_of(self._ledger, pull.pull)
            is_over = is_all_there and progress.is_over
            if is_over:
                end_pull(self._ledger, pull.pull, self._note(pull, progress))
                self._log.info(
                    "pull_done", pull=pull.pull, camera=pull.camera, objects=progress.objects, refused=progress.refused
                )
            answer = self._answer(pull_of(self._ledger, pull.pull) or pull, "done" if is_over else "working", progress)
            if self._told.get(pull.pull) != answer:
                self._tell(answer)
            if is_over:
                self._told.pop(pull.pull, None)
                self._attached.pop(pull.pull, None)

    def _check(self, asked: SpanPull) -> None:
        if asked.end_ns <= asked.start_ns:
            raise Rejected("the span ends before it begins")
        if asked.end_ns - asked.start_ns > SPAN_S_MAX * NS_PER_S:
            raise Rejected(f"the span is longer than {SPAN_S_MAX // 3_600} hours: ask for it in parts")
        now_ns = self._clock.wall_ns()
        if asked.end_ns > now_ns:
            raise Rejected(f"the span ends in the future: it is {format_iso(now_ns)} at the site")
        if len(working_pulls(self._ledger)) >= WORKING_MAX:
            raise Rejected(f"{WORKING_MAX} requests are not done yet: wait for one of them")
        rows = self._rows(asked.camera, asked.start_ns, asked.end_ns)
        if not rows:
            raise Rejected(f"camera {asked.camera} has no footage of this span at the site")
        size_bytes = sum(row.size_bytes for row in rows)
        if size_bytes > BYTES_MAX:
            raise Rejected(
                f"the span has up to {size_bytes} bytes, at most {BYTES_MAX} are sent: ask for a shorter one"
            )

    def _rows(self, camera: str, start_ns: int, end_ns: int) -> list[SegmentRow]:
        capture = self._footage.capture
        return [] if capture is None else capture.segments(camera, start_ns, end_ns, stream="main")

    def _attach(self, pull: PullRow, stop: threading.Event) -> bool:
        """Attaches what is there of a request's span; whether nothing more is to come."""
        capture = self._footage.capture
        if capture is None:
            return False
        keys, clips, is_all_there = list[str](), list[UploadRow](), True
        attached = self._attached.setdefault(pull.pull, set())
        found_of: set[str] = set()
        for row in self._rows(pull.camera, pull.start_ns, pull.end_ns):
            if row.segment in attached:
                continue
            try:
                found = self._of_segment(capture, pull, row, stop)
            except Stopped:
                raise
            except (Transient, Rejected) as error:  # its upload as a whole says what is wrong with it
                self._log.debug("clip_not_made", pull=pull.pull, segment=row.segment, error=error)
                found = self._whole(row)
            if found is None:
                is_all_there = False
                continue
            found_of.add(row.segment)
            if isinstance(found, str):
                keys.append(found)
            else:
                clips += found
        attach(self._ledger, pull.pull, keys, clips, PULLED_PRIORITY, self._clock.wall_ns())
        attached |= found_of
        if keys or clips:
            self._wake()
        return is_all_there

    def _of_segment(
        self, capture: CaptureReader, pull: PullRow, row: SegmentRow, stop: threading.Event
    ) -> str | list[UploadRow] | None:
        """The key of a segment, or clips of it; None while neither can be had."""
        path, facts = capture.file_path(row), row.facts
        if facts is None:
            grown = growing_facts(path, row)
            facts = None if grown is None else complete_part(grown)
            if facts is None or facts.end_ns < pull.end_ns:
                return None
        cuts = cuts_of(facts, [(pull.start_ns, pull.end_ns)])
        if row.facts is not None and (is_nearly_whole(facts, cuts) or self._is_uploaded(row)):
            return self._whole(row)
        why = Why("pull", pull.pull, PULLED_PRIORITY, pull.start_ns)
        made = [make_clip(self._thing, row, path, facts, cut, why, stop) for cut in cuts]
        return [upload_row(clip, self._clock.wall_ns()) for clip in made]

    def _is_uploaded(self, row: SegmentRow) -> bool:
        return self._ledger.standings_of([row.segment]).get(row.segment) == "uploaded"

    def _whole(self, row: SegmentRow) -> str | None:
        """The key of a segment's own upload; None while no sweep has come to it."""
        found = [upload.key for upload in self._ledger.uploads_of(row.segment) if upload.kind == "segment"]
        return found[-1] if found else None

    def _note(self, pull: PullRow, progress: PullProgress) -> str:
        rows = self._rows(pull.camera, pull.start_ns, pull.end_ns)
        held_ns = sum(min(row.end_ns or pull.end_ns, pull.end_ns) - max(row.start_ns, pull.start_ns) for row in rows)
        missing_s = (pull.end_ns - pull.start_ns - held_ns) // NS_PER_S
        notes = [f"{missing_s} s of the span are not at the site"] if missing_s > 0 else []
        if progress.refused:
            notes.append(f"{progress.refused} objects can never be uploaded; `./nvr status` at the site names them")
        return "; ".join(notes)

    def _answer(self, pull: PullRow, state: PullState, progress: PullProgress) -> SpanPulled:
        return SpanPulled(
            id=pull.pull,
            state=state,
            objects=progress.objects,
            uploaded=progress.uploaded,
            size_bytes=progress.size_bytes,
            uploaded_bytes=progress.uploaded_bytes,
            note=pull.note[:NOTE_CHARS_MAX],
        )

    def _refuse(self, pull: str | None, reason: str) -> None:
        self._log.warning("pull_refused", pull=pull or "", error=reason)
        if pull is not None:
            self._tell(SpanPulled(id=pull, state="refused", note=reason[:NOTE_CHARS_MAX]))

    def _tell(self, answer: SpanPulled) -> None:
        try:
            self._bus.publish_cloud(pulled_topic(self._thing), encode_pulled(answer))
        except Transient as error:  # offline: told at the next look if it goes on, or when it is asked again
            self._log.debug("pull_not_told", pull=answer.id, error=error)
            return
        self._told[answer.id] = answer
