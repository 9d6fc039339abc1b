"""The six silent failures at stand-in cameras of a whole site, and days of normal footage that must raise nothing.

Each failure is done to a camera of its own while Capture records it: from then on time runs until HealthMonitor has the
condition in health.db, and until the `health` shadow tells it. One camera stays well. Beside that normal footage is
replayed faster than it was (`silent_replay`); a condition that nobody caused, there or here, is a false alarm.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.health import HealthReader
from components.shared.errors import Transient
from components.shared.wire.units import NS_PER_S
from lab.replayed_scenes import PLACES, Place
from lab.running_site import RunningSite, SiteFailedError, running_site, scene_cache
from lab.show import Limit, Show, Shown
from lab.silent_replay import Replayed, replay
from local.cameras.process import Control

THING = "site-1"

FAILURES = {
    "picture_frozen": "freeze",
    "picture_black": "black",
    "picture_covered": "covered",
    "picture_blurred": "blurred",
    "picture_moved": "moved",
    "camera_clock_wrong": "clock",
}
"""Condition and fault of a stand-in camera, in the order of the cameras."""

CAMERAS = len(FAILURES) + 1
ROUNDS, QUICK_ROUNDS = 3, 1
LEARN_S_MAX = 240.0
SEEN_S_MAX = 120.0
"""How long is waited for what should take half a minute: the figure tells how long it took."""

SPAN_S_MAX = 1_800.0
"""The site is ended when all is seen; this is only for the case that nobody ends it."""

HOURS = 24.0
QUICK_HOURS, QUICK_BEGIN_S = 0.25, 17.5 * 3_600
"""Of each place, through the dusk."""

SEED = 1
LOOK_S = 0.5

LIMITS: dict[str, Limit] = {
    "detect_s_max": ("max", 30.0),
    "shadow_s_max": ("max", 60.0),
    "failures_seen": ("min", float(len(FAILURES))),
    "false_alarms": ("max", 0.0),
    "replay_found_percent": ("min", 90.0),
}


@dataclass
class Seen:
    """Seconds until each failure was in health.db and in the shadow, and what was raised that nobody had caused."""

    detect_s: list[float] = field(default_factory=list)
    shadow_s: list[float] = field(default_factory=list)
    false_alarms: set[tuple[str, str]] = field(default_factory=set)


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Replay in processes of its own, hurt the cameras of a site meanwhile, account for both."""
    hours, begin_s = (QUICK_HOURS, QUICK_BEGIN_S) if quick else (HOURS, 0.0)
    workers = 1 if quick else max(1, (os.cpu_count() or 1) - 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_give_way) as pool:
        replays = [pool.submit(_replay, place, begin_s, hours, quick) for place in PLACES]
        seen = _hurt(work, QUICK_ROUNDS if quick else ROUNDS, say)
        say("waiting for the rest of the replay")
        replayed = _add_up(replays, say)
    found = sum(replayed.found.values())
    kinds = len(seen.detect_s) // (QUICK_ROUNDS if quick else ROUNDS)
    figures = {
        "detect_s_max": round(max(seen.detect_s, default=float("nan")), 1),
        "shadow_s_max": round(max(seen.shadow_s, default=float("nan")), 1),
        "failures_seen": float(kinds),
        "failures_injected": float(len(FAILURES) * (QUICK_ROUNDS if quick else ROUNDS)),
        "false_alarms": float(len(replayed.false_alarms) + len(seen.false_alarms)),
        "replay_hours": round(replayed.hours, 3),
        "replay_keyframes": float(replayed.keyframes),
        "false_alarms_per_hour_below": round(_upper_bound(len(replayed.false_alarms)) / replayed.hours, 4),
        "replay_failures": float(found + sum(replayed.missed.values())),
        "replay_found_percent": round(100 * found / max(1, found + sum(replayed.missed.values())), 1),
        "replay_detect_s_max": replayed.detect_s_max,
    }
    say(f"in the replay found {dict(sorted(replayed.found.items()))}, missed {dict(sorted(replayed.missed.items()))}")
    return Shown(figures, {**LIMITS, "replay_hours": ("min", 4 * QUICK_HOURS if quick else 24.0)})


def _upper_bound(alarms: int) -> float:
    """Of the expected number of alarms where so many were seen, with 95 % confidence; without any, the rule of three.

    Beyond none the normal approximation of Poisson's bound is good to a tenth.
    """
    return 3.0 if not alarms else alarms + 1 + 1.645 * math.sqrt(alarms + 1)


def _give_way() -> None:
    os.nice(10)  # what the site takes to see a failure is measured meanwhile


def _replay(place: Place, begin_s: float, hours: float, quick: bool) -> tuple[Replayed, list[str]]:
    told: list[str] = []
    return replay(place, SEED, begin_s, hours, told.append, inject_every_s=600.0 if quick else 7_200.0), told


def _add_up(replays: Sequence[Future[tuple[Replayed, list[str]]]], say: Callable[[str], None]) -> Replayed:
    total = Replayed()
    for future in replays:
        replayed, told = future.result()
        for text in told:
            say(text)
        total.add(replayed)
    return total


