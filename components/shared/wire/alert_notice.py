"""What a site tells the cloud of an alert, and what the cloud answers: the notice and its acknowledgement, as bytes.

    nvr/v1/<thing>/alert/raised         a notice, edge to cloud
    nvr/v1/<thing>/alert/cleared        a notice, edge to cloud
    nvr/v1/<thing>/alert/acknowledged   ids of notices that the cloud has for good, cloud to edge

An id is made of what the notice is about, so that the same notice has the same id however often it is made or sent:
whoever receives one twice knows it. Fields are only ever added, with a default; what is read from a newer release is
ignored where it is not known. It knows nothing of when an alert is raised, or of who is told.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.shared.errors import Rejected
from components.shared.wire.codec import MESSAGE_BYTES_MAX, describe_faults
from components.shared.wire.object_keys import check_thing
from components.shared.wire.units import WallNs

VERSION = 1

ID_CHARS = 32
"""Hex digits of an id: 128 bits of a hash, of which no two collide by chance."""

SUBJECT_CHARS_MAX = 200
REASON_CHARS_MAX = 500
TRACE_ID_CHARS_MAX = 64
"""Longer texts are cut by their sender: each of their characters takes up to six bytes, and all of them must fit."""

ACKNOWLEDGED_IDS_MAX = 100
"""Ids of one answer: 3 500 bytes."""

WALL_NS_MAX = 2**63 - 1

AlertState = Literal["raised", "cleared"]
Severity = Literal["critical", "warning"]
NoticeId = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{ID_CHARS}}}$")]
WallTime = Annotated[int, Field(ge=0, le=WALL_NS_MAX)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class AlertNotice(_Said):
    """An alert was raised, or is over. `count` is how many subjects a grouped alert holds; `reason` is for people.

    A notice of the end repeats when the alert was raised, so that it says everything by itself.
    """

    v: int = Field(default=VERSION, ge=1)
    id: NoticeId
    alert: NoticeId
    thing: str = Field(pattern=r"^[a-zA-Z0-9:_-]{1,128}$")
    kind: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    subject: str = Field(min_length=1, max_length=SUBJECT_CHARS_MAX)
    state: AlertState
    severity: Severity
    reason: str = Field(max_length=REASON_CHARS_MAX)
    raised_wall_ns: WallTime
    cleared_wall_ns: WallTime | None = None
    count: int = Field(default=1, ge=1)
    trace_id: str = Field(default="", max_length=TRACE_ID_CHARS_MAX)

    @model_validator(mode="after")
    def _check(self) -> AlertNotice:
        if (self.state == "cleared") != (self.cleared_wall_ns is not None):
            raise ValueError("a notice has cleared_wall_ns if and only if its state is cleared")
        if self.alert != alert_id(self.thing, self.kind, self.subject, WallNs(self.raised_wall_ns)):
            raise ValueError("alert is not the id that thing, kind, subject and raised_wall_ns make")
        if self.id != notice_id(self.thing, self.kind, self.subject, WallNs(self.raised_wall_ns), self.state):
            raise ValueError("id is not the one that the alert and its state make")
        return self


class AlertsAcknowledged(_Said):
    """The cloud has these notices for good, and passes them on by itself; they need not be sent again."""

    v: int = Field(default=VERSION, ge=1)
    ids: list[NoticeId] = Field(max_length=ACKNOWLEDGED_IDS_MAX)


def alert_id(thing: str, kind: str, subject: str, raised_wall_ns: WallNs) -> str:
    """The id of an alert: it is the same for all that is said of it."""
    return _digest(thing, kind, subject, raised_wall_ns)


def notice_id(thing: str, kind: str, subject: str, raised_wall_ns: WallNs, state: AlertState) -> str:
    """The id of what is said of an alert."""
    return _digest(thing, kind, subject, raised_wall_ns, state)


def notice_of(
    thing: str,
    kind: str,
    subject: str,
    severity: Severity,
    reason: str,
    raised_wall_ns: WallNs,
    cleared_wall_ns: WallNs | None = None,
    count: int = 1,
    trace_id: str = "",
) -> AlertNotice:
    """The notice that an alert is raised, or with `cleared_wall_ns` that it is over; texts are cut to their limits."""
    state: AlertState = "raised" if cleared_wall_ns is None else "cleared"
    subject = subject[:SUBJECT_CHARS_MAX]
    try:
        return AlertNotice(
            id=notice_id(thing, kind, subject, raised_wall_ns, state),
            alert=alert_id(thing, kind, subject, raised_wall_ns),
            thing=thing,
            kind=kind,
            subject=subject,
            state=state,
            severity=severity,
            reason=reason[:REASON_CHARS_MAX],
            raised_wall_ns=raised_wall_ns,
            cleared_wall_ns=cleared_wall_ns,
            count=count,
            trace_id=trace_id[:TRACE_ID_CHARS_MAX],
        )
    except ValidationError as error:
        raise Rejected(f"alert {kind} of {subject}: {describe_faults(error)}") from error


def encode_notice(notice: AlertNotice) -> bytes:
    """The notice as bytes; they always fit a message."""
    payload = notice.model_dump_json().encode()
    if len(payload) > MESSAGE_BYTES_MAX:
        raise Rejected(f"alert notice {notice.id} has {len(payload)} bytes, the limit is {MESSAGE_BYTES_MAX}")
    return payload


def decode_notice(payload: bytes) -> AlertNotice:
    """The notice in these bytes; all that is wrong with it is Rejected together."""
    try:
        return AlertNotice.model_validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"alert notice: {describe_faults(error)}") from error


def encode_acknowledged(ids: list[str]) -> bytes:
    """The answer that the cloud has the notices with these ids, at most ACKNOWLEDGED_IDS_MAX of them."""
    try:
        return AlertsAcknowledged(ids=ids).model_dump_json().encode()
    except ValidationError as error:
        raise Rejected(f"acknowledgement of alerts: {describe_faults(error)}") from error


def decode_acknowledged(payload: bytes) -> AlertsAcknowledged:
    """The answer in these bytes; all that is wrong with it is Rejected together."""
    try:
        return AlertsAcknowledged.model_validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"acknowledgement of alerts: {describe_faults(error)}") from error


def alert_topic(thing: str, state: AlertState) -> str:
    """The cloud topic of notices of this state."""
    return f"nvr/v1/{check_thing(thing)}/alert/{state}"


def acknowledged_topic(thing: str) -> str:
    """The cloud topic on which a site hears which of its notices have arrived."""
    return f"nvr/v1/{check_thing(thing)}/alert/acknowledged"


def _digest(*parts: str | int) -> str:
    """The same for the same parts, on every release: it is what tells a second copy from a second notice."""
    text = json.dumps(parts, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_CHARS]
