"""What a whole site costs: memory and CPU of all components, while four 1080p cameras are recorded and uploaded.

The core, the cameras and the embedded AWS are not counted: on a real box they are not there, or somebody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.running_site import running_site, scene_cache
from lab.show import Limit, Show, Shown

CAMERAS = 4
WARM_S, QUICK_WARM_S = 15.0, 8.0
"""Importing and first connections are over by then."""

MEASURE_S, QUICK_MEASURE_S = 180.0, 15.0
SEGMENT_S, QUICK_SEGMENT_S = 10, 4
LOOP_S = 8
"""A short scene, since encoding a long one in 1080p takes minutes and is not what is measured."""

LIMITS: dict[str, Limit] = {"suite_pss_bytes": ("max", 500e6), "suite_core_share": ("max", 0.5)}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Run a site, look at it twice, and take the difference."""
    scene_cache(work)
    options: tuple[str, ...] = ("--cameras", str(CAMERAS), "--camera-size", "1920x1080", "--camera-bitrate", "2000000")
    options += ("--camera-loop", str(LOOP_S), "--segment-seconds", str(QUICK_SEGMENT_S if quick else SEGMENT_S))
    with running_site(work, *options) as site:
        say("starting; the first time the cameras' scene is encoded, which takes minutes")
        site.wait_recording(CAMERAS)
        time.sleep(QUICK_WARM_S if quick else WARM_S)
        before, before_s = site.status(), time.monotonic()
        measure_s = QUICK_MEASURE_S if quick else MEASURE_S
        say(f"measuring for {measure_s:.0f} s")
        time.sleep(measure_s)
        after, after_s = site.status(), time.monotonic()
    used_s = total(after, "cpu_seconds") - total(before, "cpu_seconds")
    recorded = sum(camera["frames_recorded"] for camera in after["cameras"])
    figures = {
        "suite_pss_bytes": float(total(after, "pss_bytes")),
        "suite_core_share": round(used_s / (after_s - before_s), 4),
        "frames_recorded": float(recorded),
        "segments_uploaded": float(after["segments_uploaded"]),
        "worker_restarts": float(total(after, "worker_restarts")),
    }
    for part in after["components"]:
        figures[f"pss_bytes_{part['name']}"] = float(part["pss_bytes"])
    return Shown(figures, {**LIMITS, "segments_uploaded": ("min", 1.0), "worker_restarts": ("max", 0.0)})


def total(status: dict[str, Any], figure: str) -> float:
    """The sum of a figure over all components."""
    figures: list[float] = [part[figure] for part in status["components"]]
    return sum(figures)


SHOW = Show(
    name="site",
    purpose="memory and CPU of all components with four 1080p cameras of 2 Mbit/s",
    takes_s=260,
    quick_takes_s=55,
    run=run,
)
