"""Start-up: brings the rows of capture.db and the files of its volumes to agree again, whatever was cut off where.

Half-done deletes are finished, open segments keep what their files already hold, files without a row are adopted, and
what cannot be read is moved to `<volume>/quarantine/` and told. Every durable step may be cut off: the next start goes
on from there to the same end. What happens to one file never keeps the others from being looked at.

The work is proportional to what is broken, not to the archive:

- Garbage rows and open rows are few, and found by their rows.
- A row is written before its file, and the segments of a stream follow each other. So a catalogue that lost its last
  transactions (a disk that lied about a sync, a copy put back) lacks the newest rows of a stream, never one in the
  middle: only the hour folders from the stream's newest row on can hold a file without a row, and only they are
  listed. Strays are adopted oldest first, so that this stays true when adopting is cut off.
- All folders are listed when the catalogue is new (it was lost), and when a start-up found strays and did not come to
  the end of them; `full_scan_due` in the catalogue says so. Anything else that people put into old folders is found
  by `check`, and by `find_strays` with `everything=True`.

`repair_rows` and `find_strays` come before recording begins; `adopt_strays` may go on beside it. `settle_stream` is
the same repair for one stream, for a recorder whose attempt broke off while its worker lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from components.shared.catalogue import segment_probe
from components.shared.catalogue.capture import (
    CaptureReader,
    CaptureWriter,
    GarbageRow,
    RunRow,
    SegmentRow,
    Volume,
    open_row,
)
from components.shared.catalogue.reconcile_plan import Adopt, Neighbours, Quarantine, decide_open, decide_stray
from components.shared.catalogue.segment_probe import Probed, make_whole
from components.shared.catalogue.strays import Stray, move_aside, strays_of
from components.shared.catalogue.volumes import absence, absence_of
from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.files import Step, disk_errors, no_step, sync_folder
from components.shared.wire.object_keys import StreamName, parse_relative_path
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import WallNs

BESIDE = (".jpg", ".json")
"""What is made from a segment and named after it: of no use without it."""

Probe = Callable[[Path], Probed | None]
What = Literal["deleted", "discarded", "adopted", "quarantined", "failed"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that start-up did (or `failed` to do, and will try again), for the log."""

    what: What
    where: str
    detail: str


def reconcile(
    writer: CaptureWriter,
    step: Step = no_step,
    probe: Probe = segment_probe.probe,
    proceed: Callable[[], bool] = lambda: True,
) -> list[Repair]:
    """All of it, for a Capture that records nothing yet. `proceed` is asked between files; False breaks off."""
    repairs = repair_rows(writer, step, probe)
    strays, failures = find_strays(writer)
    return [*repairs, *failures, *adopt_strays(writer, strays, not failures, step, probe, proceed)]


def repair_rows(writer: CaptureWriter, step: Step = no_step, probe: Probe = segment_probe.probe) -> list[Repair]:
    """Finishes half-done deletes, settles open segments and ends the runs that a crash cut off."""
    there = {volume.volume for volume in writer.volumes() if absence_of(writer, volume) is None}
    repairs: list[Repair | None] = []
    for garbage in writer.garbage():
        if garbage.volume in there:
            repairs.append(_attempt(garbage.path, partial(delete_garbage, writer, garbage, step)))
        else:
            repairs.append(Repair("failed", garbage.path, f"volume {garbage.volume} is not there: it stays garbage"))
    for row in writer.open_segments():
        if row.volume in there:
            repairs.append(_attempt(row.path, partial(_settle, writer, row, step, probe)))
        else:
            repairs.append(Repair("failed", row.path, f"volume {row.volume} is not there: the segment stays open"))
    unsettled = {row.run for row in writer.open_segments()}
    for run in writer.unended_runs():
        if run.run not in unsettled:
            writer.end_cut_off_run(run.run)
    return [repair for repair in repairs if repair is not None]


class SettlesSegments(Protocol):
    """What settling needs of a writer: see CaptureWriter."""

    def volumes(self) -> list[Volume]: ...

    def open_segments(self) -> list[SegmentRow]: ...

    def run(self, run: str) -> RunRow | None: ...

    def beside(self, row: SegmentRow) -> tuple[WallNs | None, WallNs | None]: ...

    def file_path(self, row: SegmentRow) -> Path: ...

    def discard_segment(self, segment: str) -> None: ...

    def adopt_segment(self, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]) -> int: ...


def settle_stream(
    writer: SettlesSegments,
    camera: str,
    stream: StreamName,
    step: Step = no_step,
    probe: Probe = segment_probe.probe,
) -> list[Repair]:
    """Settles the open segment of one stream, if it has one. Its file must be closed. Transient when the disk fails.

    Also where the volume seems not to be there: recording must go on, and what is on the disk that was taken away is
    a stray, which is adopted by the first start-up that sees it again.
    """
    rows = [row for row in writer.open_segments() if (row.camera, row.stream) == (camera, stream)]
    return [_settle(writer, row, step, probe if _is_there(writer, row.volume) else _not_found) for row in rows]


def find_strays(writer: CaptureWriter, everything: bool = False) -> tuple[list[Stray], list[Repair]]:
    """Files without a row, oldest first, and the volumes that could not be listed. See above for where it looks."""
    strays: list[Stray] = []
    failures = []
    everything = everything or writer.full_scan_due()
    for volume in writer.volumes():
        absence = absence_of(writer, volume)
        if absence is None:
            try:
                strays.extend(strays_of(writer, volume, everything))
            except Transient as error:
                absence = str(error)
        if absence is not None:
            failures.append(Repair("failed", str(volume.root), absence))
    if strays:
        writer.set_full_scan_due(True)
    return sorted(strays), failures


