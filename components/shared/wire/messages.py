"""The bodies of all local messages: ids and numbers only, never footage and never secrets.

Fields are only ever added, with a default; a body read from a newer release ignores what it does not know. A new
meaning is a new topic under `v2`, beside the old one. Every release decodes the golden file of every message
(`tests/data/messages/`), because two releases meet in the field.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CameraId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
StreamName = Literal["main", "sub"]
StreamState = Literal["connecting", "recording", "frozen", "offline", "off"]
ConfigState = Literal["in_force", "refused", "pending"]

ERROR_TEXT_CHARS_MAX = 500
"""Longer error texts are cut by their sender: a message holds at most 6 000 bytes."""


class Body(BaseModel):
    """Base of all bodies: frozen, strictly typed, tolerant of fields from the future."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SegmentClosed(Body):
    """A segment's file is complete and synced, and its row says so."""

    camera: CameraId
    stream: StreamName = "main"
    segment: str
    start_ns: int
    end_ns: int


class SegmentDeleted(Body):
    """Segments of a stream were deleted for one reason; they lie in the span, and perhaps others that were kept."""

    camera: CameraId
    stream: StreamName = "main"
    start_ns: int
    end_ns: int
    segments: int
    size_bytes: int
    reason: str


class SegmentLost(Body):
    """Segments that nobody had uploaded are being deleted for want of room; they lie in the span. Sent before."""

    camera: CameraId
    stream: StreamName = "main"
    start_ns: int
    end_ns: int
    segments: int
    size_bytes: int
    reason: str


class SegmentAnalysed(Body):
    """A segment's motion and thumbnail are in the analysis catalogue."""

    camera: CameraId
    segment: str
    thumbnail: bool


class StreamChanged(Body):
    """A camera's stream went from one state to another."""

    camera: CameraId
    stream: StreamName = "main"
    state: StreamState
    cause: str = ""
    since_wall_ns: int
    failures: int = 0


class EventBegun(Body):
    """A video event has begun; it is in the analysis catalogue under this id."""

    camera: CameraId
    event: str
    start_ns: int


class EventEnded(Body):
    """A video event is complete, margins included."""

    camera: CameraId
    event: str
    start_ns: int
    end_ns: int


class StatusReported(Body):
    """How a component is: sent every few seconds by every component, silence means it is down.

    `last_progress_wall_ns` moves when work was done, not when the process merely lives; `backlog` counts what waits.
    """

    component: str
    version: str
    started_wall_ns: int
    last_progress_wall_ns: int
    backlog: int = 0
    last_error: str | None = Field(default=None, max_length=ERROR_TEXT_CHARS_MAX)
    last_error_wall_ns: int | None = None


class HealthChanged(Body):
    """The site's health summary in the health catalogue has changed."""

    summary_wall_ns: int


class AlertRaised(Body):
    """Somebody is to be told of something: an alert is in the health catalogue under this id."""

    alert: str
    kind: str
    subject: str
    severity: Literal["critical", "warning"]
    reason: str = Field(max_length=ERROR_TEXT_CHARS_MAX)
    raised_wall_ns: int
    count: int = 1


class AlertCleared(Body):
    """An alert is over."""

    alert: str
    kind: str
    subject: str
    reason: str = Field(max_length=ERROR_TEXT_CHARS_MAX)
    raised_wall_ns: int
    cleared_wall_ns: int


class ConfigChanged(Body):
    """A last-good document has been written to the configuration folder."""

    document: str
    version: int
    sha256: str


class ConfigApplied(Body):
    """A component's answer to a document: in force, or refused with the reason."""

    component: str
    document: str
    version: int
    sha256: str
    state: ConfigState
    error: str | None = Field(default=None, max_length=ERROR_TEXT_CHARS_MAX)
