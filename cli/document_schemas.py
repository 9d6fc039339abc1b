"""The JSON Schemas of the shadow documents as they are published: each member with a sentence, its unit, its default.

What they say is what the models check, as far as JSON Schema can say it: a document that the site takes fits its
schema. What only a program can check (a time zone's name, spans of a day in order) is left to the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from components.shared.wire.schema_steps import OLDEST_SCHEMA
from components.shared.wire.site_config import SCHEMA

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCHEMA_TEXT = f"what the document is written for, {OLDEST_SCHEMA} to {SCHEMA}; {OLDEST_SCHEMA} when it is not given"
_CAP_DAY = "spans with their caps in kbit/s, local time: `08:00-18:00 2000, 22:00-24:00 none`; 0 lets nothing out"
_DAY = "when a camera in the mode `schedule` is recorded on this day, local time: `08:00-18:00, 20:00-22:00 motion`"
_REGIONS = "polygons by id: `x,y x,y x,y` in thousandths of the picture from its top left corner"

MEMBER_TEXTS: Mapping[str, str] = {
    "SiteDocument.schema": _SCHEMA_TEXT,
    "SiteDocument.time_zone": "the time zone of schedules and days: a name of the time zone database",
    "SiteDocument.recording": "how footage is cut into files",
    "SiteDocument.retention": "how long footage is kept, and how full the disk may become",
    "SiteDocument.motion": "when a picture counts as moving",
    "SiteDocument.health": "how often the site tells the cloud how it is",
    "SiteDocument.cameras": "the cameras by id: the SHA-256 of the camera's document, or `any`",
    "RecordingSection.segment_s": "how long a file should be, in seconds; the cut is at the next keyframe",
    "RetentionSection.days": "how long plain footage is kept, in days",
    "RetentionSection.event_days": "how long footage with a video event is kept, in days",
    "RetentionSection.bytes_max": "how much footage the box keeps at most, in bytes; no limit when it is not given",
    "RetentionSection.free_percent_min": "how much of each volume stays free, in percent",
    "RetentionSection.idle_minutes": "how long footage without an event is kept in the mode `motion`, in minutes",
    "RetentionSection.event_before_s": "how much before an event is kept with it, in seconds",
    "RetentionSection.event_after_s": "how much after an event is kept with it, in seconds",
    "RetentionSection.keep_until_uploaded": "whether footage that is not uploaded yet is kept beyond its days",
    "MotionSection.threshold_percent": "how much of the picture must differ to count as motion, in percent",
    "MotionSection.event_margin_s": "how much before and after motion belongs to its event, in seconds",
    "MotionSection.event_quiet_s": "how long nothing moves until an event has ended, in seconds",
    "HealthSection.telemetry_s": "the time between two reports to the cloud, in seconds",
    "HealthSection.prometheus_port": "the port on loopback at which Prometheus finds all figures; 0 for none",
    "HealthSection.alerts": "limits of alerts, quiet hours, and what is different for a kind of alert",
    "AlertsSection.reconnects_per_hour": "how many reconnects of a camera in an hour are told",
    "AlertsSection.disk_used_percent": "how full a volume is when that is told, in percent",
    "AlertsSection.disk_clear_percent": "how full it is at most when that is over, in percent",
    "AlertsSection.temperature_c": "how warm the box is when that is told, in degrees Celsius",
    "AlertsSection.group_cameras": "how many cameras fail at least that are told as one",
    "AlertsSection.quiet": "when alerts of a severity are held back, in the site's time zone",
    "AlertsSection.rules": "what is different for a kind of alert, by its name",
    "AlertRuleSection.severity": "how bad it is; as the table of alerts has it when it is not given",
    "AlertRuleSection.raise_after_s": "how long it lasts before it is told, in seconds; else as the table has it",
    "AlertRuleSection.clear_after_s": "how long it is over before that is told, in seconds; else as the table has it",
    "QuietSection.warning": "when warnings are held back; never when it is empty",
    "QuietSection.critical": "when critical alerts are held back; never when it is empty",
    "CameraDocument.schema": _SCHEMA_TEXT,
    "CameraDocument.name": "what people call the camera",
    "CameraDocument.source": "where the video comes from",
    "CameraDocument.mode": "what is recorded: all, all as footage of the class motion, by schedule, nothing",
    "CameraDocument.schedule": "the spans of each day, for the mode `schedule`",
    "CameraDocument.manual": "a start or stop by hand, which counts more than mode and schedule",
    "CameraDocument.retention": "what of the site's retention is different for this camera",
    "CameraDocument.upload": "what of its footage goes to the cloud by itself: all, clips of events, nothing",
    "CameraDocument.sub": "the camera's second, smaller stream",
    "CameraDocument.snapshot_s": "how often a picture is kept, in seconds; 0 is never",
    "CameraDocument.audio": "whether sound is recorded",
    "CameraDocument.motion": "what is different about motion on this camera",
    "CameraDocument.picture": "whether the picture is watched for silent failures",
    "CameraPictureSection.watch": "whether it is told that the picture is frozen, black, covered, blurred or moved",
    "CameraPictureSection.turns": "whether the camera is turned by command (PTZ), so that another view is no fault",
    "SourceSection.url": "RTSP address without user and password, or `folder:///PATH` for footage that comes as files",
    "SourceSection.secret": "the name of the secret that holds `user:password`",
    "SourceSection.transport": "how the stream travels",
    "SourceSection.reader": "what reads the camera: our own client, or libav where a camera needs it",
    "SourceSection.time_zone": "the time zone of the names of files; the site's when it is not given",
    "SourceSection.trial": "whether another source is tried before the one that is recorded is left",
    "SubStreamSection.url": "RTSP address without user and password",
    "SubStreamSection.transport": "how the stream travels",
    "SubStreamSection.record": "whether it is recorded too; otherwise it is for looking and for analysis",
    "CameraMotionSection.enabled": "whether motion is looked for",
    "CameraMotionSection.threshold_percent": "the threshold for this camera, in percent; the site's when not given",
    "CameraMotionSection.regions": f"where motion counts; everywhere when there is none; {_REGIONS}",
    "CameraMotionSection.ignore": f"where motion does not count; {_REGIONS}",
    "CameraRetentionSection.days": "how long plain footage of this camera is kept, in days",
    "CameraRetentionSection.event_days": "how long its footage with a video event is kept, in days",
    "CameraRetentionSection.bytes_max": "how much of its footage is kept at most, in bytes",
    "ManualSection.recording": "whether it is recorded",
    "ManualSection.until": "until when, in UTC: `2026-11-21T10:00:00Z`; for good when it is not given",
    "SiteDocument.sync": "how uploads use the link, and how objects are kept",
    "SyncSection.cap_kbit_s": "what all uploads together may use of the link, in kbit/s; no cap when it is not given",
    "SyncSection.schedule": "caps by the clock, for each day",
    "SyncSection.paused": "whether all uploads are held back",
    "SyncSection.segment": "how footage is kept in the cloud",
    "SyncSection.thumbnail": "how thumbnails are kept in the cloud",
    "StorageSection.storage_class": "the storage class of S3",
    "StorageSection.tags": "tags of each object, which lifecycle rules and bills go by",
    **{f"CapScheduleSection.{day}": _CAP_DAY for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
    **{f"ScheduleSection.{day}": _DAY for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}
"""By the name of the section's class and the member; what a model says of a member itself counts more."""


def document_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The published schema of a document."""
    schema = model.model_json_schema()
    for section, definition in {**schema.get("$defs", {}), model.__name__: schema}.items():
        for name, member in definition.get("properties", {}).items():
            text = MEMBER_TEXTS.get(f"{section}.{name}")
            if text is not None:
                member.setdefault("description", text)
            member.pop("title", None)
            if name == "schema":
                member["maximum"] = SCHEMA
    return {"$schema": DIALECT, **schema}
