"""Takes the bookmarks that people ask for from their folder into the catalogue; see `shared/runtime/requests`."""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.bookmarks import Bookmark, add_bookmark, remove_bookmark
from components.shared.catalogue.capture import CaptureWriter
from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import Step, no_step
from components.shared.runtime.log import Log
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.bookmark_request import FOLDER, AddBookmark, parse_bookmark_request
from components.shared.wire.units import WallNs


class BookmarkRequests:
    """One thread calls `take` every few seconds."""

    def __init__(self, catalogue: CaptureWriter, data: Path, clock: Clock, log: Log, step: Step = no_step) -> None:
        self._catalogue = catalogue
        self._folder = RequestFolder(data, FOLDER, step)
        self._clock = clock
        self._log = log

    def take(self) -> bool:
        """Do what is asked and answer it; whether something was. Transient when the disk does not take it."""

        def refused(file: str, error: Rejected) -> None:
            self._log.warning("bookmark_refused", file=file, error=error)

        return self._folder.take(self._carry_out, refused)

    def _carry_out(self, request: str, content: bytes) -> None:
        asked = parse_bookmark_request(content)
        if isinstance(asked, AddBookmark):
            span = (WallNs(asked.start_ns), WallNs(asked.end_ns))
            row = Bookmark(request, asked.camera, *span, asked.note, self._clock.wall_ns())
            add_bookmark(self._catalogue, row)
            self._log.info("bookmark_added", camera=asked.camera, bookmark=request)
        else:
            # Also when it is gone already: this request may be taken a second time.
            remove_bookmark(self._catalogue, asked.bookmark)
            self._log.info("bookmark_removed", bookmark=asked.bookmark)
