"""Decides on what is queued, as soon as it is known what happened while it was recorded, and has clips made.

An upload is looked at when VideoProcessor has come past its segment. What it finds then may want footage on both
sides: of segments that were decided before those are looked at again, of one that is still written the clip is cut as
soon as its pictures are on the disk. Everything is on record in sync.db: what was decided, with its clips, in one
transaction, so that a kill anywhere costs one more look.

Without VideoProcessor nothing is decided: under `all` everything goes in its turn, under `events` it waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from components.cloud_sync.clip_maker import growing_facts, make_clip
from components.cloud_sync.core.choice import Choice, choose_picture, choose_segment, why_of
from components.cloud_sync.core.clips import Cut, Happening, complete_part, cuts_of
from components.cloud_sync.happenings import Happenings
from components.cloud_sync.object_store import Stopped
from components.cloud_sync.sweeper import upload_row
from components.shared.catalogue.bookmarks import Bookmark
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.capture_rows import SegmentRow
from components.shared.catalogue.retention import spans_between
from components.shared.catalogue.sync import Hold, SyncWriter, UploadKind, UploadRow
from components.shared.catalogue.sync_choice import (
    Decision,
    Undecided,
    decide,
    look_again,
    of_segments,
    policies,
    to_look_at,
)
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import UploadPolicy
from components.shared.wire.segment_metadata import SegmentFacts

ROWS_MAX = 100  # decided in one transaction, each with a read or two of other catalogues: some 100 ms

RANK_MIN = -(2**63)  # before any place that an upload can have

STREAMS: tuple[StreamName, ...] = ("main", "sub")


class Chooser:
    """One thread calls `look`. `wake` is called when something came into the queue."""

    def __init__(
        self, thing: str, ledger: SyncWriter, happenings: Happenings, wake: Callable[[], object], clock: Clock, log: Log
    ) -> None:
        self._thing = thing
        self._ledger = ledger
        self._happenings = happenings
        self._wake = wake
        self._clock = clock
        self._log = log
        self._known_marks: set[str] = set()
        self._cut_of_growing: set[tuple[str, str]] = set()

    def look(self, stop: threading.Event) -> int:
        """Decides on all that can be decided now; how much came into the queue. Transient when a catalogue fails."""
        capture = self._happenings.capture
        if capture is None:
            return 0
        marks = self._happenings.bookmarks()
        try:
            added = self._take_marks(capture, marks, stop)
            added += self._decide_all(capture, "thumbnail", marks, stop)
            added += self._decide_all(capture, "segment", marks, stop)
            added += self._cut_growing(capture, marks, stop)
        except Stopped:  # nothing of what was in hand is on record: it is looked at by the next process
            return 0
        if added:
            self._wake()
        return added

    def _take_marks(self, capture: CaptureReader, marks: Sequence[Bookmark], stop: threading.Event) -> int:
        """New bookmarks want footage at once, whether anybody has looked at it or not."""
        added = 0
        for mark in marks:
            if mark.bookmark not in self._known_marks and not stop.is_set():
                ids = _around(capture, mark.camera, mark.start_ns, mark.end_ns)
                for at in range(0, len(ids), ROWS_MAX):
                    rows = of_segments(self._ledger, ids[at : at + ROWS_MAX])
                    added += self._decide(capture, rows, marks, stop)
                    unseen = [one.segment for one in rows if not self._is_looked_at(capture, one)]
                    look_again(self._ledger, unseen, RANK_MIN)
                self._known_marks.add(mark.bookmark)
        return added

    def _decide_all(
        self, capture: CaptureReader, kind: UploadKind, marks: Sequence[Bookmark], stop: threading.Event
    ) -> int:
        number, added = 0, 0
        while not stop.is_set():
            found = to_look_at(self._ledger, kind, number, ROWS_MAX)
            ready = [one for one in found if self._is_looked_at(capture, one)]
            if not ready:
                break
            added += self._decide(capture, ready, marks, stop)
            number = found[-1].number
        return added

    def _is_looked_at(self, capture: CaptureReader, one: Undecided) -> bool:
        """Whether VideoProcessor has come past an upload's segment; one that is deleted waits for nobody."""
        if one.kind == "thumbnail":
            return True
        row, analysis = capture.segment(one.segment), self._happenings.analysis
        if row is None or row.sequence is None:
            return True
        return analysis is not None and row.sequence <= analysis.last_capture_sequence()

    def _decide(
        self, capture: CaptureReader, rows: Sequence[Undecided], marks: Sequence[Bookmark], stop: threading.Event
    ) -> int:
        wishes = policies(self._ledger)
        decisions: list[Decision] = []
        clips: list[UploadRow] = []
        found: dict[str, dict[str, Happening]] = {}
        for one in rows:
            policy = wishes.get(one.camera, "all")
            row = capture.segment(one.segment)
            touching = [] if row is None or row.end_ns is None else self._touching(row, row.end_ns, marks)
            try:
                choice, cut = self._choose(capture, one, row, touching, policy, stop)
            except Stopped:
                raise
            except Transient as error:  # its disk does not answer: it waits, and holds up no other
                self._log.debug("not_decided", camera=one.camera, segment=one.segment, error=error)
                continue
            hold: Hold = choice.hold
            if hold == "left_out" and policy == "events" and not self._is_looked_at(capture, one):
                hold = "undecided"
            decisions.append(Decision(one.key, policy, hold, choice.priority, choice.rank))
            clips += cut
            if row is not None and row.stream == "main":
                found.setdefault(one.camera, {}).update((happening.id, happening) for happening in touching)
        added = decide(self._ledger, decisions, clips, self._clock.wall_ns())
        for camera, happenings in found.items():
            self._look_around(capture, camera, happenings.values())
        return added

    def _touching(self, row: SegmentRow, until_ns: int, marks: Sequence[Bookmark]) -> list[Happening]:
        return self._happenings.touching(row.camera, row.start_ns, until_ns, marks)

    def _choose(
        self,
        capture: CaptureReader,
        one: Undecided,
        row: SegmentRow | None,
        touching: Sequence[Happening],
        policy: UploadPolicy,
        stop: threading.Event,
    ) -> tuple[Choice, list[UploadRow]]:
        """What becomes of one upload, with the clips of it. Of a segment that cannot be cut, all goes."""
        if one.kind == "thumbnail":
            return choose_picture(policy, touching), []
        if row is None or row.facts is None:
            return choose_segment(policy, touching, "main", None), []
        choice = choose_segment(policy, touching, row.stream, row.facts)
        try:
            return choice, self._clips(capture, row, row.facts, choice.cuts, touching, stop)
        except Rejected as error:
            if capture.segment(row.segment) is None:  # deleted meanwhile
                return choice, []
            self._log.warning("clip_not_made", camera=row.camera, segment=row.segment, error=error)
            return Choice("", choice.priority, choice.rank), []

    def _clips(
        self,
        capture: CaptureReader,
        row: SegmentRow,
        facts: SegmentFacts,
        cuts: Sequence[Cut],
        touching: Sequence[Happening],
        stop: threading.Event,
    ) -> list[UploadRow]:
        path, made = capture.file_path(row), []
        for cut in cuts:
            wanting = [one for one in touching if one.touches(cut.start_ns, cut.end_ns)]
            wanted = make_clip(self._thing, row, path, facts, cut, why_of(wanting), stop)
            made.append(upload_row(wanted, self._clock.wall_ns()))
            told = {"camera": row.camera, "segment": row.segment, "key": wanted.key, "size_bytes": wanted.size_bytes}
            self._log.info("clip_made", **told)
        return made

    def _look_around(self, capture: CaptureReader, camera: str, happenings: Iterable[Happening]) -> None:
        """What was decided before this was found, and is wanted for it too, is looked at again."""
        for happening in happenings:
            end_ns = happening.start_ns if happening.end_ns is None else happening.end_ns
            ids = _around(capture, camera, happening.start_ns - happening.before_ns, end_ns + happening.after_ns)
            look_again(self._ledger, ids, -happening.start_ns)

    def _cut_growing(self, capture: CaptureReader, marks: Sequence[Bookmark], stop: threading.Event) -> int:
        """Clips of segments that are still written, of what is over and on the disk."""
        wishes = policies(self._ledger)
        clips: list[UploadRow] = []
        growing = [
            row for row in capture.open_segments() if row.stream == "main" and wishes.get(row.camera) == "events"
        ]
        names = {row.segment for row in growing}
        self._cut_of_growing = {known for known in self._cut_of_growing if known[0] in names}
        for row in growing:
            touching = self._touching(row, self._clock.wall_ns(), marks)
            over = [one for one in touching if (row.segment, one.id) not in self._cut_of_growing]
            try:
                clips += self._of_growing(capture, row, [one for one in over if one.end_ns is not None], stop)
            except Stopped:
                raise
            except (Transient, Rejected) as error:  # it is looked at again when it is closed
                self._log.debug("clip_not_made", camera=row.camera, segment=row.segment, error=error)
        return decide(self._ledger, [], clips, self._clock.wall_ns()) if clips else 0

    def _of_growing(
        self, capture: CaptureReader, row: SegmentRow, over: Sequence[Happening], stop: threading.Event
    ) -> list[UploadRow]:
        if not over:
            return []
        path = capture.file_path(row)
        grown = growing_facts(path, row)
        facts = None if grown is None else complete_part(grown)
        if facts is None:
            return []
        ready = [one for one in over if (one.end_ns or 0) + one.after_ns <= facts.end_ns]
        cuts = cuts_of(facts, [one.within(facts.start_ns, facts.end_ns) for one in ready])
        made = self._clips(capture, row, facts, cuts, ready, stop)
        self._cut_of_growing |= {(row.segment, one.id) for one in ready}
        return made


def _around(capture: CaptureReader, camera: str, since_ns: int, until_ns: int) -> list[str]:
    """The closed segments of both streams of a camera that have footage in this span."""
    return [
        segment
        for stream in STREAMS
        for segment, _, end_ns in spans_between(capture, camera, stream, since_ns, until_ns)
        if end_ns is not None
    ]
