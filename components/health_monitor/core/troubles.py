"""What may become an alert: the conditions of a picture, and those of its figures that have limits of their own here.

Some kinds have two limits, one to begin and one to end: a disk is nearly full above 90 % and until it is below 85 %.
So what is told already decides about what still is a trouble. What cannot be known now (a catalogue that is not there)
stays as it was told. Whether a trouble has lasted long enough is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.health_monitor.core.alert_rules import (
    CAMERA_FROZEN,
    CAMERA_OFFLINE,
    CAMERA_RECONNECTS,
    DISK_NEARLY_FULL,
    FOOTAGE_LOST,
    SYNC_STUCK,
    TOO_HOT,
)
from components.health_monitor.core.picture import Box, Picture, Stream
from components.health_monitor.core.rules import Condition, disk_used_percent
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.alert_notice import KIND_CHARS_MAX, SUBJECT_CHARS_MAX
from components.shared.wire.topics import CLOUD_SYNC

Key = tuple[str, str]
"""Kind and subject."""

REPLACED = frozenset({"camera_impaired", DISK_NEARLY_FULL, FOOTAGE_LOST, TOO_HOT})
"""Conditions that are judged here again: with the site's limits, with two of them, or for the site as a whole."""

_NOT_DELIVERED = "not_delivered"
"""Of a camera whose footage comes as files: that none come is no fault of a connection."""

COOLER_C = 5
"""A box that was too hot is cool again so far below its limit."""

BOX = "box"
SITE = "site"

_NOT_IN_A_KIND = re.compile(r"[^a-z0-9_]")

_CAMERA_KINDS = (CAMERA_OFFLINE, CAMERA_FROZEN)


@dataclass(frozen=True, slots=True)
class Recent:
    """What the catalogues hold of the last hour; None where they are not there.

    `broken_runs` counts, per stream's subject, connections that the camera or the network ended.
    """

    broken_runs: Mapping[str, int] | None = field(default=None)
    lost_segments: int | None = None


def troubles(
    picture: Picture,
    conditions: Iterable[Condition],
    recent: Recent,
    told: Mapping[Key, str],
    limits: AlertsSection,
) -> dict[Key, str]:
    """The reason of each trouble that is there now. `told` holds the reasons of the alerts that are raised."""
    found = [
        *(_named(condition) for condition in conditions if condition.kind not in REPLACED),
        *_cameras(picture.streams, told),
        *_reconnects(recent.broken_runs, told, limits.reconnects_per_hour),
        *_lost(recent.lost_segments, told),
        *_disk(picture.box, told, limits),
        *_heat(picture.box, told, limits.temperature_c),
    ]
    return {_key(trouble): trouble.reason for trouble in found}


def subject_of(camera: str, stream: str) -> str:
    """What a camera's stream is called."""
    return camera if stream == "main" else f"{camera}~{stream}"


def _key(trouble: Condition) -> Key:
    """Kind and subject in the form that a notice has: whoever made the condition, it must not stop all alerts."""
    return _NOT_IN_A_KIND.sub("_", trouble.kind.lower())[:KIND_CHARS_MAX] or "unnamed", (
        trouble.subject[:SUBJECT_CHARS_MAX] or SITE
    )


def _named(condition: Condition) -> Condition:
    if condition.kind == "component_stuck" and condition.subject == CLOUD_SYNC:
        return Condition(SYNC_STUCK, condition.subject, condition.reason)
    return condition


def _cameras(streams: tuple[Stream, ...] | None, told: Mapping[Key, str]) -> list[Condition]:
    if streams is None:
        return _as_told(told, _CAMERA_KINDS)
    found = {(stream.camera, stream.stream): trouble for stream in streams if (trouble := _camera(stream))}
    # A camera that is away lacks all of its streams: that is one trouble.
    return [trouble for (camera, name), trouble in found.items() if name == "main" or (camera, "main") not in found]


def _camera(stream: Stream) -> Condition | None:
    if stream.state in {"recording", "off"} or stream.cause == _NOT_DELIVERED:
        return None
    is_frozen = stream.state == "frozen" or (stream.state == "offline" and stream.cause == "frozen")
    kind = CAMERA_FROZEN if is_frozen else CAMERA_OFFLINE
    return Condition(
        kind, subject_of(stream.camera, stream.stream), f"{stream.state}: {stream.cause or 'no picture yet'}"
    )


def _reconnects(broken: Mapping[str, int] | None, told: Mapping[Key, str], per_hour: int) -> list[Condition]:
    if broken is None:
        return _as_told(told, (CAMERA_RECONNECTS,))
    found = []
    for subject, count in broken.items():
        # Told until it happens half as often.
        limit = per_hour // 2 if (CAMERA_RECONNECTS, subject) in told else per_hour
        if count > limit:
            found.append(Condition(CAMERA_RECONNECTS, subject, f"its connection broke {count} times within an hour"))
    return found


def _lost(segments: int | None, told: Mapping[Key, str]) -> list[Condition]:
    if segments is None:
        return _as_told(told, (FOOTAGE_LOST,))
    reason = f"{segments} segments were deleted for want of room before anybody had uploaded them; see `./nvr coverage`"
    return [Condition(FOOTAGE_LOST, BOX, reason)] if segments else []


def _disk(box: Box, told: Mapping[Key, str], limits: AlertsSection) -> list[Condition]:
    used = disk_used_percent(box)
    is_told = (DISK_NEARLY_FULL, BOX) in told
    if used > limits.disk_used_percent or (is_told and used >= limits.disk_clear_percent):
        return [Condition(DISK_NEARLY_FULL, BOX, f"{used:.1f} % used, {box.disk_free_bytes} bytes are free")]
    return []


def _heat(box: Box, told: Mapping[Key, str], limit_c: int) -> list[Condition]:
    if box.temperature_c is None:
        return _as_told(told, (TOO_HOT,))
    if box.temperature_c > limit_c - (COOLER_C if (TOO_HOT, BOX) in told else 0):
        return [Condition(TOO_HOT, BOX, f"{box.temperature_c:.0f} degrees Celsius")]
    return []


def _as_told(told: Mapping[Key, str], kinds: Iterable[str]) -> list[Condition]:
    return [Condition(*key, reason) for key, reason in told.items() if key[0] in kinds]
