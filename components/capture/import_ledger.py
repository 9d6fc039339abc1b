"""State and gaps of a camera whose footage comes as files.

Time that no file has brought is a gap, `not_delivered`, from the moment the camera is enabled; whether it was recorded
at all is the business of who sends the files. The gap goes on while this process is down: a file may bring that time
yet. Footage is put into it file by file, by the import itself.
"""

from __future__ import annotations

from components.capture.core.reconnect import StreamStatus
from components.capture.hints import GivesHints
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import StreamRow
from components.shared.catalogue.imports import CAUSE
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.messages import StreamChanged
from components.shared.wire.object_keys import StreamName


class ImportLedger:
    """The rows of one stream; used by its importer's thread."""

    def __init__(
        self, camera: str, stream: StreamName, rows: StreamRows, hints: GivesHints, clock: Clock, log: Log
    ) -> None:
        self.camera = camera
        self.stream = stream
        self._rows = rows
        self._hints = hints
        self._clock = clock
        self._log = log
        self._told: StreamStatus | None = None
        self._since_ns = clock.wall_ns()

    def begin(self, status: StreamStatus) -> None:
        """Begin, or go on, to keep the record. Transient when the catalogue does not take it."""
        self.changed(status)
        row = self._row()
        assert row is not None, "written just now"
        # Where another cause was open it ends now; where nothing was, the gap begins where the record ends.
        gaps = self._rows.gaps(self.camera, since_ns=_FAR_FUTURE_NS, stream=self.stream)
        start_ns = self._clock.wall_ns() if gaps else row.enabled_since_ns
        self._rows.begin_gap(self.camera, self.stream, start_ns, CAUSE)

    def changed(self, status: StreamStatus) -> None:
        """The stream's state is this now. Transient when the catalogue does not take it."""
        if status == self._told:
            return
        row = self._row()
        now_ns = self._clock.wall_ns()
        # The row is read each time: files that bring older time let the record begin earlier.
        enabled_ns = now_ns if row is None else row.enabled_since_ns
        self._rows.set_stream(
            StreamRow(self.camera, self.stream, status.state, status.cause, now_ns, status.failures, enabled_ns)
        )
        self._told = status
        self._hints.give(
            StreamChanged(
                camera=self.camera,
                stream=self.stream,
                state=status.state,
                cause=status.cause,
                since_wall_ns=now_ns,
                failures=status.failures,
            )
        )
        self._log.info("stream_changed", state=status.state, cause=status.cause, failures=status.failures)

    def _row(self) -> StreamRow | None:
        known = self._rows.streams()
        return next((row for row in known if (row.camera, row.stream) == (self.camera, self.stream)), None)


_FAR_FUTURE_NS = 2**62
"""Gaps that last longer than this have no end."""
