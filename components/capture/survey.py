"""What footage there is, as retention sees it: rows of capture.db with what the other catalogues know of them.

One stream after the other, a page at a time, so that memory does not grow with the archive. Unknown is "not yet":
without a sync.db nothing is uploaded; without an analysis.db no event is known, and nothing is known to be without
one. Of an analysis.db that is there and cannot be read, any footage may have an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.capture.core.retention import Footage, FootageClass, Rules, Upload
from components.capture.core.spans import FOREVER_NS, Spans
from components.shared.catalogue.analysis import ANALYSIS, AnalysisReader
from components.shared.catalogue.bookmarks import bookmarks
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.database import catalogue_path
from components.shared.catalogue.retention import KeptRow, kept_pages, spans_between
from components.shared.catalogue.sync import Standing, SyncReader
from components.shared.errors import Transient
from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import UploadPolicy
from components.shared.wire.units import NS_PER_S

ANALYSED_STREAM: StreamName = "main"
"""Events are looked for in this stream of a camera; they count for its other one too."""

ALWAYS = Spans([(-FOREVER_NS, FOREVER_NS)])

_UPLOADS: dict[Standing, Upload] = {
    "queued": "waiting",
    "undecided": "waiting",
    "left_out": "unwanted",
    "uploaded": "uploaded",
    "refused": "refused",
}

MotionAmong = Callable[[Sequence[str]], frozenset[str]]
"""Those of the segments that were recorded in the mode `motion`."""

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class _Camera:
    """What is held against a camera's footage: its events with their margins, and its bookmarks."""

    camera: str
    events: Spans
    bookmarked: Spans


class Survey:
    """One look through the footage; the catalogues of others are open as long as the look lasts."""

    def __init__(self, reader: CaptureReader, data: Path, rules: Rules, motion_among: MotionAmong) -> None:
        self._reader = reader
        self._data = data
        self._motion_among = motion_among
        self._site = rules.site
        self._policies = rules.uploads
        self._before_ns = rules.site.event_before_s * NS_PER_S
        self._after_ns = rules.site.event_after_s * NS_PER_S

    def footage(self, until_ns: int | None = None) -> Iterator[Footage]:
        """The closed segments that start before `until_ns`, of each stream by start."""
        with ExitStack() as opened:
            sync = _or_none(lambda: opened.enter_context(closing(SyncReader.open(self._data))))
            analysis = _or_none(lambda: opened.enter_context(closing(AnalysisReader.open(self._data))))
            for camera, stream in self._reader.recorded_streams():
                known = self._camera(camera, analysis)
                for page in kept_pages(self._reader, camera, stream, until_ns):
                    yield from self._page(known, page, sync, analysis)

    def _camera(self, camera: str, analysis: AnalysisReader | None) -> _Camera:
        kept = Spans((row.start_ns, row.end_ns) for row in bookmarks(self._reader, camera))
        found = None if analysis is None else _or_none(lambda: analysis.events(camera))
        if found is None:
            is_there = catalogue_path(self._data, ANALYSIS.owner).exists()
            return _Camera(camera, ALWAYS if is_there else Spans([]), kept)
        events = (
            (event.start_ns - self._before_ns, FOREVER_NS if event.end_ns is None else event.end_ns + self._after_ns)
            for event in found
        )
        return _Camera(camera, Spans(events), kept)

    def _page(
        self, known: _Camera, page: Sequence[KeptRow], sync: SyncReader | None, analysis: AnalysisReader | None
    ) -> Iterator[Footage]:
        ids = [row.segment for row in page]
        standings = {} if sync is None else _or_none(lambda: sync.standings_of(ids)) or {}
        motion = self._motion_among(ids)
        unsettled = self._unsettled(known.camera, page, analysis) if motion else ALWAYS
        for row in page:
            span = (row.start_ns, row.end_ns)
            around = (row.start_ns - self._after_ns, row.end_ns + self._before_ns)
            footage_class: FootageClass = "plain"
            if known.events.touch(*span):
                footage_class = "event"
            elif row.segment in motion and not unsettled.touch(*around):
                footage_class = "idle"
            upload = upload_of(standings.get(row.segment), self._policies.get(row.camera))
            yield Footage(
                *(row.segment, row.camera, row.stream, row.volume, *span, row.size_bytes, footage_class),
                "unwanted" if not self._site.keep_until_uploaded and upload != "uploaded" else upload,
                known.bookmarked.touch(*span),
            )

    def _unsettled(self, camera: str, page: Sequence[KeptRow], analysis: AnalysisReader | None) -> Spans:
        """The footage around a page in which an event may still be found: not closed, or not looked at to its end."""
        since_ns, until_ns = page[0].start_ns - self._after_ns, page[-1].end_ns + self._before_ns
        found = spans_between(self._reader, camera, ANALYSED_STREAM, since_ns, until_ns)
        ids = [segment for segment, _, end_ns in found if end_ns is not None]
        done = None if analysis is None else _or_none(lambda: analysis.done_among(ids))
        if done is None:
            return ALWAYS
        return Spans(
            (start_ns, FOREVER_NS if end_ns is None else end_ns)
            for segment, start_ns, end_ns in found
            if segment not in done
        )


def upload_of(standing: Standing | None, policy: UploadPolicy | None) -> Upload:
    """What a segment's upload is: what CloudSync says, and where it has not said it yet, what it will do.

    `policy` is None for a camera that is no longer configured. Its footage, too, waits unless something else is said.
    """
    if standing is None:
        return "unwanted" if policy == "none" else "waiting"
    if standing == "left_out" and policy == "all":
        return "waiting"  # the policy has changed and CloudSync has not come to it
    return _UPLOADS[standing]


def _or_none(read: Callable[[], AnswerT]) -> AnswerT | None:
    """The answer of another component's catalogue; None when it gives none."""
    try:
        return read()
    except Transient:
        return None
