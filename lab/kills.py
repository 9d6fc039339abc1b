"""Kill every component's worker again and again at random moments, and each launcher once; nothing may be lost.

Afterwards every closed segment must be uploaded and indexed exactly once, the catalogues and files must agree, and no
component may need a hand. The moments are drawn from a seed, so that a run can be repeated.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from lab.running_site import RunningSite, nvr_json, running_site, scene_cache
from lab.show import Limit, Show, Shown

COMPONENTS = ("Capture", "VideoProcessor", "CloudSync", "HealthMonitor", "SiteConfig")
CAMERAS = 2
KILLS, QUICK_KILLS = 20, 1
PAUSE_S = (0.5, 10.0)
"""Between two kills of one component: now and then before its start-up is over, mostly in the middle of work."""

BACK_S_MAX = 30.0
SPAN_S_MAX = 900.0
"""The site is ended when the killing is over; this is only for the case that nobody ends it."""

SEGMENTS_AFTER = 2 * CAMERAS
"""Recording must go on after everything was killed."""

SEED = 20_251_020
STEP_S = 0.25

LIMITS: dict[str, Limit] = {
    "not_uploaded": ("max", 0.0),
    "not_indexed": ("max", 0.0),
    "double_indexed": ("max", 0.0),
    "catalogue_findings": ("max", 0.0),
    "components_down": ("max", 0.0),
    "workers_killed": ("min", float(len(COMPONENTS))),
    "segments_closed": ("min", float(SEGMENTS_AFTER)),
}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Kill, wait for everybody to be back, let the site end by itself, and account."""
    scene_cache(work)
    kills = QUICK_KILLS if quick else KILLS
    with running_site(work, "--cameras", str(CAMERAS), "--segment-seconds", "2", "--for", str(SPAN_S_MAX)) as site:
        site.wait_recording(CAMERAS)
        say(f"killing every worker {kills} times")
        killed = kill_workers(site, kills)
        say("killing every launcher once")
        kill_launchers(site)
        down = [component for component in COMPONENTS if not is_back(site, component)]
        closed_before = site.status()["segments_closed"]
        site.wait_until(
            "recording goes on",
            lambda: site.status()["segments_closed"] >= closed_before + SEGMENTS_AFTER,
            BACK_S_MAX,
        )
        say("letting the queues drain")
        outcome = site.finish()
        findings = nvr_json("catalogue", "check", "--data", str(site.data), "--with-hash")
    closed = outcome["segments_closed"]
    figures = {
        "workers_killed": float(killed),
        "launchers_killed": float(len(COMPONENTS)),
        "segments_closed": float(closed),
        "not_uploaded": float(closed - outcome["segments_uploaded"]),
        "not_indexed": float(max(0, closed - outcome["segments_indexed"])),
        "double_indexed": float(max(0, outcome["segments_indexed"] - closed)),
        "catalogue_findings": float(len(findings)),
        "components_down": float(len(down)),
        "gap_seconds": sum(camera["gap_seconds"] for camera in outcome["cameras"]),
    }
    return Shown(figures, LIMITS)


def kill_workers(site: RunningSite, kills: int) -> int:
    """Kill each component's worker so many times, each at moments of its own; returns how many were killed."""
    moments = random.Random(SEED)
    due = {component: time.monotonic() + moments.uniform(*PAUSE_S) for component in COMPONENTS}
    left = dict.fromkeys(COMPONENTS, kills)
    killed = 0
    while any(left.values()):
        for component in COMPONENTS:
            if left[component] and time.monotonic() >= due[component]:
                pid = site.worker_pid(component)
                if pid is None:
                    continue  # it is between two lives; its launcher brings it back
                os.kill(pid, signal.SIGKILL)
                killed += 1
                left[component] -= 1
                due[component] = time.monotonic() + moments.uniform(*PAUSE_S)
        time.sleep(STEP_S)
    return killed


def kill_launchers(site: RunningSite) -> None:
    """Kill every component's launcher, and wait until the core has started others and they have workers."""
    before = {component: site.launcher_facts(component)["launcher_pid"] for component in COMPONENTS}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def are_others_there() -> bool:
        facts = {component: site.launcher_facts(component) for component in COMPONENTS}
        return all(
            facts[component].get("launcher_pid") not in (None, before[component])
            and facts[component].get("worker_pid") is not None
            for component in COMPONENTS
        )

    site.wait_until("every component has another launcher and a worker", are_others_there, BACK_S_MAX)


def is_back(site: RunningSite, component: str) -> bool:
    """Whether a component's worker runs again, with the core calling it RUNNING."""
    state = site.core_status()["components"][f"com.edgenvr.{component}"]["state"]
    return state == "RUNNING" and site.worker_pid(component) is not None


SHOW = Show(
    name="kills",
    purpose="every worker killed twenty times at random moments, every launcher once",
    takes_s=180,
    quick_takes_s=55,
    run=run,
)
