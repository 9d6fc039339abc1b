"""Deletes footage: what is past its age, and what room is needed for. `core/retention` decides.

It looks every two seconds, which costs a `statvfs` per volume, and plans only when something is due: a pass every ten
minutes, every minute where there is more to do than a pass may, and at once on a volume that is nearly full. A pass
that took long is followed by a longer pause, so that the largest archive costs a twentieth of a core, or a fifth while
the room that is needed has to be made.

A pass deletes in batches, each in the written order: rows (with the gaps, and the early deletions that others read),
`segment/lost`, files, folders synced, garbage rows dropped, `segment/deleted`. Between batches the recorders' rows get
their turn. Killed anywhere, the next start or the next pass finishes what a garbage row tells.

While there is no good configuration, only a volume that is nearly full is made room on. It also takes in bookmarks.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.capture.ballast import Ballast
from components.capture.bookmark_requests import BookmarkRequests
from components.capture.core.retention import (
    DAY_NS,
    Deletion,
    Footage,
    PassLimits,
    Plan,
    Rules,
    Stock,
    VolumeSpace,
    needs_of,
    plan,
)
from components.capture.hints import Hints
from components.capture.survey import MotionAmong, Survey
from components.shared.catalogue.capture import CaptureWriter, Volume
from components.shared.catalogue.retention import (
    Mark,
    delete_all_garbage,
    kept_bytes,
    mark_all_garbage,
    remove_empty_folders,
)
from components.shared.catalogue.volumes import absence_of
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import ConfigWatcher, Snapshot
from components.shared.runtime.files import Step, disk_errors, no_step
from components.shared.runtime.log import Log
from components.shared.runtime.status import StatusBoard
from components.shared.wire.messages import SegmentDeleted, SegmentLost
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.site_config import camera_shadow
from components.shared.wire.units import NS_PER_S, WallNs, format_iso

LOOK_NS = 2 * NS_PER_S
"""Of the 32 MiB between nearly full and full, 32 cameras of 2 Mbit/s write half in that time."""

ROUND_NS = 600 * NS_PER_S
"""A pass where nothing presses: footage is kept for days."""

PASS_NS = 60 * NS_PER_S
"""A pass where there is more to do, or footage is kept for minutes. See `PassLimits` for what follows from it."""

PAUSE_FACTOR, PAUSE_FACTOR_BEHIND = 20, 4
"""How many times as long as a pass the pause after it is at least; less where a pass could not make the room needed."""

BATCH_SEGMENTS = 16
"""Segments of one transaction: some 10 ms in which a recorder that wants to write a row waits."""

_NO_CONFIG = Rules(RetentionSection(free_percent_min=1))


@dataclass(frozen=True, slots=True)
class Disk:
    """What a file system has, as far as anybody may use it."""

    total_bytes: int
    free_bytes: int
    free_files: int


def measure(root: Path) -> Disk:
    """The file system of a folder. Transient when it does not answer."""
    with disk_errors(root, "look at free space of"):
        found = os.statvfs(root)
    # File systems that make inodes as they need them say 0 of 0.
    free_files = found.f_favail if found.f_files else 2**62
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, free_files)


@dataclass(frozen=True, slots=True)
class JanitorTools:
    """What the janitor works with, and what a test puts in its place."""

    data: Path
    reserve_bytes: int
    hints: Hints
    status: StatusBoard
    clock: Clock
    log: Log
    is_clock_trusted: Callable[[], bool]
    motion_among: MotionAmong
    measure: Callable[[Path], Disk] = measure
    limits: PassLimits = field(default_factory=PassLimits)
    step: Step = no_step


class Janitor:
    """A task of Capture: one thread, which alone deletes."""

    def __init__(self, catalogue: CaptureWriter, config: ConfigWatcher, tools: JanitorTools) -> None:
        self._catalogue = catalogue
        self._config = config
        self._tools = tools
        self._clock = tools.clock
        self._log = tools.log
        self._requests = BookmarkRequests(catalogue, tools.data, tools.clock, tools.log, tools.step)
        self._ballast = Ballast(tools.data, tools.log)
        self._rules: Rules | None = None
        self._has_minutes = False
        self._kept: dict[tuple[str, str], int] = {}
        self._due_ns: int | None = None
        self._pressing_ns: int | None = None
        self._trouble = ""
        self._unmet: tuple[str, ...] = ()
        self._was_overdue = False

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            self.look(stop)
            self._clock.wait(stop, LOOK_NS)

    def look(self, stop: threading.Event | None = None) -> None:
        """Follow the configuration, take in bookmarks, and delete what is due. A disk that fails is told, once."""
        stop = stop or threading.Event()
        troubles = []
        for work in (self._follow_config, self._keep_ballast, self._requests.take, lambda: self._pass_if_due(stop)):
            try:
                work()
            except Transient as error:
                troubles.append(str(error))
        trouble = "; ".join(troubles)
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                self._log.warning("retention_held_up", error=trouble)
                self._tools.status.failed(f"retention: {trouble}")
            else:
                self._log.info("retention_goes_on")

    def _follow_config(self) -> None:
        snapshot = self._config.poll()
        if snapshot is None:
            return
        self._rules = rules_of(snapshot)
        modes = {loaded.document.mode for loaded in snapshot.cameras.values()}
        self._has_minutes = bool(modes & {"motion", "schedule"})
        self._due_ns = None if self._due_ns is None else min(self._due_ns, self._clock.monotonic_ns() + PASS_NS)

    def _keep_ballast(self) -> None:
        disk = self._tools.measure(self._ballast.folder)
        self._ballast.look(disk.free_bytes, self._tools.reserve_bytes * 3 // 2)

    def _pass_if_due(self, stop: threading.Event) -> None:
        spaces = self._spaces()
        rules = self._rules or _NO_CONFIG
        now_ns = self._clock.monotonic_ns()
        is_due = self._rules is not None and (self._due_ns is None or now_ns >= self._due_ns)
        if any(space.is_nearly_full for space in spaces):
            is_due |= self._pressing_ns is None or now_ns >= self._pressing_ns
        elif needs_of(rules, Stock(spaces)):
            is_due |= self._pressing_ns is None or now_ns >= self._pressing_ns + PASS_NS
        if is_due:
            self._pass(rules, stop)

    def _pass(self, rules: Rules, stop: threading.Event) -> None:
        began_ns = self._clock.monotonic_ns()
        done: list[Deletion] = []
        least_ns, factor = PASS_NS, PAUSE_FACTOR
        try:
            self._finish_deletions()
            made, has_needs = self._plan(rules)
            if not (has_needs or made.is_capped or self._has_minutes):
                least_ns = ROUND_NS
            if has_needs and made.is_capped:
                factor = PAUSE_FACTOR_BEHIND
            self._tell_unmet(made)
            self._carry_out(made.deletions, done, stop)
        finally:
            self._tell_deleted(done)
            now_ns = self._clock.monotonic_ns()
            pause_ns = (now_ns - began_ns) * factor
            self._due_ns = now_ns + max(pause_ns, least_ns)
            # Where room presses, the next look may go on at once; not where there was nothing that could go.
            self._pressing_ns = now_ns if done else now_ns + pause_ns

    def _plan(self, rules: Rules) -> tuple[Plan, bool]:
        """What to delete now, and whether room is needed."""
        self._kept = kept_bytes(self._catalogue)
        camera_bytes: dict[str, int] = defaultdict(int)
        for (_, camera), size_bytes in self._kept.items():
            camera_bytes[camera] += size_bytes
        stock = Stock(self._spaces(), camera_bytes)
        is_trusted = self._rules is not None and self._tools.is_clock_trusted()
        wall_ns = self._clock.wall_ns() if is_trusted else None
        has_needs = bool(needs_of(rules, stock))
        if not has_needs and wall_ns is None:
            return Plan(()), False
        until_ns = None
        if not has_needs and wall_ns is not None:
            until_ns = wall_ns - (rules.idle_ns if self._has_minutes else rules.age_ns_min)
        overdue = _Overdue(rules, wall_ns)
        footage = overdue.watch(self._survey(rules).footage(until_ns))
        made = plan(footage, rules, stock, wall_ns, self._tools.limits)
        self._tell_overdue(overdue)
        return made, has_needs

    def _survey(self, rules: Rules) -> Survey:
        return Survey(self._catalogue, self._tools.data, rules, self._tools.motion_among)

    def _spaces(self) -> tuple[VolumeSpace, ...]:
        found = []
        for volume in self._catalogue.volumes():
            if self._is_there(volume):
                disk = self._tools.measure(volume.root)
                kept = sum(size_bytes for (name, _), size_bytes in self._kept.items() if name == volume.volume)
                sizes = (disk.total_bytes, disk.free_bytes, kept, self._tools.reserve_bytes, disk.free_files)
                found.append(VolumeSpace(volume.volume, *sizes))
        return tuple(found)

    def _is_there(self, volume: Volume) -> bool:
        absent = absence_of(self._catalogue, volume)
        if absent is not None:  # one disk that is not there keeps nobody from deleting on another
            self._log.debug("volume_passed_over", volume=volume.volume, why=absent)
        return absent is None

    def _finish_deletions(self) -> None:
        """Delete what an earlier pass could not, as far as its volume is there."""
        there = {volume.volume for volume in self._catalogue.volumes() if self._is_there(volume)}
        left = [row for row in self._catalogue.garbage() if row.volume in there]
        for at in range(0, len(left), BATCH_SEGMENTS):
            delete_all_garbage(self._catalogue, left[at : at + BATCH_SEGMENTS], self._tools.step)

    def _carry_out(self, deletions: Sequence[Deletion], done: list[Deletion], stop: threading.Event) -> None:
        """Delete in batches until `stop` is set; `done` takes what is deleted. Transient when a disk fails."""
        for at in range(0, len(deletions), BATCH_SEGMENTS):
            if stop.is_set():
                return
            self._delete(deletions[at : at + BATCH_SEGMENTS], done)

    def _delete(self, batch: Sequence[Deletion], done: list[Deletion]) -> None:
        step, catalogue = self._tools.step, self._catalogue
        step("before mark")
        mark_all_garbage(catalogue, [_mark(deletion) for deletion in batch], self._clock.wall_ns())
        step("after mark")
        done += batch
        for lost in _grouped([deletion for deletion in batch if deletion.is_lost]):
            self._tools.hints.give(SegmentLost(**lost))
        ids = {deletion.footage.segment for deletion in batch}
        rows = [row for row in catalogue.garbage() if row.segment in ids]
        failures = delete_all_garbage(catalogue, rows, step)
        remove_empty_folders(catalogue, rows)
        for deleted in _grouped(batch):
            self._tools.hints.give(SegmentDeleted(**deleted))
        if failures:
            path, why = next(iter(failures.items()))
            raise Transient(f"{len(failures)} files wait to be deleted, the first is {path}: {why}")

    def _tell_deleted(self, deletions: Sequence[Deletion]) -> None:
        for is_early, is_lost in ((False, False), (True, False), (True, True)):
            chosen = [one for one in deletions if (one.is_early, one.is_lost) == (is_early, is_lost)]
            tell = self._log.warning if is_early else self._log.info
            event = "footage_lost" if is_lost else "footage_deleted_early" if is_early else "footage_deleted"
            for group in _grouped(chosen):
                span = {"start": format_iso(group.pop("start_ns")), "end": format_iso(group.pop("end_ns"))}
                tell(event, **group, **span)
                if is_lost:
                    what = f"camera {group['camera']}: {group['segments']} segments were deleted before their upload"
                    self._tools.status.failed(f"{what} ({group['reason']})")

    def _tell_unmet(self, made: Plan) -> None:
        if made.unmet != self._unmet:
            self._unmet = made.unmet
            if made.unmet:
                self._log.error("room_not_found", where=", ".join(made.unmet))

    def _tell_overdue(self, overdue: _Overdue) -> None:
        if bool(overdue.segments) != self._was_overdue:
            self._was_overdue = bool(overdue.segments)
            if overdue.segments:
                self._log.warning(
                    "upload_overdue",
                    segments=overdue.segments,
                    size_bytes=overdue.size_bytes,
                    hint="kept beyond its days until it is uploaded; a site that uploads nothing says so with "
                    "`./nvr config set site retention.keep_until_uploaded false`",
                )


class _Overdue:
    """Counts, while footage goes by, what is kept beyond its days only because it waits for its upload."""

    def __init__(self, rules: Rules, wall_ns: WallNs | None) -> None:
        self._oldest_ns = None if wall_ns is None else wall_ns - rules.site.days * DAY_NS
        self.segments = 0
        self.size_bytes = 0

    def watch(self, footage: Iterator[Footage]) -> Iterator[Footage]:
        for one in footage:
            if one.upload == "waiting" and self._oldest_ns is not None and one.end_ns <= self._oldest_ns:
                self.segments += 1
                self.size_bytes += one.size_bytes
            yield one


def rules_of(snapshot: Snapshot) -> Rules:
    """The settings in force. Of a camera whose own document is not good, only the room that it needs is known."""
    site = snapshot.site.document
    cameras = {camera: loaded.document.retention for camera, loaded in snapshot.cameras.items()}
    unknown = frozenset(camera for camera in site.cameras if camera_shadow(camera) in snapshot.faults)
    uploads = {camera: loaded.document.upload for camera, loaded in snapshot.cameras.items()}
    return Rules(site.retention, cameras, unknown - cameras.keys(), uploads)


def _mark(deletion: Deletion) -> Mark:
    one = deletion.footage
    return Mark(
        *(one.segment, one.camera, one.stream, one.start_ns, one.end_ns, one.size_bytes),
        *(deletion.reason, deletion.is_early, deletion.is_lost),
    )


def _grouped(deletions: Sequence[Deletion]) -> list[dict[str, Any]]:
    """Deletions of a stream for one reason as one: how many, how large, from when to when."""
    groups: dict[tuple[str, str, str], list[Footage]] = defaultdict(list)
    for deletion in deletions:
        one = deletion.footage
        groups[one.camera, one.stream, deletion.reason].append(one)
    return [
        {
            "camera": camera,
            "stream": stream,
            "start_ns": min(one.start_ns for one in members),
            "end_ns": max(one.end_ns for one in members),
            "segments": len(members),
            "size_bytes": sum(one.size_bytes for one in members),
            "reason": reason,
        }
        for (camera, stream, reason), members in groups.items()
    ]
