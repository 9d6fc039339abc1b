"""What a site on this machine is doing, read from its catalogues, its core's status and the process table.

Reads only, never waits: a catalogue that is not there yet counts as empty. Nothing here needs the site to run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.capture import CaptureReader, GapRow
from components.shared.catalogue.capture_rows import StreamTotals
from components.shared.catalogue.component_status import ComponentStatus, kept_statuses
from components.shared.catalogue.forecast import Forecast, forecast, read_usage
from components.shared.catalogue.health import HealthReader
from components.shared.catalogue.retention import early_deletions
from components.shared.catalogue.sync import SyncReader
from components.shared.errors import Rejected, Transient
from components.shared.runtime.config import read_snapshot
from components.shared.runtime.last_picture import picture_path, read_last_picture
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.units import NS_PER_S, format_iso
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

DEFAULT_DATA = Path(".nvr")


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera as its owner wants to see it. Rates are those of the newest closed segment of its main stream.

    `sub` is the state of its sub stream, empty without one; `snapshot` the path of its last picture, empty without one.
    """

    id: str
    state: str
    cause: str
    codec: str
    picture: str
    fps: float
    bitrate_bits_per_s: float
    frames_received: int
    frames_recorded: int
    segments: int
    gap_seconds: float
    motion_events: int
    sub: str = ""
    snapshot: str = ""
    snapshot_taken: str = ""


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One component: the core's state of it, what its processes use, and what it said of itself last.

    Times are empty, and `backlog` None, of one that HealthMonitor has not heard.
    """

    name: str
    state: str
    worker_restarts: int
    pss_bytes: int
    cpu_seconds: float
    since: str = ""
    last_progress: str = ""
    backlog: int | None = None
    last_error: str = ""
    last_error_at: str = ""
    reported: str = ""


@dataclass(frozen=True, slots=True)
class SiteView:
    """A whole site at one moment."""

    cameras: tuple[CameraView, ...]
    components: tuple[ComponentView, ...]
    segments_closed: int
    segments_uploaded: int
    uploads_waiting: int
    uploads_waiting_bytes: int
    uploads_refused: tuple[str, ...]
    media_bytes: int
    disk_free_bytes: int
    messages_dropped: int
    volumes: tuple[Forecast, ...] = ()
    lost_segments: int = 0
    uploads_left_out: int = 0
    uploads_left_out_bytes: int = 0


def gather(data: Path) -> SiteView:
    """Look at everything once."""
    layout = Layout(data)
    status = core_status(layout)
    uploads = _uploads(data)
    totals = _totals(data)
    return SiteView(
        cameras=tuple(_cameras(data)),
        components=tuple(_components(layout, status)),
        segments_closed=sum(total.segments for total in totals),
        segments_uploaded=uploads.uploaded,
        uploads_waiting=uploads.waiting[0],
        uploads_waiting_bytes=uploads.waiting[1],
        uploads_refused=uploads.refused,
        media_bytes=sum(total.size_bytes for total in totals),
        disk_free_bytes=psutil.disk_usage(str(data if data.exists() else Path())).free,
        messages_dropped=int(status.get("local_messages", {}).get("dropped", 0)),
        volumes=_volumes(data),
        lost_segments=_lost_segments(data),
        uploads_left_out=uploads.left_out[0],
        uploads_left_out_bytes=uploads.left_out[1],
    )


def core_status(layout: Layout) -> dict[str, Any]:
    """What the core last said; empty when no core has run here."""
    try:
        status: dict[str, Any] = json.loads(layout.core_status.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return status


def is_running(layout: Layout) -> bool:
    """Whether a core runs on this data root now."""
    pid = core_status(layout).get("pid")
    return isinstance(pid, int) and psutil.pid_exists(pid)


def _totals(data: Path) -> list[StreamTotals]:
    try:
        with closing(CaptureReader.open(data)) as reader:
            return reader.totals()
    except Transient:
        return []


def _volumes(data: Path) -> tuple[Forecast, ...]:
    """How long the room of each volume lasts that is there, under the settings in force."""
    now_ns = time.time_ns()
    try:
        snapshot = read_snapshot(data)
        with closing(CaptureReader.open(data)) as reader:
            roots = {volume.volume: volume.root for volume in reader.volumes()}
            usages = read_usage(reader, now_ns)
    except (Transient, Rejected):
        return ()
    retention = RetentionSection() if snapshot is None else snapshot.site.document.retention
    forecasts = []
    for usage in usages:
        if roots[usage.volume].is_dir():
            disk = psutil.disk_usage(str(roots[usage.volume]))
            forecasts.append(forecast(usage, disk.total, disk.free, retention, now_ns))
    return tuple(forecasts)


def _lost_segments(data: Path) -> int:
    try:
        with closing(CaptureReader.open(data)) as reader:
            return sum(row.segments for row in early_deletions(reader, only_lost=True))
    except Transient:
        return 0


@dataclass(frozen=True, slots=True)
class _Uploads:
    """Numbers and bytes of what waits and of what the policies leave out; segments that are uploaded; why not."""

    waiting: tuple[int, int] = (0, 0)
    left_out: tuple[int, int] = (0, 0)
    uploaded: int = 0
    refused: tuple[str, ...] = ()


def _uploads(data: Path) -> _Uploads:
    try:
        with closing(SyncReader.open(data)) as reader:
            refused = tuple(f"{row.key}: {row.last_error}" for row in reader.uploads(state="refused"))
            return _Uploads(reader.backlog(), reader.held("left_out"), reader.count_uploaded("segment"), refused)
    except Transient:
        return _Uploads()


def _cameras(data: Path) -> list[CameraView]:
    try:
        with closing(CaptureReader.open(data)) as reader:
            streams = [stream for stream in reader.streams() if stream.stream == "main"]
            subs = {stream.camera: stream.state for stream in reader.streams() if stream.stream == "sub"}
            runs, gaps = reader.runs(), reader.gaps(stream="main")
            totals = {total.camera: total for total in reader.totals() if total.stream == "main"}
            newest_of = {camera: reader.segment(total.newest) for camera, total in totals.items()}
    except Transient:
        return []
    events = _events_by_camera(data)
    views = []
    for stream in streams:
        picture = read_last_picture(data, stream.camera)
        own_runs = [run for run in runs if (run.camera, run.stream) == (stream.camera, stream.stream)]
        newest = newest_of.get(stream.camera)
        span_s = (newest.end_ns - newest.start_ns) / NS_PER_S if newest and newest.end_ns else 0.0
        views.append(
            CameraView(
                id=stream.camera,
                state=stream.state,
                cause=stream.cause,
                codec=own_runs[-1].codec if own_runs else "",
                picture=f"{own_runs[-1].width}x{own_runs[-1].height}" if own_runs else "",
                fps=newest.frames / span_s if newest and span_s else 0.0,
                bitrate_bits_per_s=newest.size_bytes * 8 / span_s if newest and span_s else 0.0,
                frames_received=sum(run.frames_received for run in own_runs),
                frames_recorded=sum(run.frames_recorded for run in own_runs),
                segments=totals[stream.camera].segments if stream.camera in totals else 0,
                gap_seconds=_gap_seconds([gap for gap in gaps if gap.camera == stream.camera]),
                motion_events=events.get(stream.camera, 0),
                sub=subs.get(stream.camera, ""),
                snapshot=str(picture_path(data, stream.camera)) if picture else "",
                snapshot_taken=format_iso(picture.taken_ns) if picture else "",
            )
        )
    return sorted(views, key=lambda view: view.id)


def _gap_seconds(gaps: Sequence[GapRow]) -> float:
    """Seconds in gaps; one that is still open counts up to now."""
    now_ns = time.time_ns()
    total_ns = sum((now_ns if gap.end_ns is None else gap.end_ns) - gap.start_ns for gap in gaps)
    return round(total_ns / NS_PER_S, 3)


def _events_by_camera(data: Path) -> dict[str, int]:
    try:
        with closing(AnalysisReader.open(data)) as reader:
            events = reader.events()
    except Transient:
        return {}
    counts: dict[str, int] = {}
    for event in events:
        counts[event.camera] = counts.get(event.camera, 0) + 1
    return counts


def _components(layout: Layout, status: dict[str, Any]) -> list[ComponentView]:
    said = _statuses(layout.data)
    views = []
    for name, component in sorted(status.get("components", {}).items()):
        if not name.startswith(PUBLISHER_PREFIX) or name.endswith(".Runtime"):
            continue
        short = name.removeprefix(PUBLISHER_PREFIX)
        pss_bytes, cpu_seconds = tree_use(component.get("pid"))
        restarts = _launcher_facts(layout, short).get("restarts", 0)
        view = ComponentView(short, component["state"], restarts, pss_bytes, cpu_seconds)
        views.append(_with_status(view, said[short]) if short in said else view)
    return views


def _statuses(data: Path) -> dict[str, ComponentStatus]:
    try:
        with closing(HealthReader.open(data)) as reader:
            return {status.component: status for status in kept_statuses(reader)}
    except Transient:
        return {}


def _with_status(view: ComponentView, said: ComponentStatus) -> ComponentView:
    return replace(
        view,
        since=format_iso(said.started_ns),
        last_progress=format_iso(said.last_progress_ns),
        backlog=said.backlog,
        last_error=said.last_error or "",
        last_error_at="" if said.last_error_ns is None else format_iso(said.last_error_ns),
        reported=format_iso(said.reported_ns),
    )


def _launcher_facts(layout: Layout, component: str) -> dict[str, Any]:
    """What a component's launcher says of itself, by the component's package name."""
    for path in (layout.data / "run").glob("*.json"):
        if path.stem.replace("_", "").lower() == component.lower():
            try:
                facts: dict[str, Any] = json.loads(path.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                return {}
            return facts
    return {}


def tree_use(pid: int | None) -> tuple[int, float]:
    """Proportional memory in bytes and CPU seconds of a process and all below it, ended children included."""
    if pid is None:
        return 0, 0.0
    pss_bytes, cpu_seconds = 0, 0.0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            pss_bytes += memory_bytes(process)
            times = process.cpu_times()
            cpu_seconds += times.user + times.system + times.children_user + times.children_system
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        # It ended while we looked: what was read so far is the best that can be said.
        return pss_bytes, cpu_seconds
    return pss_bytes, cpu_seconds


def memory_bytes(process: psutil.Process) -> int:
    """Proportional memory of a process; of one that only root may look into, as components are, what is resident."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
