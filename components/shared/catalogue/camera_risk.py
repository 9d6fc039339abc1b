"""How likely a camera is about to fail, by how much more often it fails lately than it used to.

A failure is the beginning of a gap whose cause is the camera or its way here. From the two weeks before the last day
comes how many are usual, `expected = (failures_before + 1) / (days_before + 1)`: one failure in one day is assumed
beforehand, so that a camera of a day is not judged by nothing. If failures came by chance at that rate (Poisson), as
many as in the last day, or more, would come with the chance

    chance = 1 - sum over i < failures of expected^i / i! * e^-expected

A small chance says that something has changed: "raised" below 2 %, "high" below 0.1 %, and neither below three
failures. Failures that come in bunches, as of a switch that is restarted, raise it for all cameras behind it at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S

DAY_NS = 86_400 * NS_PER_S

BEFORE_DAYS = 14
"""Two of each day of the week."""

FAILURES_MIN = 3
"""Once is nothing, twice is a coincidence."""

RAISED_CHANCE, HIGH_CHANCE = 0.02, 0.001

CAUSES = ("unreachable", "authentication", "no_keyframe", "frozen", "undecodable")
"""Causes of gaps that are the camera's, or of its way here."""

Risk = Literal["low", "raised", "high"]


@dataclass(frozen=True, slots=True)
class CameraRisk:
    """A stream's failures of the last day by cause, what was usual before, and what that says."""

    camera: str
    stream: StreamName
    failures: int
    causes: Mapping[str, int]
    failures_before: int
    days_before: float
    expected: float
    chance: float
    risk: Risk


def judge_camera(
    camera: str, stream: StreamName, causes: Mapping[str, int], failures_before: int, days_before: float
) -> CameraRisk:
    """The risk from the failures of the last day and of the days before; `days_before` 0 to BEFORE_DAYS."""
    failures = sum(causes.values())
    expected = (failures_before + 1) / (days_before + 1)
    chance = poisson_tail(failures, expected)
    risk: Risk = "low"
    if failures >= FAILURES_MIN and chance < RAISED_CHANCE:
        risk = "high" if chance < HIGH_CHANCE else "raised"
    figures = (failures_before, round(days_before, 2), round(expected, 3), float(f"{chance:.3g}"))
    return CameraRisk(camera, stream, failures, dict(causes), *figures, risk)


def poisson_tail(count: int, expected: float) -> float:
    """The chance of `count` or more events where `expected` (above 0) are usual."""
    if count <= 0:
        return 1.0
    below = sum(math.exp(i * math.log(expected) - expected - math.lgamma(i + 1)) for i in range(count))
    if below < 0.5:
        return 1.0 - below
    # Near 1 the difference would be lost: add up the tail itself, which falls off fast beyond the mean.
    term = math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))
    tail, i = 0.0, count
    while term > tail * 1e-12:
        tail += term
        i += 1
        term *= expected / i
    return min(1.0, tail)


def read_camera_risks(reader: CaptureReader, now_ns: int) -> list[CameraRisk]:
    """The risk of every stream that should be recorded."""
    day_ns, before_ns = now_ns - DAY_NS, now_ns - DAY_NS - BEFORE_DAYS * DAY_NS
    sql = (
        "SELECT camera, stream, cause, start_ns >= ?2, count(*) FROM gap WHERE start_ns >= ?1 AND start_ns < ?3 "
        "AND cause IN (SELECT value FROM json_each(?4)) GROUP BY 1, 2, 3, 4 LIMIT ?5"
    )
    lately: dict[tuple[str, str], dict[str, int]] = {}
    before: dict[tuple[str, str], int] = {}
    for camera, stream, cause, is_lately, count in reader.database.read(
        sql, before_ns, day_ns, now_ns, json.dumps(CAUSES), READ_ROWS_MAX
    ):
        if is_lately:
            lately.setdefault((camera, stream), {})[cause] = count
        else:
            before[camera, stream] = before.get((camera, stream), 0) + count
    risks = []
    for row in reader.streams():
        if row.state == "off":
            continue
        key = (row.camera, str(row.stream))
        days_before = min(float(BEFORE_DAYS), max(0, day_ns - row.enabled_since_ns) / DAY_NS)
        found = (lately.get(key, {}), before.get(key, 0), days_before)
        risks.append(judge_camera(row.camera, row.stream, *found))
    return risks
