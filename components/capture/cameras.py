"""All cameras of this box: which of their streams are to be read and recorded, following configuration and clock.

Cameras come, go and change while the others are recorded without a break. A change of how a stream is read ends its
worker, with every segment closed, and begins a new one; what is wanted of it, by mode, schedule or hand, changes while
it is read, at its moment; the length of segments changes for all at once. A camera that failed is tried at once when
its secret is written anew. Another source is followed once its trial has passed. Who records them is the crews' matter.

Streams are known by their stems: `cam-1`, and `cam-1~sub` for its sub stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from components.capture.camera_plan import CameraPlan, WorkerStart
from components.capture.core.reconnect import StreamStatus
from components.capture.core.schedule import Decision, Wish, decide
from components.capture.crews import Crews
from components.capture.group_sync import GroupSync
from components.capture.stream_ledger import StreamLedger
from components.capture.stream_plans import plan_streams
from components.capture.trials import Trials
from components.shared.errors import Rejected, Transient
from components.shared.runtime.applied import AppliedReporter
from components.shared.runtime.component import Context
from components.shared.runtime.config import Snapshot
from components.shared.runtime.last_picture import remove_last_picture
from components.shared.runtime.secrets import secret_path
from components.shared.wire.object_keys import split_stem, stream_stem
from components.shared.wire.recording_config import RecordingSection
from components.shared.wire.site_config import CameraDocument
from components.shared.wire.units import NS_PER_MS, NS_PER_S, WallNs

TEND_NS = 200 * NS_PER_MS
"""How soon a crew that crashed is noticed, and another one begun; a look at all crews costs 0.1 ms."""

LOOK_NS = NS_PER_S
"""How soon a change of the configuration is followed; a look costs a listing of one small folder."""

REPORT_NS = 15 * NS_PER_S
"""How often the answers to the documents are looked through for what is due; a new snapshot is answered at once."""

END_NS_MAX = 1_100 * NS_PER_MS
"""How long crews have to close their segments when the component stops, of the 1.2 s that its tasks have."""

Stamp = tuple[int, int] | None
MakeLedger = Callable[[str], StreamLedger]


@dataclass(slots=True)
class _Running:
    plan: CameraPlan
    secret_stamp: Stamp


class Cameras:
    """See the module; `run` is the component's main task."""

    def __init__(
        self,
        context: Context,
        applied: AppliedReporter,
        crews: Crews,
        disk: GroupSync,
        make_ledger: MakeLedger,
        trials: Trials,
        known: frozenset[str],
        start: WorkerStart,
    ) -> None:
        """`known` are the streams that have a row, whether they are configured still or not."""
        self._config = context.config
        self._applied = applied
        self._crews = crews
        self._board = context.status
        self._disk = disk
        self._data = context.data
        self._clock = context.clock
        self._make_ledger = make_ledger
        self._trials = trials
        self._known = set(known)
        self._start = start
        self._log = context.log
        self._snapshot: Snapshot | None = None
        self._report_due_ns: int | None = None
        self._look_due_ns = 0
        self._segment_ns = RecordingSection().segment_s * NS_PER_S
        self._documents: dict[str, CameraDocument] = {}
        self._zone = ZoneInfo("UTC")
        self._decisions: dict[str, tuple[WallNs, Decision]] = {}
        self._is_planned = True
        self._plans: dict[str, CameraPlan] = {}
        self._named: frozenset[str] = frozenset()
        self._running: dict[str, _Running] = {}
        self._begun: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Follow the configuration until `stop` is set, then end all recording."""
        try:
            while not stop.is_set():
                if self._clock.monotonic_ns() >= self._look_due_ns:
                    self.look()
                    self._look_due_ns = self._clock.monotonic_ns() + LOOK_NS
                else:
                    self._follow_clock()
                self._crews.tune(self._segment_ns, self._disk.has_room)
                self._crews.look()
                self._clock.wait(stop, TEND_NS)
        finally:
            self._trials.end_all()
            self._crews.end_all(END_NS_MAX)

    def look(self) -> None:
        """Follow what has changed."""
        self._follow_config()
        self._follow_trials()
        self._follow_clock()
        for camera, running in list(self._running.items()):
            if not self._crews.holds(camera):
                del self._running[camera]
            elif self._plans.get(camera) != running.plan or self._has_new_secret(camera, running):
                self._crews.end(camera)
        for camera, plan in self._plans.items():
            if camera not in self._running:
                self._begin(camera, plan)
        self._forget_removed()
        self._board.backlog(sum(report.waiting for report in self._crews.reports.values()))
        self._report()

    @property
    def segment_ns(self) -> int:
        """How long segments should be."""
        return self._segment_ns

    def statuses(self) -> dict[str, StreamStatus]:
        """What each camera's stream is now."""
        return {camera: report.status for camera, report in self._crews.reports.items()}

    def _report(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._snapshot is not None and (self._report_due_ns is None or now_ns >= self._report_due_ns):
            self._applied.report(self._snapshot, self._trials.refused(), self._trials.pending())
            self._report_due_ns = now_ns + REPORT_NS

    def _follow_config(self) -> None:
        try:
            snapshot = self._config.poll()
        except Transient as error:
            self._log.warning("config_not_read", error=error)
            return
        if snapshot is None:
            return
        self._snapshot = snapshot
        self._report_due_ns = None
        site = snapshot.site.document
        self._segment_ns = site.recording.segment_s * NS_PER_S
        self._documents = {camera: loaded.document for camera, loaded in snapshot.cameras.items()}
        self._zone = ZoneInfo(site.time_zone)
        self._decisions = {}
        self._is_planned = False
        # A camera whose document is not good (yet) is still one of the site's: its record goes on.
        self._named = frozenset(stem for camera in site.cameras for stem in self._stems(camera))
        self._trials.retain(self._named)
        self._log.info("config_followed", cameras=len(self._documents), segment_s=site.recording.segment_s)

    def _follow_trials(self) -> None:
        """Note where pictures come from, and choose anew where a trial has ended."""
        statuses = self.statuses()
        for stem, running in self._running.items():
            status = statuses.get(stem)
            has_pictures = status is not None and running.plan.is_on and status.state in ("recording", "off")
            if has_pictures and running.plan.folder is None and self._trials.prove(stem, running.plan.source):
                self._is_planned = False
        if self._trials.look(statuses):
            self._is_planned = False
        if not self._is_planned:
            self._report_due_ns = None

    def _stems(self, camera: str) -> list[str]:
        """The streams that a camera of the site may have, by all that is known of it."""
        document = self._documents.get(camera)
        both = [stream_stem(camera, "main"), stream_stem(camera, "sub")]
        return both if document is None or document.sub is not None else both[:1]

    def _follow_clock(self) -> None:
        """Decide anew where the time has come, or the clock was put back, and have it followed."""
        now_ns = self._clock.wall_ns()
        due = {camera: document for camera, document in self._documents.items() if not self._is_decided(camera, now_ns)}
        if not due and self._is_planned:
            return
        for camera, document in due.items():
            wish = Wish(document.mode, self._zone, document.schedule, document.manual)
            self._decisions[camera] = (now_ns, decide(wish, now_ns))
        self._is_planned = True
        self._plans = {
            stem: self._trials.choose(stem, plan)
            for camera, document in self._documents.items()
            for stem, plan in plan_streams(camera, document, self._decisions[camera][1], self._zone.key).items()
        }
        for stem, running in self._running.items():
            plan = self._plans.get(stem)
            if plan == running.plan and plan.wanted != running.plan.wanted and self._crews.holds(stem):
                running.plan = plan
                self._crews.want(stem, plan.wanted)
                self._log.info("stream_wanted", stream=stem, recorded=plan.wanted.recorded, cause=plan.wanted.cause)

    def _is_decided(self, camera: str, now_ns: WallNs) -> bool:
        """Whether the decision about a camera holds at that moment."""
        if camera not in self._decisions:
            return False
        decided_ns, decision = self._decisions[camera]
        return decided_ns <= now_ns and (decision.until_ns is None or now_ns < decision.until_ns)

    def _begin(self, camera: str, plan: CameraPlan) -> None:
        start = None if camera in self._begun else self._start
        self._running[camera] = _Running(plan, self._secret_stamp(plan))
        self._begun.add(camera)
        self._known.add(camera)
        self._crews.begin(camera, plan, start)

    def _forget_removed(self) -> None:
        """End the records of streams that are no longer configured: those of now, and those of before this process."""
        if self._snapshot is None:
            return
        for camera in sorted(self._known - self._named - self._running.keys()):
            try:
                self._make_ledger(camera).removed()
                if split_stem(camera)[1] == "main":
                    remove_last_picture(self._data, camera)
            except (Transient, Rejected) as error:
                self._log.warning("camera_not_forgotten", camera=camera, error=error)
                continue
            self._known.discard(camera)
            self._begun.discard(camera)
            self._crews.forget(camera)
            self._log.info("camera_removed", camera=camera)

    def _has_new_secret(self, camera: str, running: _Running) -> bool:
        """Whether the secret was written since; a camera that records goes on with the one it has."""
        stamp = self._secret_stamp(running.plan)
        if stamp == running.secret_stamp:
            return False
        running.secret_stamp = stamp
        report = self._crews.reports.get(camera)
        return report is not None and report.status.state != "recording"

    def _secret_stamp(self, plan: CameraPlan) -> Stamp:
        if plan.secret is None:
            return None
        try:
            found = secret_path(self._data, plan.secret).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino
