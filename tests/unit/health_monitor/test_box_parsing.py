"""What Linux says about a box is understood as documented, and what is not is unknown."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from components.health_monitor.core.box_parsing import (
    parse_cooling,
    parse_emmc,
    parse_frequency,
    parse_smartctl,
    parse_throttled,
    parse_timex,
)
from components.health_monitor.core.readings import ClockReading, DiskReading
from components.shared.wire.units import NS_PER_MS, NS_PER_S


@pytest.mark.parametrize(("state", "is_synchronised"), [(0, True), (1, True), (4, True), (5, False)])
def test_clock(state: int, is_synchronised: bool) -> None:
    """Everything but TIME_ERROR is kept right, also in a leap second; the greatest error comes in microseconds."""
    raw = struct.pack("@Illll", 0, 5, 6, 16_000_000, 7) + bytes(200)
    assert parse_timex(state, raw) == ClockReading(is_synchronised, 16 * NS_PER_S)


def test_clock_that_cannot_be_asked() -> None:
    """An error, or less than the structure, is unknown."""
    assert parse_timex(-1, bytes(256)) is None
    assert parse_timex(0, bytes(8)) is None


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("throttled=0x0\n", ()),
        ("50000", ()),  # it was so once, and is not now
        ("throttled=0x50005", ("the supply voltage is too low", "it is throttled")),
        ("0xa", ("the frequency is capped", "it is close to its highest temperature")),
    ],
)
def test_throttled(text: str, reasons: tuple[str, ...]) -> None:
    """The low bits are now, the high ones since the start."""
    assert parse_throttled(text) == reasons


@pytest.mark.parametrize("text", ["", "throttled=", "error: not supported"])
def test_throttled_unknown(text: str) -> None:
    """A box that is no Raspberry Pi says nothing of it."""
    assert parse_throttled(text) is None


@pytest.mark.parametrize(
    ("kind", "state", "slows"),
    [
        ("Processor\n", "1\n", True),
        ("Processor", "0", False),
        ("thermal-cpufreq-0", "3", True),
        ("cpufreq-cpu0", "2", True),
        ("pwm-fan", "3", False),
        ("Fan", "1", False),
        ("Processor", "?", False),
    ],
)
def test_cooling(kind: str, state: str, slows: bool) -> None:
    """A processor that is slowed down cools the box; so does a fan, which slows nothing."""
    assert parse_cooling(kind, state) == slows


@pytest.mark.parametrize(
    ("limit", "highest", "percent"),
    [("900000\n", "1800000\n", 50), ("1800000", "1800000", 100), ("9", "0", None), ("", "1", None)],
)
def test_frequency(limit: str, highest: str, percent: int | None) -> None:
    """The limit in percent of the highest; without either it is unknown."""
    assert parse_frequency(limit, highest) == percent


@pytest.mark.parametrize(
    ("life_time", "pre_eol", "passed", "worn"),
    [
        ("0x01 0x02\n", "0x01\n", True, 20),
        ("0x0a 0x01", "0x02", False, 100),
        ("0x0b 0x0b", "0x03", False, 110),
        ("0x00 0x00", "0x00", None, None),
    ],
)
def test_emmc(life_time: str, pre_eol: str, passed: bool | None, worn: int | None) -> None:
    """Life is used in tenths, of the worse of two kinds of memory; 0 is not told."""
    assert parse_emmc("mmcblk0", life_time, pre_eol) == DiskReading("mmcblk0", passed=passed, worn_percent=worn)


def test_emmc_unknown() -> None:
    """What is no number tells nothing."""
    assert parse_emmc("mmcblk0", "life", "0x01") is None


def ata(passed: bool, **counts: int) -> dict[str, Any]:
    """An answer of smartctl for a disk with ATA attributes."""
    numbers = {"reallocated": 5, "pending": 197, "uncorrectable": 198, "hours": 9}
    table = [{"id": numbers[name], "raw": {"value": count}} for name, count in counts.items()]
    return {
        "smart_status": {"passed": passed},
        "ata_smart_attributes": {"table": table},
        "temperature": {"current": 41},
    }


def nvme(warning: int, errors: int, used: int) -> dict[str, Any]:
    """An answer of smartctl for an NVMe disk."""
    log = {"critical_warning": warning, "media_errors": errors, "percentage_used": used}
    return {"smart_status": {"passed": True}, "nvme_smart_health_information_log": log}


@pytest.mark.parametrize(
    ("answer", "reading"),
    [
        (ata(True, hours=9_000), DiskReading("sda", True, None, None, 41)),
        (ata(True, reallocated=0, pending=0), DiskReading("sda", True, 0, None, 41)),
        (ata(False, reallocated=3, pending=4), DiskReading("sda", False, 7, None, 41)),
        (ata(True, pending=(5 << 32) | 2), DiskReading("sda", True, 2, None, 41)),
        (nvme(0, 0, 17), DiskReading("sda", True, 0, 17, None)),
        (nvme(4, 2, 101), DiskReading("sda", False, 2, 101, None)),
    ],
)
def test_smartctl(answer: dict[str, Any], reading: DiskReading) -> None:
    """The disk's own judgement, its bad sectors, its wear; a warning of an NVMe disk is a judgement."""
    assert parse_smartctl("sda", json.dumps(answer)) == (reading, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (json.dumps({"smartctl": {"messages": [{"string": "open: Permission denied"}]}}), "open: Permission denied"),
        ("{}", "the disk tells nothing"),
        ("[]", "its answer is no object"),
        ("smartctl 7.2", "its answer is no JSON"),
        (json.dumps({"smart_status": None, "nvme_smart_health_information_log": 5}), "the disk tells nothing"),
    ],
)
def test_smartctl_unknown(text: str, why: str) -> None:
    """A disk that may not be asked is not readable, with smartctl's own words; it is not well and not ill."""
    assert parse_smartctl("sda", text) == (None, why)


def test_clock_error_in_units() -> None:
    """A millisecond is a thousand of the kernel's microseconds."""
    found = parse_timex(0, struct.pack("@Illll", 0, 0, 0, 1_000, 0))
    assert found == ClockReading(True, NS_PER_MS)
