"""Reads what the components' work looks like from outside: cursors in the catalogues, files that should grow.

A catalogue that is not there yet shows no work: whoever would do it has not begun. Files are asked in a function of
their own, since a disk may not answer; see `prober`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from components.health_monitor.core.losses import Loss
from components.health_monitor.core.progress import Growth, Work
from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.capture_rows import Volume
from components.shared.catalogue.pending import pending_after
from components.shared.catalogue.retention import early_deletions
from components.shared.catalogue.sync import SyncReader
from components.shared.errors import Transient
from components.shared.runtime.files import disk_errors
from components.shared.wire.object_keys import stream_stem
from components.shared.wire.topics import CLOUD_SYNC, VIDEO_PROCESSOR

SWEPT = ("capture", "analysis")
"""The sources of CloudSync's sweeps, by the names of their cursors."""


def read_works(data: Path) -> list[Work]:
    """What waits for VideoProcessor and CloudSync by their own cursors; nothing without Capture's catalogue."""
    try:
        with closing(CaptureReader.open(data)) as capture:
            return [*_looking(data, capture), *_uploading(data, capture)]
    except Transient:
        return []


def read_growths(data: Path, folder_cameras: frozenset[str]) -> list[Growth] | None:
    """The newest file of each stream that is recorded, with its size now; not of cameras whose footage comes as files.

    None without Capture's catalogue; Transient when the disk fails.
    """
    try:
        opened = CaptureReader.open(data)
    except Transient:
        return None
    with closing(opened) as capture:
        recorded = {
            (row.camera, row.stream)
            for row in capture.streams()
            if row.state == "recording" and row.camera not in folder_cameras
        }
        growing = {(row.camera, row.stream): row for row in capture.open_segments()}
        growths = []
        for camera, stream in sorted(recorded):
            row = growing.get((camera, stream))
            # Between two segments none is open: the next look sees the new one.
            path = None if row is None else capture.file_path(row)
            segment = "" if row is None else row.segment
            growths.append(Growth(stream_stem(camera, stream), segment, 0 if path is None else _size_bytes(path)))
        return growths


def _looking(data: Path, capture: CaptureReader) -> list[Work]:
    try:
        with closing(AnalysisReader.open(data)) as analysis:
            cursor = analysis.last_capture_sequence()
    except Transient:
        return []
    return [Work(VIDEO_PROCESSOR, pending_after(capture, cursor), (cursor,), "footage to look at")]


def _uploading(data: Path, capture: CaptureReader) -> list[Work]:
    try:
        with closing(SyncReader.open(data)) as sync:
            cursors = tuple(sync.cursor(source) for source in SWEPT)
            queued = sync.backlog()[0]
            # The queue grows by every new segment: while it holds any, only an upload is work done.
            sign = (sync.last_uploaded_ns(),) if queued else cursors
    except Transient:
        return []
    return [Work(CLOUD_SYNC, queued + pending_after(capture, cursors[0]), sign, "footage to upload")]


def _size_bytes(path: Path) -> int:
    with disk_errors(path, "look at"):
        try:
            return path.stat().st_size
        except FileNotFoundError:  # closed, or thrown away, since its row was read
            return 0


@dataclass(frozen=True, slots=True)
class Recent:
    """What capture.db says beyond the streams' states: volumes, camera clocks against the box's, footage that went."""

    volumes: tuple[Volume, ...] = ()
    camera_offsets_ns: tuple[int, ...] = ()
    losses: tuple[Loss, ...] = ()


def read_recent(data: Path, since_ns: int) -> Recent:
    """What went is that since `since_ns`. Transient while there is no catalogue to be read."""
    with closing(CaptureReader.open(data)) as capture:
        losses = tuple(
            Loss(
                stream=stream_stem(row.camera, row.stream),
                is_lost=row.is_lost,
                start_ns=row.start_ns,
                segments=row.segments,
                size_bytes=row.size_bytes,
                reason=row.reason,
                deleted_ns=row.deleted_ns,
            )
            for row in early_deletions(capture, since_ns)
        )
        offsets = []
        newest = (
            "SELECT clock_offset_ns FROM run WHERE camera = ? AND stream = ? AND clock_offset_ns IS NOT NULL "
            "ORDER BY started_ns DESC LIMIT 1"
        )
        for row in capture.streams():
            if row.state == "recording":
                offsets += [found[0] for found in capture.database.read(newest, row.camera, row.stream)]
        return Recent(tuple(capture.volumes()), tuple(offsets), losses)
