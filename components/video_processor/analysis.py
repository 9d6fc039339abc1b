"""Looks at one closed segment: its keyframes become samples, spans of motion, events and a thumbnail.

Everything that was found is recorded in one transaction; until then nothing is known of the segment, so a crash at any
point only means looking again. The thumbnail's file is written before its row, as every file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, EventRow, MotionRow, ThumbnailRow
from components.shared.catalogue.capture import SegmentRow
from components.shared.errors import Fatal, Rejected
from components.shared.runtime.files import write_durably
from components.shared.wire.object_keys import ObjectName, relative_path
from components.shared.wire.site_config import CameraMotionSection, MotionSection
from components.shared.wire.units import NS_PER_S, WallNs, format_stamp
from components.video_processor.background import Backgrounds
from components.video_processor.core.events import EndedEvent, Habits, OpenEvent, follow
from components.video_processor.core.motion import MotionSpan, Sample, best_picture, find_motion
from components.video_processor.frame_source import keyframes
from components.video_processor.thumbnail import encode_jpeg, size_for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration asks for on one camera."""

    site: MotionSection
    camera: CameraMotionSection

    @property
    def threshold_percent(self) -> float:
        """The camera's own threshold, else the site's."""
        own = self.camera.threshold_percent
        return self.site.threshold_percent if own is None else own

    @property
    def habits(self) -> Habits:
        """How movement becomes events."""
        return Habits(self.site.event_margin_s * NS_PER_S, self.site.event_quiet_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Seen:
    """The samples of a segment, and the thumbnail's bytes."""

    samples: tuple[Sample, ...]
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of events with this segment."""

    begun: tuple[EventRow, ...]
    ended: tuple[EventRow, ...]


class Analysis:
    """Looks at segments and records what it sees."""

    def __init__(self, catalogue: AnalysisWriter) -> None:
        self._catalogue = catalogue
        self._backgrounds = Backgrounds()

    def forget_all_but(self, cameras: set[str]) -> None:
        """Drop what was learnt of cameras that no longer exist."""
        self._backgrounds.forget(cameras)

    def look_at(self, row: SegmentRow, path: Path, wanted: Wanted) -> Changes:
        """Look at a segment and record it. Rejected, after recording it as failed, when it cannot be decoded."""
        if row.end_ns is None or row.sequence is None or row.facts is None:
            raise Fatal(f"camera {row.camera}, segment {row.segment}: it is not closed, but was to be looked at")
        try:
            seen = self._look(row, path, (row.facts.width, row.facts.height), wanted)
        except Rejected as error:
            self._catalogue.record(AnalysisRow(row.segment, row.camera, row.sequence, 0, "failed", str(error)))
            raise
        spans: tuple[MotionSpan, ...] = ()
        if wanted.camera.enabled:
            spans = find_motion(seen.samples, row.end_ns, wanted.threshold_percent)
        changes = self._follow(row, row.end_ns, spans, wanted.habits)
        self._catalogue.record(
            AnalysisRow(row.segment, row.camera, row.sequence, len(seen.samples), "done"),
            [MotionRow(row.segment, row.camera, span.start_ns, span.end_ns, span.peak_percent) for span in spans],
            self._keep_thumbnail(row, path, seen.jpeg),
            _as_they_are_now(changes),
        )
        return changes

    def _look(self, row: SegmentRow, path: Path, picture_size: tuple[int, int], wanted: Wanted) -> Seen:
        motion = wanted.camera
        background = self._backgrounds.of(row.camera, picture_size, motion.regions, motion.ignore)
        samples: list[Sample] = []
        jpeg = b""
        for keyframe in keyframes(path, row.segment):
            picture = keyframe.gray(background.width, background.height)
            percent = background.look(picture) if motion.enabled else None
            samples.append(Sample(WallNs(row.start_ns + keyframe.offset_ns), percent))
            if best_picture(samples) == len(samples) - 1:
                size = size_for(keyframe.frame.width, keyframe.frame.height)
                jpeg = encode_jpeg(keyframe.color(*size))
        if not samples:
            raise Rejected(f"camera {row.camera}, segment {row.segment}: not one keyframe could be decoded")
        return Seen(tuple(samples), jpeg)

    def _follow(self, row: SegmentRow, end_ns: WallNs, spans: Sequence[MotionSpan], habits: Habits) -> Changes:
        known = self._catalogue.open_event(row.camera)
        before = None if known is None else self._restored(known)
        ended, after = follow(before, spans, end_ns, habits)
        begun_rows: list[EventRow] = []
        ended_rows: list[EventRow] = []
        for event in (*ended, *((after,) if after else ())):
            is_known = known is not None and event.start_ns == known.start_ns
            name = known.event if known and is_known else f"{row.camera}-{format_stamp(event.start_ns)}"
            segment = known.segment if known and is_known else row.segment
            end = event.end_ns if isinstance(event, EndedEvent) else None
            changed = EventRow(name, row.camera, event.start_ns, end, event.peak_percent, segment)
            if end is not None:
                ended_rows.append(changed)
            if not is_known or end is None:
                begun_rows.append(changed)
        return Changes(tuple(begun_rows), tuple(ended_rows))

    def _restored(self, event: EventRow) -> OpenEvent:
        """An open event as it was: until when it moved stands in the motion that was recorded since it began."""
        motions = self._catalogue.motions(event.camera, event.start_ns)
        moved_until_ns = max((motion.end_ns for motion in motions), default=event.start_ns)
        return OpenEvent(event.start_ns, moved_until_ns, event.peak_percent)

    def _keep_thumbnail(self, row: SegmentRow, path: Path, jpeg: bytes) -> ThumbnailRow:
        name = ObjectName(row.camera, row.stream, row.start_ns, "jpg")
        write_durably(path.with_suffix(".jpg"), jpeg)
        digest = hashlib.sha256(jpeg).hexdigest()
        return ThumbnailRow(row.segment, row.camera, row.start_ns, row.volume, relative_path(name), len(jpeg), digest)

    def end_stale(self, camera: str, seen_until_ns: WallNs, habits: Habits) -> EventRow | None:
        """End the camera's open event when its quiet time was over before `seen_until_ns`, though no footage came."""
        known = self._catalogue.open_event(camera)
        if known is None:
            return None
        ended, _ = follow(self._restored(known), (), seen_until_ns, habits)
        if not ended:
            return None
        self._catalogue.end_event(known.event, ended[0].end_ns)
        return EventRow(known.event, camera, known.start_ns, ended[0].end_ns, known.peak_percent, known.segment)


def _as_they_are_now(changes: Changes) -> list[EventRow]:
    """Each event once, an end winning over a beginning in the same segment."""
    rows = {row.event: row for row in changes.begun}
    rows.update({row.event: row for row in changes.ended})
    return list(rows.values())
