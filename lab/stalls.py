"""Stop every other component for a while, holding whatever it holds; recording must not notice.

A stopped process keeps its locks, connections and open transactions: worse than a dead one. Capture itself is not
stopped, since what is stopped cannot record.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from lab.running_site import RunningSite, running_site, scene_cache
from lab.show import Limit, Show, Shown

OTHERS = ("VideoProcessor", "CloudSync", "HealthMonitor", "SiteConfig")
CAMERAS = 2
STALL_S, QUICK_STALL_S = 60.0, 10.0
SETTLE_S = 5.0
SPAN_S_MAX = 900.0
"""The site is ended when the stalls are over; this is only for the case that nobody ends it."""


LIMITS: dict[str, Limit] = {
    "gap_seconds": ("max", 0.0),
    "frames_lost": ("max", 0.0),
    "not_uploaded": ("max", 0.0),
    "not_indexed": ("max", 0.0),
    "stalled": ("min", float(len(OTHERS))),
}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Stop each component in turn, in the quick form all at once; let the site end, and account."""
    scene_cache(work)
    with running_site(work, "--cameras", str(CAMERAS), "--segment-seconds", "2", "--for", str(SPAN_S_MAX)) as site:
        site.wait_recording(CAMERAS)
        before = gap_seconds(site)
        stalled = 0
        for components in (OTHERS,) if quick else [(component,) for component in OTHERS]:
            stall_s = QUICK_STALL_S if quick else STALL_S
            say(f"stopping {', '.join(components)} for {stall_s:.0f} s")
            stalled += stall(site, components, stall_s)
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


def stall(site: RunningSite, components: Sequence[str], stall_s: float) -> int:
    """Stop these components' workers for so long; returns how many were there to be stopped."""
    pids = [pid for pid in map(site.worker_pid, components) if pid is not None and psutil.pid_exists(pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(stall_s)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return len(pids)


def gap_seconds(site: RunningSite) -> float:
    """The gaps of all cameras so far."""
    gaps: list[float] = [camera["gap_seconds"] for camera in site.status()["cameras"]]
    return sum(gaps)


SHOW = Show(
    name="stalls",
    purpose="every other component stopped for a minute while recording goes on",
    takes_s=300,
    quick_takes_s=45,
    run=run,
)
