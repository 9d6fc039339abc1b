"""What came of a run of `./nvr up`: counted at its end, with everything that went wrong.

Only what this run caused counts as wrong: log lines from before it are left out. Segments are counted over the whole
data root, since a later run also finishes what an earlier one left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from cli.local_cloud import LocalCloud
from cli.observe import ComponentView, SiteView, gather
from components.shared.catalogue.check import check
from components.shared.errors import Transient
from components.shared.wire.units import from_datetime
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

DRAIN_S_MAX = 30.0
DRAIN_POLL_S = 0.5
ERRORS_TOLD_MAX = 20
"""More than that is one fault over and over: the logs have them all."""


@dataclass(frozen=True, slots=True)
class CameraOutcome:
    """What was recorded of one camera; frames are of video."""

    id: str
    codec: str
    frames_received: int
    frames_recorded: int
    segments: int
    gap_seconds: float
    motion_events: int


@dataclass(frozen=True, slots=True)
class ComponentOutcome:
    """How a component ended the run; memory is proportional (PSS), CPU counts ended children too."""

    state: str
    worker_restarts: int
    pss_bytes: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong, and where."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class OutcomeDocument:
    """What `./nvr up --json FILE` writes."""

    cameras: tuple[CameraOutcome, ...]
    segments_closed: int
    segments_uploaded: int
    segments_indexed: int
    messages_dropped: int
    components: dict[str, ComponentOutcome]
    errors: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a run; `errors` is empty when nothing went wrong."""

    view: SiteView
    segments_indexed: int
    errors: tuple[Fault, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every closed segment is uploaded and indexed and nothing went wrong."""
        closed = self.view.segments_closed
        return not self.errors and self.view.segments_uploaded == closed == self.segments_indexed

    def document(self) -> OutcomeDocument:
        """The outcome in the form of `--json`."""
        return OutcomeDocument(
            cameras=tuple(
                CameraOutcome(
                    id=camera.id,
                    codec=camera.codec,
                    frames_received=camera.frames_received,
                    frames_recorded=camera.frames_recorded,
                    segments=camera.segments,
                    gap_seconds=camera.gap_seconds,
                    motion_events=camera.motion_events,
                )
                for camera in self.view.cameras
            ),
            segments_closed=self.view.segments_closed,
            segments_uploaded=self.view.segments_uploaded,
            segments_indexed=self.segments_indexed,
            messages_dropped=self.view.messages_dropped,
            components={
                part.name: ComponentOutcome(
                    part.state, part.worker_restarts, part.pss_bytes, round(part.cpu_seconds, 3)
                )
                for part in self.view.components
            },
            errors=self.errors,
        )

    def told(self) -> str:
        """The outcome in a few lines for people."""
        lines = [
            f"{self.view.segments_closed} segments closed, {self.view.segments_uploaded} uploaded, "
            f"{self.segments_indexed} indexed"
        ]
        lines += [f"error: {fault.where}: {fault.what}" for fault in self.errors]
        return "\n".join(lines)


class Watch:
    """Looks at a running site again and again, and closes the account at its end."""

    def __init__(self, layout: Layout, cloud: LocalCloud, begun_ns: int, cameras: Collection[str]) -> None:
        self._expected = sorted(cameras)
        self._layout = layout
        self._cloud = cloud
        self._begun_ns = begun_ns
        self._components: dict[str, ComponentView] = {}
        self._given_up: set[str] = set()
        self.indexed = 0

    def look(self) -> SiteView:
        """The site now. What each component uses is remembered, since it cannot be read after it has ended."""
        view = gather(self._layout.data)
        # The next deployment, such as the one that takes the recorder out, makes a core forget that it gave up.
        self._given_up |= {part.name for part in view.components if part.state == "BROKEN"}
        self._components.update({part.name: part for part in view.components if part.state != "FINISHED"})
        if self.indexed != view.segments_uploaded:
            # Counting reads the whole table: only when there may be something new. Without a line it stays as it was.
            with suppress(Transient):
                self.indexed = self._cloud.count_indexed()
        return view

    def drain(self) -> None:
        """Wait until everything that was closed is uploaded and indexed, at most `DRAIN_S_MAX`."""
        deadline = time.monotonic() + DRAIN_S_MAX
        while time.monotonic() < deadline:
            view = self.look()
            if view.segments_closed == view.segments_uploaded == self.indexed and view.uploads_waiting == 0:
                return
            time.sleep(DRAIN_POLL_S)

    def account(self, stop_core: Callable[[], None], *, thoroughly: bool) -> Outcome:
        """Stop the core and account for everything; thoroughly includes holding the catalogues against the files."""
        view = self.look()
        stop_core()
        final = replace(
            gather(self._layout.data),
            components=tuple(self._components.values()),
            messages_dropped=view.messages_dropped,
        )
        return Outcome(final, self._cloud.count_indexed(), tuple(self._errors(final, thoroughly)))

    def _errors(self, view: SiteView, thoroughly: bool) -> list[Fault]:
        errors = [Fault(name, "was given up by the core (BROKEN)") for name in sorted(self._given_up)]
        errors += [
            Fault(camera.id, f"is offline: {camera.cause}") for camera in view.cameras if camera.state == "offline"
        ]
        errors += [
            Fault(camera, "nothing was recorded of it")
            for camera in self._expected
            if not any(view_of.id == camera and view_of.segments for view_of in view.cameras)
        ]
        errors += [Fault("CloudSync", refused) for refused in view.uploads_refused]
        findings = check(self._layout.data) if thoroughly else []
        errors += [Fault("catalogue", f"{found.what}: {found.where}: {found.detail}") for found in findings]
        errors += self._logged()
        return errors[:ERRORS_TOLD_MAX]

    def _logged(self) -> list[Fault]:
        """What components have logged as errors since the run began."""
        found: list[Fault] = []
        for log_file in sorted(self._layout.logs.glob(f"{PUBLISHER_PREFIX}*.log")):
            name = log_file.stem.removeprefix(PUBLISHER_PREFIX)
            lines = log_file.read_text(errors="replace").splitlines()
            found += [Fault(name, line) for line in lines if _is_fault(line) and self._is_ours(line)]
        return found

    def _is_ours(self, line: str) -> bool:
        try:
            at = datetime.fromisoformat(json.loads(line)["time"])
        except (ValueError, KeyError):
            # A line that is cut off or not of our form: better told once too often.
            return True
        return from_datetime(at) >= self._begun_ns


def _is_fault(line: str) -> bool:
    """Whether a log line tells of an error, or of a worker that ended with one. A kill is no error of the worker."""
    plain = line.replace(" ", "")
    if '"level":"ERROR"' in plain:
        return True
    crashed = '"event":"worker_ended"' in plain and '"stopping":false' in plain and '"exit_code":' in plain
    return crashed and '"exit_code":0' not in plain
