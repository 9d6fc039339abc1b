"""Asks the kernel about clock and processor: the one place here that does. It judges nothing."""

from __future__ import annotations

import ctypes
from pathlib import Path

from components.health_monitor.core.box_parsing import (
    parse_cooling,
    parse_frequency,
    parse_throttled,
    parse_timex,
)
from components.health_monitor.core.readings import ClockReading, ThrottleReading

_TIMEX_BYTES = 256
"""More than any architecture's `struct timex`; all zero asks and sets nothing."""

_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
"""Of a Raspberry Pi: what `vcgencmd get_throttled` tells, without the command and its permissions."""

_SYS = Path("/sys")


def read_clock() -> ClockReading | None:
    """What the kernel says of the clock, whoever keeps it (chrony, ntpd, timesyncd); None where it says nothing."""
    answer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(answer))
    except (OSError, AttributeError):
        return None
    return parse_timex(state, answer.raw)


def read_throttle(sys: Path = _SYS) -> ThrottleReading | None:
    """Why the processor is slower than it could be; None where nothing tells."""
    reasons: list[str] = []
    is_known = False
    firmware = parse_throttled(_text(sys / _FIRMWARE) or "")
    if firmware is not None:
        is_known = True
        reasons += firmware
    for device in sorted((sys / "class" / "thermal").glob("cooling_device*")):
        kind, state = _text(device / "type"), _text(device / "cur_state")
        if kind is not None and state is not None:
            is_known = True
            if parse_cooling(kind, state):
                reasons.append(f"{kind.strip()} is slowed down to cool it")
    limits = [
        parse_frequency(_text(policy / "scaling_max_freq") or "", _text(policy / "cpuinfo_max_freq") or "")
        for policy in sorted((sys / "devices" / "system" / "cpu" / "cpufreq").glob("policy*"))
    ]
    lowest = min((limit for limit in limits if limit is not None), default=None)
    if not is_known and lowest is None:
        return None
    return ThrottleReading(tuple(dict.fromkeys(reasons)), lowest)


def _text(path: Path) -> str | None:
    """What a file of the kernel says; None where there is none, or it may not be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
