"""Stop every other component for a while, holding whatever it holds; recording must not notice.

A stopped process keeps its locks, connections and open transactions: worse than a dead one. Capture itself is not
stopped, since what is stopped cannot record.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from lab.running_site import RunningSite, running_site, scene_cache
from lab.show import Limit, Show, Shown

OTHERS = ("VideoProcessor", "CloudSync", "HealthMonitor", "SiteConfig")
CAMERAS = 2
STALL_S, QUICK_STALL_S = 60.0, 6.0
SETTLE_S = 5.0

LIMITS: dict[str, Limit] = {
    "gap_seconds": ("max", 0.0),
    "frames_lost": ("max", 0.0),
    "not_uploaded": ("max", 0.0),
    "not_indexed": ("max", 0.0),
    "stalled": ("min", float(len(OTHERS))),
}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Stop each component in turn, let the site end by itself, and account."""
    scene_cache(work)
    stall_s = QUICK_STALL_S if quick else STALL_S
    span_s = len(OTHERS) * (stall_s + SETTLE_S) + SETTLE_S
    options = ("--cameras", str(CAMERAS), "--segment-seconds", "2", "--for", str(span_s))
    with running_site(work, *options) as site:
        site.wait_recording(CAMERAS)
        before = gap_seconds(site)
        stalled = 0
        for component in OTHERS:
            say(f"stopping {component} for {stall_s:.0f} s")
            stalled += stall(site, component, stall_s)
            time.sleep(SETTLE_S)
        gaps = gap_seconds(site) - before
        outcome = site.finish()
    lost = sum(camera["frames_received"] - camera["frames_recorded"] for camera in outcome["cameras"])
    figures = {
        "stalled": float(stalled),
        "gap_seconds": round(gaps, 3),
        "frames_lost": float(lost),
        "segments_closed": float(outcome["segments_closed"]),
        "not_uploaded": float(outcome["segments_closed"] - outcome["segments_uploaded"]),
        "not_indexed": float(outcome["segments_closed"] - outcome["segments_indexed"]),
    }
    return Shown(figures, LIMITS)


def stall(site: RunningSite, component: str, stall_s: float) -> int:
    """Stop a component's worker for so long; 1 when it was there to be stopped."""
    pid = site.worker_pid(component)
    if pid is None or not psutil.pid_exists(pid):
        return 0
    os.kill(pid, signal.SIGSTOP)
    time.sleep(stall_s)
    os.kill(pid, signal.SIGCONT)
    return 1


def gap_seconds(site: RunningSite) -> float:
    """The gaps of all cameras so far."""
    gaps: list[float] = [camera["gap_seconds"] for camera in site.status()["cameras"]]
    return sum(gaps)


SHOW = Show(
    name="stalls",
    purpose="every other component stopped for a minute while recording goes on",
    takes_s=320,
    quick_takes_s=75,
    run=run,
)
