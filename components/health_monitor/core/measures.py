"""Works out every figure of the table of metrics, from one picture of the site and what was found beyond it.

What is not known (no sensor, a catalogue that is not there yet) has no sample, which is not the same as nought. How a
figure is told, and to whom, is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.health_monitor.core.picture import Picture, Stream
from components.health_monitor.core.rules import Condition, disk_used_percent
from components.shared.wire import metrics
from components.shared.wire.metrics import Metric
from components.shared.wire.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure: whose it is, by the values of the metric's labels in their order, and how much."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What HealthMonitor has done since it started."""

    looks: int = 0
    telemetry_sent: int = 0
    telemetry_failed: int = 0


def measure(
    picture: Picture, conditions: Sequence[Condition], tally: Tally, found: Mapping[Metric, float]
) -> tuple[Sample, ...]:
    """All figures that are known, in the order of the table; `found` are the site's that the picture does not have."""
    known = {
        **found,
        **_site(picture, conditions),
        **_box(picture),
        metrics.WATCHED: (picture.monotonic_ns - picture.watching_since_ns) / NS_PER_S,
        metrics.LOOKS: float(tally.looks),
        metrics.TELEMETRY_SENT: float(tally.telemetry_sent),
        metrics.TELEMETRY_FAILED: float(tally.telemetry_failed),
    }
    samples = [Sample(metric, (), known[metric]) for metric in metrics.SITE_METRICS if metric in known]
    samples += _of_kinds(conditions)
    samples += _of_components(picture)
    samples += _of_streams(picture, conditions)
    return tuple(samples)


def _site(picture: Picture, conditions: Sequence[Condition]) -> Mapping[Metric, float]:
    kinds = Counter(condition.kind for condition in conditions)
    known: dict[Metric, float] = {
        metrics.CAMERAS_IMPAIRED: kinds["camera_impaired"],
        metrics.COMPONENTS_DOWN: kinds["component_down"],
        metrics.CONDITIONS: len(conditions),
    }
    if picture.streams is not None:
        states = [stream.state for stream in picture.streams if stream.stream == "main"]
        known |= {
            metrics.CAMERAS: len(states) - states.count("off"),
            metrics.CAMERAS_RECORDING: states.count("recording"),
        }
    if picture.uploads is not None:
        known |= {
            metrics.UPLOADS_WAITING: picture.uploads.waiting,
            metrics.UPLOADS_WAITING_BYTES: picture.uploads.waiting_bytes,
            metrics.UPLOADS_REFUSED: picture.uploads.refused,
        }
    return known


def _box(picture: Picture) -> Mapping[Metric, float]:
    box = picture.box
    known: dict[Metric, float] = {
        metrics.DISK_USED: disk_used_percent(box),
        metrics.DISK_FREE: box.disk_free_bytes,
        metrics.INODES_FREE: box.inodes_free_percent,
        metrics.CPU: box.cpu_percent,
        metrics.MEMORY: box.memory_percent,
    }
    if box.temperature_c is not None:
        known[metrics.TEMPERATURE] = box.temperature_c
    return known


def _of_kinds(conditions: Sequence[Condition]) -> Iterator[Sample]:
    for kind, count in sorted(Counter(condition.kind for condition in conditions).items()):
        yield Sample(metrics.CONDITION_SUBJECTS, (kind,), count)


def _of_components(picture: Picture) -> Iterator[Sample]:
    for name, heard in sorted(picture.heard.items()):
        yield Sample(metrics.COMPONENT_SILENT, (name,), (picture.monotonic_ns - heard.received_ns) / NS_PER_S)
        # The progress is told by the wall clock, which may have been set back since.
        idle_ns = max(0, picture.wall_ns - heard.last_progress_wall_ns)
        yield Sample(metrics.COMPONENT_IDLE, (name,), idle_ns / NS_PER_S)
        yield Sample(metrics.COMPONENT_BACKLOG, (name,), heard.backlog)


def _of_streams(picture: Picture, conditions: Sequence[Condition]) -> Iterator[Sample]:
    impaired = {condition.subject for condition in conditions if condition.kind == "camera_impaired"}
    figures: dict[Metric, Callable[[Stream], float]] = {
        metrics.CAMERA_RECORDING: lambda stream: stream.state == "recording",
        metrics.CAMERA_IMPAIRED: lambda stream: row_name(stream) in impaired,
        metrics.CAMERA_STATE_AGE: lambda stream: max(0, picture.wall_ns - stream.since_ns) / NS_PER_S,
        metrics.CAMERA_FAILURES: lambda stream: stream.failures,
    }
    for metric in metrics.CAMERA_COLUMNS:
        for stream in picture.streams or ():
            yield Sample(metric, (stream.camera, stream.stream), float(figures[metric](stream)))


def row_name(stream: Stream) -> str:
    """A stream in one word, as conditions and telemetry have it: `front`, or `front~sub`."""
    return stream.camera if stream.stream == "main" else f"{stream.camera}~{stream.stream}"
