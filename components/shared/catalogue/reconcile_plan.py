"""Decides what becomes of an open row, and of a file without a row, from what was found. Pure.

Footage is never deleted: what cannot be read is moved aside, and what can is kept up to its last complete fragment.
An open row whose file holds none is discarded. Wall time that an adopted file cannot have, because another segment
of its stream has it, is not claimed twice: the end gives way, and a file that begins inside another goes aside.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.catalogue.capture_rows import RunRow, SegmentRow, check_run, open_row
from components.shared.catalogue.segment_probe import Owner, Probed, Whole
from components.shared.errors import Rejected
from components.shared.wire.object_keys import ObjectName
from components.shared.wire.segment_file import media_duration_ns
from components.shared.wire.units import NS_PER_MS, WallNs


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The segments of the same stream beside a start: where the one before ends, where the next one begins."""

    before_end_ns: int | None
    after_start_ns: int | None


@dataclass(frozen=True, slots=True)
class Discard:
    """There is no footage: the row goes, and the file if there is one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The file is moved aside for people to look at; its row, if it has one, goes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """The row is closed for the file. `whole` tells that the file is complete; else it is made so."""

    row: SegmentRow
    run: RunRow
    owner: Owner
    whole: Whole | None


Action = Discard | Quarantine | Adopt


def decide_open(row: SegmentRow, run: RunRow, found: Probed | None, beside: Neighbours) -> Action:
    """What becomes of a row that was open when Capture ended, given what its file holds."""
    if found is None:
        return Discard("its file was never made")
    if not found.has_footage:
        if found.scan.fault is not None:
            return Quarantine(f"it holds no footage that can be read: {found.scan.fault}")
        return Discard(f"its file of {found.scan.size_bytes} bytes holds no complete fragment")
    whole = found.whole
    if whole is not None:
        trailer = whole.trailer
        said = (trailer.camera, trailer.stream, trailer.run, trailer.start_ns)
        if said != (row.camera, row.stream, row.run, row.start_ns):
            whole = None
    return _adopt(row, run, found, whole, beside)


def decide_stray(name: ObjectName, volume: str, found: Probed, beside: Neighbours) -> Action:
    """What becomes of a file that no row knows, given what it holds."""
    if not found.has_footage:
        return Quarantine(f"it holds no footage: {found.scan.fault or f'{found.scan.size_bytes} bytes'}")
    whole = found.whole
    try:
        if whole is None:
            start_ns = _start_ns(name, beside)
            row = open_row(name.camera, name.stream, start_ns, f"adopted-{name.segment}", volume)
        else:
            trailer = whole.trailer
            row = open_row(trailer.camera, trailer.stream, trailer.start_ns, trailer.run, volume)
            if row.segment != name.segment:
                return Quarantine(f"its trailer says that it is {row.segment}")
        run = _run_of(row, found)
        check_run(run)
    except Rejected as error:
        return Quarantine(str(error))
    return _adopt(row, run, found, whole, beside)


def _start_ns(name: ObjectName, beside: Neighbours) -> WallNs:
    """When a file without a trailer starts: its name says it to the millisecond, the segment before it exactly."""
    before_ns = beside.before_end_ns
    if before_ns is not None and 0 < before_ns - name.start_ns < NS_PER_MS:
        return WallNs(before_ns)
    return name.start_ns


def _adopt(row: SegmentRow, run: RunRow, found: Probed, whole: Whole | None, beside: Neighbours) -> Action:
    if beside.before_end_ns is not None and beside.before_end_ns > row.start_ns:
        return Quarantine("it begins inside another segment of its stream")
    try:
        end_ns = _end_ns(row, found, whole)
    except Rejected as error:
        return Quarantine(str(error))
    if beside.after_start_ns is not None:
        end_ns = min(end_ns, beside.after_start_ns)
    if end_ns <= row.start_ns:
        return Quarantine("it lasts no time")
    owner = Owner(row.camera, row.stream, row.run, row.start_ns, WallNs(end_ns))
    return Adopt(row, run, owner, whole)


def _end_ns(row: SegmentRow, found: Probed, whole: Whole | None) -> int:
    if whole is not None and whole.trailer.end_ns > row.start_ns:
        return whole.trailer.end_ns
    if found.scan.header is None:
        raise Rejected("it has no header")
    return row.start_ns + media_duration_ns(found.scan.header, found.scan.fragments)


def _run_of(row: SegmentRow, found: Probed) -> RunRow:
    """The run of a file whose run no row knows, as far as the file tells."""
    if found.scan.header is None:
        raise Rejected("it has no header")
    video = found.scan.header.video
    end_ns = WallNs(row.start_ns + media_duration_ns(found.scan.header, found.scan.fragments))
    tracks = [fragment.track(video.track_id) for fragment in found.scan.fragments]
    frames = sum(track.samples for track in tracks if track is not None)
    return RunRow(
        *(row.run, row.camera, row.stream, row.start_ns, end_ns, video.codec, video.width, video.height),
        *(video.time_base, frames, frames, "adopted"),
    )
