"""A line of a log as an operator asks for it: by level, camera, trace and time; and as it is shown to people.

Components write JSON with `time` and `event`; functions write what Lambda makes of it, with `timestamp` and `message`.
Anything else is a line without fields: it counts as INFO, belongs to no camera or trace, and has no time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.output import parse_time
from components.shared.errors import Rejected
from components.shared.wire.trace import FIELD as TRACE_ID
from components.shared.wire.units import NS_PER_S, WallNs

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_NAMES = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_HEAD = frozenset({"time", "timestamp", "level", "component", "event", "message", "logger"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `fields` is empty for one that is no JSON object."""

    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """Its level by our names; INFO for one without."""
        told = str(self.fields.get("level", "INFO"))
        level = _NAMES.get(told, told)
        return level if level in LEVELS else "INFO"

    @property
    def time(self) -> str:
        """When it was written, as it says."""
        return str(self.fields.get("time") or self.fields.get("timestamp") or "")

    @property
    def event(self) -> str:
        """What happened."""
        return str(self.fields.get("event") or self.fields.get("message") or "")

    @property
    def time_ns(self) -> WallNs | None:
        """The same as a number; None when it does not say."""
        try:
            return parse_time(self.time)
        except Rejected:
            return None


def read_line(text: str) -> Line:
    """A line of a log."""
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        return Line(text)
    return Line(text, fields if isinstance(fields, dict) else {})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for; the span of time is half open."""

    level: str = "DEBUG"
    camera: str | None = None
    trace: str | None = None
    since_ns: WallNs | None = None
    until_ns: WallNs | None = None

    def takes(self, line: Line) -> bool:
        """Whether a line is one of them."""
        return (
            LEVELS.index(line.level) >= LEVELS.index(self.level)
            and (self.camera is None or _is_of_camera(line, self.camera))
            and (self.trace is None or line.fields.get(TRACE_ID) == self.trace)
            and self._is_in_span(line)
        )

    def _is_in_span(self, line: Line) -> bool:
        if self.since_ns is None and self.until_ns is None:
            return True
        at_ns = line.time_ns
        if at_ns is None:
            return False
        return (self.since_ns is None or at_ns >= self.since_ns) and (self.until_ns is None or at_ns < self.until_ns)


def shown(name: str, line: Line) -> str:
    """A line for people: who, when, level, event and fields; one of another form as it is."""
    if not line.fields:
        return f"{name}  {line.text}"
    told = " ".join(f"{key}={value}" for key, value in line.fields.items() if key not in _HEAD)
    return f"{name}  {line.time} {line.fields.get('level', ''):7} {line.event} {told}".rstrip()


def moment(text: str, now_ns: WallNs) -> WallNs:
    """A moment as an operator says it: `10m` ago (s, m, h, d), or a time in ISO 8601, UTC unless it says otherwise."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return WallNs(now_ns - int(ago[1]) * _UNIT_S[ago[2]] * NS_PER_S)
    try:
        return parse_time(text)
    except Rejected as error:
        raise Rejected(f"{text!r} is no moment: 90s, 10m, 2h, 1d ago or 2026-11-27T17:00:00Z was due") from error


def _is_of_camera(line: Line, camera: str) -> bool:
    streams = (camera, f"{camera}~sub")
    cameras = line.fields.get("cameras")
    return (
        line.fields.get("camera") in streams
        or line.fields.get("stream") in streams
        or (isinstance(cameras, list) and any(stream in cameras for stream in streams))
    )
