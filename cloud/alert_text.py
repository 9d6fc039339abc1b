"""What people read of an alert: the message's subject, its text, a short one for phones, and what filters see. Pure.

A site that does not record and a site that nobody can ask are told in different words: of the second nobody knows
whether it records. Kinds that are not in the table are told by their names, so that a new one is never kept back.

Limits are those of SNS: a subject has at most 100 characters, all of them ASCII and printable (API reference,
"Publish"); an SMS of 140 characters is one message and not several.
"""

from __future__ import annotations

from components.shared.wire.alert_notice import AlertNotice
from components.shared.wire.units import NS_PER_S, WallNs, format_iso

SUBJECT_CHARS_MAX = 100
SHORT_CHARS_MAX = 140

SITE_UNREACHABLE = "site_unreachable"
HEALTH_MONITOR_SILENT = "health_monitor_silent"

_SAID = {
    SITE_UNREACHABLE: "the site cannot be reached, recording unknown",
    HEALTH_MONITOR_SILENT: "HealthMonitor is silent, recording unknown",
    "camera_offline": "camera {subject} is not recording",
    "cameras_offline": "cameras of the site are not recording",
    "camera_frozen": "camera {subject} sends no new picture",
    "camera_reconnects": "the connection of camera {subject} breaks again and again",
    "component_down": "{subject} is down",
    "component_stuck": "{subject} gets nothing done",
    "sync_stuck": "uploads wait and none is done",
    "uploads_refused": "footage can never be uploaded",
    "footage_lost": "footage was deleted before it was uploaded ({subject})",
    "disk_nearly_full": "the disk is nearly full ({subject})",
    "inodes_nearly_used_up": "the disk has hardly any file entries left ({subject})",
    "too_hot": "{subject} is too hot",
    "picture_frozen": "the picture of camera {subject} stands still",
    "picture_black": "the picture of camera {subject} is black",
    "picture_covered": "camera {subject} is covered",
    "picture_blurred": "the picture of camera {subject} is blurred",
    "picture_moved": "camera {subject} looks elsewhere",
    "camera_clock_wrong": "the clock of camera {subject} is wrong",
    "held_alerts": "alerts were held back in quiet hours",
    "alerts_merged": "alerts came and went before they could be told",
    "test": "a test, nothing is the matter",
}

_ADDED = {
    SITE_UNREACHABLE: "The box may well go on recording; from here nobody can tell.",
    HEALTH_MONITOR_SILENT: "The box is connected, but nothing on it watches the cameras, and no other alert will come.",
}


def headline(notice: AlertNotice) -> str:
    """What is the matter, in half a line."""
    said = _SAID.get(notice.kind, notice.kind.replace("_", " ") + ": {subject}").format(subject=notice.subject)
    return said if notice.count == 1 else f"{said} ({notice.count} in all)"


def subject(notice: AlertNotice) -> str:
    """The subject of an e-mail."""
    text = f"EdgeNVR {notice.thing} {_state(notice)}: {headline(notice)}"
    return _cut(text.encode("ascii", "replace").decode(), SUBJECT_CHARS_MAX)


def short(notice: AlertNotice) -> str:
    """All of it for a phone."""
    text = f"EdgeNVR {notice.thing} {_state(notice)} ({notice.severity}): {headline(notice)}"
    return _cut(text.encode("ascii", "replace").decode(), SHORT_CHARS_MAX)


def text(notice: AlertNotice) -> str:
    """The message itself."""
    lines = [
        f"{_state(notice)}: {_one_line(headline(notice))}",
        "",
        f"Site:      {notice.thing}",
        f"Kind:      {notice.kind}",
        f"Subject:   {_one_line(notice.subject)}",
        f"Severity:  {notice.severity}",
        f"Raised:    {_moment(notice.raised_wall_ns)}",
    ]
    if notice.cleared_wall_ns is not None:
        lasted_s = max(0, notice.cleared_wall_ns - notice.raised_wall_ns) // NS_PER_S
        lines.append(f"Cleared:   {_moment(notice.cleared_wall_ns)}, after {_lasted(lasted_s)}")
    lines.append(f"Reason:    {_one_line(notice.reason)}")
    if notice.state == "raised" and notice.kind in _ADDED:
        lines += ["", _ADDED[notice.kind]]
    lines += ["", f"Alert {notice.alert}, notice {notice.id}"]
    if notice.trace_id:
        lines.append(f"Trace {_one_line(notice.trace_id)}")
    return "\n".join(lines) + "\n"


def attributes(notice: AlertNotice) -> dict[str, str]:
    """What a subscription can filter by."""
    return {"site": notice.thing, "kind": notice.kind, "severity": notice.severity, "state": notice.state}


def _state(notice: AlertNotice) -> str:
    return "RAISED" if notice.state == "raised" else "CLEARED"


def _moment(wall_ns: int) -> str:
    return format_iso(WallNs(wall_ns))[:19].replace("T", " ") + " UTC"


def _lasted(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    told = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (hours > 0 or minutes > 0) + [f"{seconds} s"]
    return " ".join(told)


def _one_line(text: str) -> str:
    """What came from elsewhere cannot begin a line of its own and so pass for one of ours."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cut(text: str, chars_max: int) -> str:
    line = _one_line(text)
    return line if len(line) <= chars_max else line[: chars_max - 3] + "..."