def adopt_strays(
    writer: CaptureWriter,
    strays: Sequence[Stray],
    all_listed: bool = True,
    step: Step = no_step,
    probe: Probe = segment_probe.probe,
    proceed: Callable[[], bool] = lambda: True,
) -> list[Repair]:
    """Adopts files without a row, or moves them aside. At the end, and only there, no full scan is due any more."""
    roots = {volume.volume: volume.root for volume in writer.volumes()}
    repairs: list[Repair] = []
    for stray in strays:
        if not proceed():
            return repairs
        done = _attempt(stray.path, partial(_adopt_stray, writer, roots[stray.volume], stray, step, probe))
        if done is not None:
            repairs.append(done)
    if all_listed and not any(repair.what == "failed" for repair in repairs) and writer.full_scan_due():
        writer.set_full_scan_due(False)
    return repairs


def delete_garbage(writer: CaptureWriter, row: GarbageRow, step: Step = no_step) -> Repair:
    """Deletes the file of a garbage row for good, and what lies beside it, then the row.

    May be repeated. Transient when the disk fails, or is not the one that the file is on.
    """
    folder = unlink_garbage(writer, row, step)
    # Also when it was gone already: whoever unlinked it may not have come to the sync.
    if folder.is_dir():
        sync_folder(folder, step)
    step("before drop row")
    writer.drop_garbage(row.segment)
    step("after drop row")
    return Repair("deleted", row.path, row.reason)


def unlink_garbage(writer: CaptureReader, row: GarbageRow, step: Step = no_step) -> Path:
    """Unlinks the file of a garbage row and what lies beside it; gives the folder, which its caller syncs."""
    for volume in writer.volumes():
        if volume.volume == row.volume and (absent := absence(volume)) is not None:
            raise Transient(f"{row.path} stays garbage: {absent}")
    path = writer.file_path(row)
    with disk_errors(path, "delete"):
        for name in (path, *(path.with_suffix(suffix) for suffix in BESIDE)):
            step("before unlink")
            name.unlink(missing_ok=True)
            step("after unlink")
    return path.parent


def _settle(writer: SettlesSegments, row: SegmentRow, step: Step, probe: Probe) -> Repair:
    path = writer.file_path(row)
    run = writer.run(row.run)
    if run is None:
        raise Fatal(f"camera {row.camera}, segment {row.segment}: its run {row.run} is not in the catalogue")
    found = probe(path)
    action = decide_open(row, run, found, _beside(writer, row))
    if isinstance(action, Adopt):
        return _adopt(writer, action, path, found, step)
    if isinstance(action, Quarantine):
        move_aside(_root(path, row.path), path, step)
    elif found is not None:
        with disk_errors(path, "delete"):
            step("before unlink")
            path.unlink(missing_ok=True)
            step("after unlink")
        sync_folder(path.parent, step)
    step("before drop row")
    writer.discard_segment(row.segment)
    step("after drop row")
    return Repair("quarantined" if isinstance(action, Quarantine) else "discarded", row.path, action.reason)


def _adopt_stray(writer: CaptureWriter, root: Path, stray: Stray, step: Step, probe: Probe) -> Repair | None:
    path = root / stray.path
    try:
        name = parse_relative_path(stray.path)
    except Rejected as error:
        return _aside(root, path, stray, str(error), step)
    known = writer.segment(name.segment)
    if known is not None and (known.volume, known.path) == (stray.volume, stray.path):
        return None
    if known is not None:
        return _aside(root, path, stray, f"its segment is on volume {known.volume} already", step)
    found = probe(path)
    if found is None or writer.is_garbage(name.segment):
        return None
    row = open_row(name.camera, name.stream, name.start_ns, "", stray.volume)
    action = decide_stray(name, stray.volume, found, _beside(writer, row))
    if isinstance(action, Adopt):
        return _adopt(writer, action, path, found, step)
    return _aside(root, path, stray, action.reason, step)


def _aside(root: Path, path: Path, stray: Stray, reason: str, step: Step) -> Repair:
    move_aside(root, path, step)
    return Repair("quarantined", stray.path, reason)


def _adopt(writer: SettlesSegments, action: Adopt, path: Path, found: Probed | None, step: Step) -> Repair:
    if action.whole is None:
        assert found is not None, "only a file that was read is adopted"
        facts, part_sha256s = make_whole(path, found.scan, action.owner, step)
    else:
        # It is complete, but perhaps nobody came to sync it.
        with disk_errors(path, "sync"):
            step("before sync")
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            step("after sync")
        sync_folder(path.parent, step)
        facts, part_sha256s = replace(action.whole.facts, end_ns=action.owner.end_ns), action.whole.part_sha256s
    step("before close row")
    writer.adopt_segment(action.row, action.run, facts, part_sha256s)
    step("after close row")
    return Repair("adopted", action.row.path, f"{facts.frames} frames, {facts.size_bytes} bytes")


def _is_there(writer: SettlesSegments, name: str) -> bool:
    return any(volume.volume == name and absence(volume) is None for volume in writer.volumes())


def _not_found(_path: Path) -> Probed | None:
    """What is found on a disk that is not there, whatever lies at its place."""
    return None


def _beside(writer: SettlesSegments, row: SegmentRow) -> Neighbours:
    return Neighbours(*writer.beside(row))


def _root(path: Path, relative: str) -> Path:
    """The root of the volume in which `path` is `relative`."""
    return path.parents[relative.count("/")]


def _attempt(where: str, attempt: Callable[[], Repair | None]) -> Repair | None:
    try:
        return attempt()
    except Transient as error:
        return Repair("failed", where, str(error))
