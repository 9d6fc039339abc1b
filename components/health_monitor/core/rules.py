"""What is wrong at a site, decided from one picture of it, and the summary of that for the shadow.

A condition has a kind and a subject; it holds or it does not. Whether anybody is told of it, and how often, is not
decided here. Limits are those of the product's promises: a component that is silent for three reports is down, a camera
that has not recorded for two minutes is impaired, a disk above 90 % is nearly full. What needs more than one picture to
be judged is decided in modules of its own: `progress`, `losses`, `box_watch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.health_monitor.core.picture import Box, Heard, Picture, Stream
from components.shared.wire.topics import COMPONENTS
from components.shared.wire.units import NS_PER_S

SILENT_NS = 20 * NS_PER_S
"""Components report every 5 s: after three missing reports and a restart's pause it is down."""

IMPAIRED_NS = 120 * NS_PER_S
"""How long a camera may not record before it is impaired: longer than a camera's own restart."""

DISK_USED_PERCENT_MAX = 90.0
INODES_FREE_PERCENT_MIN = 5.0
TEMPERATURE_C_MAX = 85.0
"""Small boards throttle from here on, and throttled boards drop frames."""

NAMES_CHARS_MAX = 400
"""The summary is one shadow document of few leaves: long lists of names are cut and end in an ellipsis."""

NOT_DELIVERED = "not_delivered"
"""The cause of a camera whose footage comes as files: that none came lately is for whoever sends them to say."""

_NOT_RECORDING = ("connecting", "frozen", "offline")


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """Something that is not as it should be."""

    kind: str
    subject: str
    reason: str


def judge(picture: Picture) -> tuple[Condition, ...]:
    """All conditions that hold, in a fixed order."""
    found = [*_components(picture), *_cameras(picture), *_uploads(picture), *_box(picture.box)]
    found += [Condition(fault.kind, fault.camera, fault.reason) for fault in picture.camera_faults]
    return tuple(sorted(found))


def summarise(picture: Picture, conditions: tuple[Condition, ...]) -> dict[str, Any]:
    """The site's health as one flat document: counts, flags, and the names of what is impaired.

    Rates and sizes are rounded, so that a quiet site does not change its document all the time.
    """
    streams = [stream for stream in picture.streams or () if stream.stream == "main"]
    states = [stream.state for stream in streams]
    box = picture.box
    return {
        "ok": not conditions,
        "cameras": len([state for state in states if state != "off"]),
        "recording": states.count("recording"),
        "frozen": states.count("frozen"),
        "offline": states.count("offline"),
        "waiting_for_files": [stream.cause for stream in streams].count(NOT_DELIVERED),
        "impaired": names(condition.subject for condition in conditions if condition.kind == "camera_impaired"),
        "components_down": names(item.subject for item in conditions if item.kind == "component_down"),
        "conditions": names(sorted({condition.kind for condition in conditions})),
        "cameras_at_fault": names(sorted({fault.camera for fault in picture.camera_faults})),
        "uploads_waiting": picture.uploads.waiting if picture.uploads else 0,
        "uploads_refused": picture.uploads.refused if picture.uploads else 0,
        "disk_used_percent": round(disk_used_percent(box)),
        "memory_percent": round(box.memory_percent / 5) * 5,
    }


def disk_used_percent(box: Box) -> float:
    """How full the media disk is."""
    return 100.0 * (box.disk_total_bytes - box.disk_free_bytes) / max(1, box.disk_total_bytes)


def _components(picture: Picture) -> list[Condition]:
    found = []
    for name in COMPONENTS:
        heard = picture.heard.get(name)
        silent_ns = picture.monotonic_ns - (heard.received_ns if heard else picture.watching_since_ns)
        if silent_ns > SILENT_NS:
            # No number of seconds: a reason that changes all the time would be written all the time.
            reason = f"it has reported nothing for more than {SILENT_NS // NS_PER_S} s" + last_words(heard)
            found.append(Condition("component_down", name, reason))
    return found


def last_words(heard: Heard | None) -> str:
    """What a component said last of what went wrong, as the end of a sentence; empty without any."""
    return f"; last error: {heard.last_error}" if heard and heard.last_error else ""


def _cameras(picture: Picture) -> list[Condition]:
    found = []
    for stream in picture.streams or ():
        for_ns = picture.wall_ns - stream.since_ns
        if stream.cause == NOT_DELIVERED:
            continue
        if stream.state in _NOT_RECORDING and (stream.state == "offline" or for_ns > IMPAIRED_NS):
            found.append(Condition("camera_impaired", _subject(stream), f"{stream.state}: {stream.cause}"))
    return found


def _subject(stream: Stream) -> str:
    return stream.camera if stream.stream == "main" else f"{stream.camera}~{stream.stream}"


def _uploads(picture: Picture) -> list[Condition]:
    if picture.uploads is None or picture.uploads.refused == 0:
        return []
    reason = f"{picture.uploads.refused} objects can never be uploaded; `./nvr status` names them"
    return [Condition("uploads_refused", "CloudSync", reason)]


def _box(box: Box) -> list[Condition]:
    found = []
    if disk_used_percent(box) > DISK_USED_PERCENT_MAX:
        reason = f"{disk_used_percent(box):.1f} % used, {box.disk_free_bytes} bytes are free"
        found.append(Condition("disk_nearly_full", "box", reason))
    if box.inodes_free_percent < INODES_FREE_PERCENT_MIN:
        found.append(Condition("inodes_nearly_used_up", "box", f"{box.inodes_free_percent:.1f} % are free"))
    if box.temperature_c is not None and box.temperature_c > TEMPERATURE_C_MAX:
        found.append(Condition("too_hot", "box", f"{box.temperature_c:.0f} degrees Celsius"))
    return found


def names(found: Iterable[str]) -> str:
    """Names for a flat document: cut where they are too many."""
    text = " ".join(found)
    return text if len(text) <= NAMES_CHARS_MAX else text[: NAMES_CHARS_MAX - 1] + "…"