def _hurt(work: Path, rounds: int, say: Callable[[str], None]) -> Seen:
    scene_cache(work)
    seen = Seen()
    cameras = [f"cam-{number}" for number in range(1, CAMERAS + 1)]
    picture = ("--camera-size", "640x360", "--camera-fps", "8", "--camera-bitrate", "300000", "--camera-loop", "8")
    span = ("--cameras", str(CAMERAS), "--segment-seconds", "30", "--for", str(SPAN_S_MAX))
    with running_site(work, *picture, *span) as site:
        site.wait_recording(CAMERAS)
        control = Control(json.loads((site.data / "local" / "cameras.ready.json").read_text())["control_port"])
        say("waiting until the usual pictures are learnt")
        site.wait_until("pictures are learnt", lambda: _learnt(site.data) >= set(cameras), LEARN_S_MAX)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: doing all six failures")
            injected = _inject(control, cameras)
            _watch(site, injected, seen, say)
            if number + 1 < rounds:
                for camera in cameras:
                    control.set_fault(camera, "none")
                site.wait_until("all is well again", lambda: not _active(site.data), SEEN_S_MAX)
        seen.false_alarms = _uncaused(site.data, dict(zip(cameras, FAILURES, strict=False)))
        for kind, camera in sorted(seen.false_alarms):
            say(f"false alarm: {kind} of {camera}")
    return seen


def _inject(control: Control, cameras: Sequence[str]) -> dict[tuple[str, str], int]:
    """Do the failures; when each was done, ns since 1970, by kind and camera."""
    done = {}
    for camera, (kind, fault) in zip(cameras, FAILURES.items(), strict=False):
        control.set_fault(camera, fault)
        done[kind, camera] = time.time_ns()
    return done


def _watch(site: RunningSite, injected: Mapping[tuple[str, str], int], seen: Seen, say: Callable[[str], None]) -> None:
    """Wait until all are seen in both places, at most so long; what is not counts as that long."""
    detected: dict[tuple[str, str], float] = {}
    shadowed: dict[tuple[str, str], float] = {}
    read_shadow = _shadow_reader(site.data)
    deadline = time.monotonic() + SEEN_S_MAX
    while time.monotonic() < deadline and len(shadowed) + len(detected) < 2 * len(injected):
        raised = _active(site.data)
        reported = read_shadow()
        now_ns = time.time_ns()
        for key, begun_ns in injected.items():
            if key in raised and key not in detected:
                detected[key] = (raised[key] - begun_ns) / NS_PER_S
                say(f"{key[0]} of {key[1]} is in health.db after {detected[key]:.1f} s")
            is_told = key[0] in reported.get("conditions", "").split()
            if key not in shadowed and is_told and key[1] in reported.get("cameras_at_fault", "").split():
                shadowed[key] = (now_ns - begun_ns) / NS_PER_S
        if site.process.poll() is not None:
            raise SiteFailedError(f"the site ended: {site.tail()}")
        time.sleep(LOOK_S)
    for key in injected.keys() - detected.keys():
        say(f"{key[0]} of {key[1]} was not seen within {SEEN_S_MAX:.0f} s")
    seen.detect_s += detected.values()
    seen.shadow_s += [shadowed.get(key, SEEN_S_MAX) for key in injected]


def _learnt(data: Path) -> set[str]:
    """The cameras whose usual picture VideoProcessor has learnt."""
    try:
        with closing(AnalysisReader.open(data)) as reader:
            return {f"cam-{number}" for number in range(1, CAMERAS + 1) if reader.picture_references(f"cam-{number}")}
    except Transient:
        return set()


def _active(data: Path) -> dict[tuple[str, str], int]:
    """The conditions of cameras' pictures and clocks that hold, and since when."""
    with closing(HealthReader.open(data)) as reader:
        return {(row.kind, row.subject): row.since_ns for row in reader.conditions() if _is_meant(row.kind)}


def _uncaused(data: Path, caused: Mapping[str, str]) -> set[tuple[str, str]]:
    with closing(HealthReader.open(data)) as reader:
        rows = reader.conditions(active_only=False)
    return {(row.kind, row.subject) for row in rows if _is_meant(row.kind) and caused.get(row.subject) != row.kind}


def _is_meant(kind: str) -> bool:
    return kind in FAILURES or kind.startswith("picture_")


def _shadow_reader(data: Path) -> Callable[[], dict[str, Any]]:
    """Reads the reported state of the `health` shadow from the embedded AWS of the site."""
    ready = json.loads((data / "local" / "cloud.ready.json").read_text())
    session = boto3.Session("local", "local", region_name="eu-central-1")
    client = session.client("iot-data", endpoint_url=ready["endpoint_url"])

    def read() -> dict[str, Any]:
        try:
            answer = client.get_thing_shadow(thingName=THING, shadowName="health")
        except ClientError:  # it is not there before HealthMonitor's first summary
            return {}
        reported: dict[str, Any] = json.loads(answer["payload"].read())["state"].get("reported", {})
        return reported

    return read


SHOW = Show(
    name="silent",
    purpose="six silent failures of cameras, seen; four days of normal footage that raise nothing",
    takes_s=1_200,
    quick_takes_s=110,
    run=run,
)
