"""The one table of metrics: names, units, labels, meaning, and where in the cloud each goes. Pure.

Whatever shows or judges a figure uses a name from here: the Prometheus endpoint, telemetry, the cloud's metrics and log
lines, dashboards, queries and alert rules. docs/metrics.md is made from it; tests compare all of them.

Invariants: a name is `edgenvr_` and snake case, and ends in its unit, or in `_total` where it only ever grows. At most
eight go to CloudWatch as metrics of a site, because a custom metric costs more than a site's whole storage of logs; the
others are fields of log lines, which cost by the byte. No label has more values than the site has cameras, components
or kinds of conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "edgenvr_"

NAMESPACE = "EdgeNVR"
"""Of the metrics in CloudWatch."""

SITE_DIMENSION = "site"
"""By which a site's metrics are told apart, in CloudWatch and in Prometheus: the name of its thing."""

CLOUD_METRICS_PER_SITE_MAX = 8

Unit = Literal["bytes", "celsius", "count", "flag", "percent", "s"]
Kind = Literal["gauge", "counter"]
Label = Literal["camera", "component", "kind", "stream"]
Cloud = Literal["metric", "log", "none"]
"""Where a figure goes in the cloud: a metric of CloudWatch, a field of a log line, or nowhere."""

MadeBy = Literal["HealthMonitor", "ingest_telemetry"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. A `flag` is 1 or 0; a `counter` grows from the start of its process on."""

    name: str
    unit: Unit
    meaning: str
    cloud: Cloud = "log"
    labels: tuple[Label, ...] = ()
    kind: Kind = "gauge"
    made_by: MadeBy = "HealthMonitor"

    @property
    def short(self) -> str:
        """The name without the prefix, as telemetry has it."""
        return self.name.removeprefix(PREFIX)


CAMERAS = Metric("edgenvr_cameras_count", "count", "cameras that are to be recorded now", "metric")
CAMERAS_RECORDING = Metric("edgenvr_cameras_recording_count", "count", "cameras that are recorded", "metric")
CAMERAS_IMPAIRED = Metric(
    "edgenvr_cameras_impaired_count", "count", "streams with the condition `camera_impaired`", "metric"
)
COMPONENTS_DOWN = Metric(
    "edgenvr_components_down_count", "count", "components with the condition `component_down`", "metric"
)
CONDITIONS = Metric("edgenvr_conditions_count", "count", "everything that is not as it should be", "metric")
UPLOADS_WAITING_BYTES = Metric("edgenvr_uploads_waiting_bytes", "bytes", "footage that waits for the cloud", "metric")
UPLOADS_WAITING = Metric("edgenvr_uploads_waiting_count", "count", "objects that wait for the cloud")
UPLOADS_REFUSED = Metric("edgenvr_uploads_refused_count", "count", "objects that can never be uploaded")
DISK_USED = Metric("edgenvr_disk_used_percent", "percent", "how full the media disk is", "metric")
DISK_FREE = Metric("edgenvr_disk_free_bytes", "bytes", "room that is left on the media disk")
INODES_FREE = Metric("edgenvr_inodes_free_percent", "percent", "inodes that are left on the media disk")
CPU = Metric("edgenvr_cpu_percent", "percent", "processor time of the box that is used, since the last look", "metric")
MEMORY = Metric("edgenvr_memory_percent", "percent", "memory of the box that is used")
TEMPERATURE = Metric("edgenvr_temperature_celsius", "celsius", "the hottest sensor; absent where there is none")
DISK_WRITE = Metric("edgenvr_disk_write_s", "s", "until a disk has a small write; of several volumes the slowest")
DISK_WORN = Metric(
    "edgenvr_disk_worn_percent", "percent", "life that a disk has used by its own count; of several the most"
)
PROCESSOR_THROTTLED = Metric(
    "edgenvr_processor_throttled_flag", "flag", "1 while heat or low voltage makes the processor slower"
)
PROCESSOR_FREQUENCY = Metric(
    "edgenvr_processor_frequency_percent", "percent", "the limit of the processor's frequency, of its own highest one"
)
CLOCK_SYNCHRONISED = Metric("edgenvr_clock_synchronised_flag", "flag", "1 while a time server keeps the box's clock")
CLOCK_ERROR = Metric("edgenvr_clock_error_s", "s", "the greatest error of the box's clock that the kernel reckons with")
CAMERA_CLOCK_APART = Metric(
    "edgenvr_camera_clock_apart_s", "s", "a camera's clock from the box's, either way; of several the most"
)
CLOUD_ROUND_TRIP = Metric(
    "edgenvr_cloud_round_trip_s", "s", "until a connection to the cloud stands; absent while nobody answers on one"
)
ALERTS_RAISED = Metric("edgenvr_alerts_raised_count", "count", "alerts that are raised, those held back included")
NOTICES_WAITING = Metric(
    "edgenvr_alert_notices_waiting_count", "count", "notices of alerts that the cloud has not acknowledged"
)
WATCHED = Metric("edgenvr_watched_s", "s", "since when HealthMonitor watches")
LOOKS = Metric(
    "edgenvr_looks_total", "count", "looks at the site; when it stands still, nobody watches", "none", kind="counter"
)
TELEMETRY_SENT = Metric(
    "edgenvr_telemetry_sent_total", "count", "messages of telemetry that were handed to the core", kind="counter"
)
TELEMETRY_FAILED = Metric(
    "edgenvr_telemetry_failed_total", "count", "messages of telemetry that the core did not take", kind="counter"
)

CONDITION_SUBJECTS = Metric(
    "edgenvr_condition_subjects_count", "count", "subjects with a condition of this kind, if any", labels=("kind",)
)
COMPONENT_SILENT = Metric("edgenvr_component_silent_s", "s", "since its last status", labels=("component",))
COMPONENT_IDLE = Metric("edgenvr_component_idle_s", "s", "since it last got something done", labels=("component",))
COMPONENT_BACKLOG = Metric("edgenvr_component_backlog_count", "count", "what waits to be done", labels=("component",))
CAMERA_RECORDING = Metric(
    "edgenvr_camera_recording_flag", "flag", "1 while it is recorded", labels=("camera", "stream")
)
CAMERA_IMPAIRED = Metric(
    "edgenvr_camera_impaired_flag", "flag", "1 with the condition `camera_impaired`", labels=("camera", "stream")
)
CAMERA_STATE_AGE = Metric(
    "edgenvr_camera_state_age_s", "s", "since when it is in its state", labels=("camera", "stream")
)
CAMERA_FAILURES = Metric(
    "edgenvr_camera_failures_count", "count", "attempts in a row that failed", labels=("camera", "stream")
)

TELEMETRY_REFUSED = Metric(
    "edgenvr_telemetry_refused_count",
    "count",
    "messages of telemetry that made no sense, of all sites together",
    "metric",
    made_by="ingest_telemetry",
)
CLOCK_AHEAD = Metric(
    "edgenvr_clock_ahead_s",
    "s",
    "the site's clock against the cloud's when telemetry came, the way included",
    made_by="ingest_telemetry",
)

METRICS = (
    CAMERAS,
    CAMERAS_RECORDING,
    CAMERAS_IMPAIRED,
    COMPONENTS_DOWN,
    CONDITIONS,
    UPLOADS_WAITING_BYTES,
    UPLOADS_WAITING,
    UPLOADS_REFUSED,
    DISK_USED,
    DISK_FREE,
    INODES_FREE,
    CPU,
    MEMORY,
    TEMPERATURE,
    DISK_WRITE,
    DISK_WORN,
    PROCESSOR_THROTTLED,
    PROCESSOR_FREQUENCY,
    CLOCK_SYNCHRONISED,
    CLOCK_ERROR,
    CAMERA_CLOCK_APART,
    CLOUD_ROUND_TRIP,
    ALERTS_RAISED,
    NOTICES_WAITING,
    WATCHED,
    LOOKS,
    TELEMETRY_SENT,
    TELEMETRY_FAILED,
    CONDITION_SUBJECTS,
    COMPONENT_SILENT,
    COMPONENT_IDLE,
    COMPONENT_BACKLOG,
    CAMERA_RECORDING,
    CAMERA_IMPAIRED,
    CAMERA_STATE_AGE,
    CAMERA_FAILURES,
    TELEMETRY_REFUSED,
    CLOCK_AHEAD,
)

CAMERA_COLUMNS = tuple(metric for metric in METRICS if "camera" in metric.labels)
"""What is told of each stream, in this order."""

COMPONENT_COLUMNS = tuple(metric for metric in METRICS if metric.labels == ("component",))

SITE_METRICS = tuple(metric for metric in METRICS if not metric.labels and metric.made_by == "HealthMonitor")
"""What HealthMonitor tells of the site as a whole."""
