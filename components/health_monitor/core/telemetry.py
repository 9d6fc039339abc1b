"""Decides what telemetry says, and when the cameras' part of it is due.

The site's own figures go at their pace, which the site's document gives. A row per camera goes every few minutes only,
and soon when a stream has changed its state. Both together stay below 5 kbit/s at any pace that the document allows
(`./nvr bench telemetry` has the account).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from components.health_monitor.core.measures import Sample, row_name
from components.health_monitor.core.picture import Picture
from components.shared.wire import metrics
from components.shared.wire.telemetry import SiteTelemetry, Table
from components.shared.wire.units import NS_PER_S

CAMERAS_NS = 300 * NS_PER_S
"""How often every camera is told of when nothing happens."""

CAMERAS_CHANGED_NS = 60 * NS_PER_S
"""How soon after the last time at most, when a state has changed: a camera that flaps does not fill the link."""

STATE_COLUMN, CAUSE_COLUMN = "state", "cause"
CAMERA_COLUMNS = (STATE_COLUMN, CAUSE_COLUMN, *(metric.short for metric in metrics.CAMERA_COLUMNS))
CAUSE_CHARS_MAX = 64

States = tuple[tuple[str, str], ...]
"""Each stream and its state: what makes telling of the cameras worth while."""


def site_telemetry(picture: Picture, samples: Sequence[Sample]) -> SiteTelemetry:
    """The site's own figures, its components' and how many subjects each condition has."""
    told = {metric for metric in metrics.SITE_METRICS if metric.cloud != "none"}
    by_component: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        if sample.metric in metrics.COMPONENT_COLUMNS:
            by_component[sample.labels[0]][sample.metric.short] = sample.value
    columns = [metric.short for metric in metrics.COMPONENT_COLUMNS]
    rows = {name: [cells[column] for column in columns] for name, cells in by_component.items()}
    return SiteTelemetry(
        wall_ns=picture.wall_ns,
        values={sample.metric.short: sample.value for sample in samples if sample.metric in told},
        conditions={
            sample.labels[0]: int(sample.value) for sample in samples if sample.metric is metrics.CONDITION_SUBJECTS
        },
        components=Table(columns=columns, rows=rows),
    )


def camera_rows(picture: Picture, samples: Sequence[Sample]) -> Mapping[str, list[str | float]]:
    """A row per stream in the columns of CAMERA_COLUMNS."""
    figures = {(sample.metric, sample.labels): sample.value for sample in samples}
    return {
        row_name(stream): [
            stream.state,
            stream.cause[:CAUSE_CHARS_MAX],
            *(figures[metric, (stream.camera, stream.stream)] for metric in metrics.CAMERA_COLUMNS),
        ]
        for stream in picture.streams or ()
    }


def states_of(picture: Picture) -> States:
    """Each stream and its state."""
    return tuple((row_name(stream), stream.state) for stream in picture.streams or ())


def cameras_due(now_ns: int, last_ns: int | None, states: States, last_states: States) -> bool:
    """Whether every camera is to be told of now, the last time having been at `last_ns` with `last_states`."""
    if last_ns is None:
        return True
    return now_ns - last_ns >= (CAMERAS_NS if states == last_states else CAMERAS_CHANGED_NS)
