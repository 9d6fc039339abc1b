"""What happened at a camera, as the catalogues of the others know it: events with their margins, and bookmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.cloud_sync.core.clips import Happening
from components.shared.catalogue.analysis import ANALYSIS, AnalysisReader
from components.shared.catalogue.bookmarks import Bookmark, bookmarks
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import catalogue_path
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Margins:
    """How much before and after an event belongs to it, as for retention."""

    before_ns: int = 10 * NS_PER_S
    after_ns: int = 10 * NS_PER_S


def margins_of(retention: RetentionSection) -> Margins:
    """The margins that the site's document says."""
    return Margins(retention.event_before_s * NS_PER_S, retention.event_after_s * NS_PER_S)


class Happenings:
    """Reads capture.db and analysis.db, each opened when it is there. One thread calls."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._capture: CaptureReader | None = None
        self._analysis: AnalysisReader | None = None
        self.margins = Margins()

    @property
    def capture(self) -> CaptureReader | None:
        """capture.db; None while nothing was ever recorded."""
        if self._capture is None and catalogue_path(self._data, CAPTURE.owner).exists():
            self._capture = CaptureReader.open(self._data)
        return self._capture

    @property
    def analysis(self) -> AnalysisReader | None:
        """analysis.db; None while nothing was ever looked at."""
        if self._analysis is None and catalogue_path(self._data, ANALYSIS.owner).exists():
            self._analysis = AnalysisReader.open(self._data)
        return self._analysis

    def bookmarks(self) -> Sequence[Bookmark]:
        """All bookmarks."""
        return [] if self.capture is None else bookmarks(self.capture)

    def touching(self, camera: str, since_ns: int, until_ns: int, marks: Sequence[Bookmark]) -> list[Happening]:
        """The events of a camera, and those of `marks`, that want any of `[since_ns, until_ns)`."""
        before_ns, after_ns = self.margins.before_ns, self.margins.after_ns
        found = [
            Happening(mark.bookmark, mark.start_ns, mark.end_ns, is_bookmark=True)
            for mark in marks
            if mark.camera == camera
        ]
        if self.analysis is not None:
            events = self.analysis.events(camera, since_ns - after_ns, until_ns + before_ns)
            found += [Happening(row.event, row.start_ns, row.end_ns, before_ns, after_ns) for row in events]
        return [happening for happening in found if happening.touches(since_ns, until_ns)]

    def close(self) -> None:
        """Closes the catalogues."""
        for reader in (self._capture, self._analysis):
            if reader is not None:
                reader.close()
