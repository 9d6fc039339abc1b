"""What files and commands of Linux say about a box, made into readings. Text and bytes in, values out.

Whatever is not as documented is None, "not known": a box is never called ill because a text was not understood.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from components.health_monitor.core.readings import ClockReading, DiskReading

_NS_PER_US = 1_000

_TIMEX = "@Illll"
"""The beginning of `struct timex` (adjtimex(2)): modes, offset, freq, maxerror, esterror, in the machine's sizes."""

_TIME_ERROR = 5
"""What adjtimex returns while nobody keeps the clock right."""

_THROTTLED_NOW = {
    0: "the supply voltage is too low",
    1: "the frequency is capped",
    2: "it is throttled",
    3: "it is close to its highest temperature",
}
"""The low bits of the Raspberry Pi's `get_throttled` (its documentation, "vcgencmd"); the high ones are history."""

_COOLING_BY_SLOWING = ("processor", "cpufreq", "cpu-", "thermal-cpufreq", "thermal-devfreq", "devfreq")
"""Types of cooling devices that cool by slowing down; a fan is one too, and slows nothing."""

_BAD_SECTOR_ATTRIBUTES = frozenset({5, 197, 198})
"""Reallocated, pending and uncorrectable sectors, whose raw value is a count with every maker."""

_RAW_COUNT_MASK = 0xFFFF_FFFF
"""Some makers keep other counters in the upper bytes of a raw value."""

_EOL_WARNING = 2
"""eMMC (JEDEC 84-B50, PRE_EOL_INFO): 1 normal, 2 warning, 3 urgent."""


def parse_timex(state: int, raw: bytes) -> ClockReading | None:
    """The answer of adjtimex; None where the kernel could not be asked."""
    if state < 0 or len(raw) < struct.calcsize(_TIMEX):
        return None
    error_us_max = struct.unpack_from(_TIMEX, raw)[3]
    return ClockReading(state != _TIME_ERROR, int(error_us_max) * _NS_PER_US)


def parse_throttled(text: str) -> tuple[str, ...] | None:
    """Why a Raspberry Pi is slow now, by `get_throttled` (`throttled=0x50005`, or the number alone)."""
    number = text.strip().rpartition("=")[2]
    try:
        bits = int(number, 16)
    except ValueError:
        return None
    return tuple(reason for bit, reason in _THROTTLED_NOW.items() if bits >> bit & 1)


def parse_cooling(kind: str, state: str) -> bool:
    """Whether a cooling device of that type slows the processor in that state."""
    try:
        is_active = int(state) > 0
    except ValueError:
        return False
    return is_active and kind.strip().lower().startswith(_COOLING_BY_SLOWING)


def parse_frequency(limit: str, highest: str) -> int | None:
    """The limit of the processor's frequency in percent of what it could."""
    try:
        limit_khz, highest_khz = int(limit), int(highest)
    except ValueError:
        return None
    return None if highest_khz <= 0 else min(100, limit_khz * 100 // highest_khz)


def parse_emmc(disk: str, life_time: str, pre_eol: str) -> DiskReading | None:
    """An eMMC's own words: life used in steps of a tenth (0x01 is up to 10 %, 0x0b is beyond), and what is left."""
    try:
        steps = [int(part, 16) for part in life_time.split()]
        left = int(pre_eol, 16)
    except ValueError:
        return None
    worn = max((min(step, 11) * 10 for step in steps if step > 0), default=None)
    return DiskReading(disk, passed=None if left == 0 else left < _EOL_WARNING, worn_percent=worn)


def parse_smartctl(disk: str, text: str) -> tuple[DiskReading | None, str]:
    """The answer of `smartctl --json`: the reading, or None and what it says instead."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None, "its answer is no JSON"
    if not isinstance(answer, dict):
        return None, "its answer is no object"
    passed = _at(answer, "smart_status", "passed")
    log = _at(answer, "nvme_smart_health_information_log")
    log = log if isinstance(log, dict) else {}
    bad_sectors = _bad_sectors(answer)
    if not isinstance(passed, bool) and not log and bad_sectors is None:
        return None, _messages(answer) or "the disk tells nothing"
    warning = log.get("critical_warning")
    if isinstance(warning, int) and warning:
        passed = False
    return (
        DiskReading(
            disk,
            passed=passed if isinstance(passed, bool) else None,
            bad_sectors=_whole(log.get("media_errors")) if log else bad_sectors,
            worn_percent=_whole(log.get("percentage_used")),
            celsius=_whole(_at(answer, "temperature", "current")),
        ),
        "",
    )


def _bad_sectors(answer: Mapping[str, Any]) -> int | None:
    table = _at(answer, "ata_smart_attributes", "table")
    if not isinstance(table, list):
        return None
    rows = [row for row in table if isinstance(row, dict) and row.get("id") in _BAD_SECTOR_ATTRIBUTES]
    counts = [_whole(_at(row, "raw", "value")) for row in rows]
    known = [count & _RAW_COUNT_MASK for count in counts if count is not None]
    return sum(known) if known else None


def _messages(answer: Mapping[str, Any]) -> str:
    messages = _at(answer, "smartctl", "messages")
    if not isinstance(messages, list):
        return ""
    return "; ".join(
        str(message["string"]) for message in messages if isinstance(message, dict) and "string" in message
    )


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
