"""Decides what is written down of a message of telemetry: log lines, of which CloudWatch makes metrics.

A line in the embedded metric format (EMF, "Embedded metric format specification" of the CloudWatch user guide) is a log
line whose member `_aws` names those of its fields that are metrics, so one line is both. Of a site at most eight
fields are metrics, all with the one dimension `site`; everything of a component, condition or camera is fields alone.

    site_reported        the site's figures, the metrics among them
    component_reported   a component's figures
    condition_reported   how many subjects a condition has that holds
    camera_reported      a stream's state, cause and figures
    telemetry_refused    what made no sense, and why; counted in one metric of all sites together

What is wrong with a message is refused as a whole, what is wrong with one row of it as that row: nothing that a site
sends keeps another figure from being written down. Names are those of the table of metrics; what a newer release sends
beside them is left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire import metrics
from components.shared.wire.metrics import Metric, Unit
from components.shared.wire.object_keys import check_thing, split_stem
from components.shared.wire.telemetry import CameraTelemetry, SiteTelemetry, Table, decode
from components.shared.wire.units import NS_PER_MS

Line = Mapping[str, Any]

REASON_CHARS_MAX = 500
UNKNOWN_SITE = "unknown"
_TEXTS = ("state", "cause")

_UNITS: Mapping[Unit, str] = {
    "bytes": "Bytes",
    "celsius": "None",
    "count": "Count",
    "flag": "None",
    "percent": "Percent",
    "s": "Seconds",
}
"""Units of the table in CloudWatch's words."""

_BY_SHORT = {metric.short: metric for metric in metrics.METRICS if metric.made_by == "HealthMonitor"}


@dataclass(frozen=True, slots=True)
class Told:
    """A message as the topic rule hands it over: whose, when it came, its bytes."""

    thing: str
    received_ms: int
    payload: bytes


def lines(event: Any, now_ms: int) -> list[Line]:
    """All that is to be written down of one event of the topic rule; never raises, whatever the event is."""
    try:
        told = _told(event)
    except Rejected as refusal:
        thing = event.get("thing") if isinstance(event, Mapping) else None
        return [_refused(str(thing or UNKNOWN_SITE)[:128], now_ms, refusal)]
    try:
        telemetry = decode(told.payload)
    except Rejected as refusal:
        return [_refused(told.thing, told.received_ms, refusal)]
    if isinstance(telemetry, CameraTelemetry):
        return list(_of_cameras(told, telemetry))
    return list(_of_site(told, telemetry))


def _told(event: Any) -> Told:
    if not isinstance(event, Mapping):
        raise Rejected(f"event of the topic rule: an object was due, this is {type(event).__name__}")
    thing, received_ms, payload = (event.get(name) for name in ("thing", "received_ms", "payload"))
    if not isinstance(received_ms, int) or isinstance(received_ms, bool) or received_ms < 0:
        raise Rejected(f"event of the topic rule: received_ms is {str(received_ms)[:100]!r}")
    if not isinstance(thing, str) or not isinstance(payload, str):
        raise Rejected("event of the topic rule: thing and payload have to be texts")
    try:
        return Told(check_thing(thing), received_ms, base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Rejected(f"event of the topic rule: payload is not base64 ({error})") from error


def _of_site(told: Told, telemetry: SiteTelemetry) -> Iterator[Line]:
    values = telemetry.values
    known = {metric: values[metric.short] for metric in metrics.SITE_METRICS if metric.short in values}
    ahead_s = round((telemetry.wall_ns // NS_PER_MS - told.received_ms) / 1000, 3)
    yield {
        **_emf(told.received_ms, [metrics.SITE_DIMENSION], [one for one in known if one.cloud == "metric"]),
        "event": "site_reported",
        **_whose(told, telemetry.wall_ns),
        **{metric.name: value for metric, value in known.items() if metric.cloud != "none"},
        metrics.CLOCK_AHEAD.name: ahead_s,
    }
    for kind, count in telemetry.conditions.items():
        yield {
            "event": "condition_reported",
            **_whose(told, telemetry.wall_ns),
            "kind": kind,
            metrics.CONDITION_SUBJECTS.name: count,
        }
    for name in telemetry.components.rows:
        yield _row(told, telemetry.wall_ns, telemetry.components, name, "component")


def _of_cameras(told: Told, telemetry: CameraTelemetry) -> Iterator[Line]:
    for name in telemetry.cameras.rows:
        yield _row(told, telemetry.wall_ns, telemetry.cameras, name, "camera")


def _row(told: Told, wall_ns: int, table: Table, name: str, about: metrics.Label) -> Line:
    try:
        whose: Line = _stream(name) if about == "camera" else {str(about): name}
        figures = _figures(name, table.row(name), about)
    except Rejected as refusal:
        return _refused(told.thing, told.received_ms, refusal)
    return {"event": f"{about}_reported", **_whose(told, wall_ns), **whose, **figures}


def _stream(name: str) -> Line:
    camera, stream = split_stem(name)
    return {"camera": camera, "stream": stream}


def _figures(name: str, cells: Mapping[str, str | float], about: metrics.Label) -> Line:
    """What is known of a row's cells, under the names of the table."""
    known: dict[str, str | float] = {column: cells[column] for column in _TEXTS if isinstance(cells.get(column), str)}
    for column, cell in cells.items():
        metric = _BY_SHORT.get(column)
        if metric is None or about not in metric.labels:
            continue
        if isinstance(cell, str):
            raise Rejected(f"row {name!r}: {column} is a text")
        known[metric.name] = cell
    return known


def _whose(told: Told, wall_ns: int) -> Line:
    return {metrics.SITE_DIMENSION: told.thing, "wall_ns": wall_ns}


def _refused(thing: str, at_ms: int, refusal: Rejected) -> Line:
    return {
        **_emf(at_ms, [], [metrics.TELEMETRY_REFUSED]),
        "event": "telemetry_refused",
        metrics.SITE_DIMENSION: thing,
        "reason": str(refusal)[:REASON_CHARS_MAX],
        metrics.TELEMETRY_REFUSED.name: 1,
    }


def _emf(at_ms: int, dimensions: Sequence[str], told: Sequence[Metric]) -> Line:
    """What makes metrics of a line's fields; nothing when it has none."""
    if not told:
        return {}
    made = {
        "Namespace": metrics.NAMESPACE,
        "Dimensions": [dimensions],
        "Metrics": [{"Name": metric.name, "Unit": _UNITS[metric.unit]} for metric in told],
    }
    return {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [made]}}
