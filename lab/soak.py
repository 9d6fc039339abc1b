"""Days of recording in minutes: Capture as it is, with a moved clock, simulated cameras and everything that goes wrong.

Capture's parts run in processes of their own, one life after the other, some ended by SIGKILL, some by a boot of the
box: real threads, a real catalogue, real files, a day of retention. Cameras go away, freeze, stall and refuse the
login; their clocks are wrong and drift; the box's clock steps by seconds and by years; the disk is full for a while.
Afterwards every second and every picture is accounted for (`soak_account`), and what the process used over its longest
life has to be flat.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.check import check
from components.shared.runtime.launcher import MEMORY
from components.shared.wire.units import NS_PER_S
from lab.running_site import ROOT, SiteFailedError
from lab.show import Limit, Show, Shown
from lab.simulated_cameras import PERIOD_NS
from lab.soak_account import Account, judge
from lab.soak_life import write_documents
from lab.soak_plan import DAY_NS, HOUR_NS, SEED, Plan, make_plan

CAMERAS, QUICK_CAMERAS = 8, 2
QUICK_NS = 2 * HOUR_NS
QUICK_HASTE, QUICK_SEED = 9.0, 581
"""In two hours as much goes wrong as in most of a day; with that seed something of every kind."""

LIFE_S_MAX = 3_600.0
"""Real time for one life of some hours; one that takes longer stands still."""

WARM_PART = 2
"""The first half of a life does not count: caches and the interpreter's tables grow for some hours, then no more."""

CALM_NS = HOUR_NS // 3
"""So long after its last step a right clock may take until everything is dated by it: forty seconds are led back."""

LIMITS: dict[str, Limit] = {
    "unexplained_s_max": ("max", 1.0),
    "overlap_s": ("max", 0.0),
    "pictures_doubled": ("max", 0.0),
    "catalogue_findings": ("max", 0.0),
    # Seconds that a sender's clock and the anchor may differ; a picture lasts one here.
    "away_s_calm": ("max", 2.5),
    # Two kilobytes leaked per closed segment of 8 cameras are 320 kB an hour; a table of the interpreter that is made
    # bigger once (1 MB) is 170 kB an hour over half of a long life.
    "rss_slope_bytes_per_hour": ("max", 250_000.0),
    # An open segment, its folder and a connection of each camera, catalogue and libraries.
    "open_files_max": ("max", 64.0),
    "open_files_slope": ("max", 0.5),
}
QUICK_LIMITS: dict[str, Limit] = {
    # Half a life of an hour has five samples: the allocator and a camera that comes or goes are seen, not leaks.
    "rss_slope_bytes_per_hour": ("max", 5_000_000.0),
    "open_files_slope": ("max", 10.0),
}


def run(days: int, quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Live all lives, then account."""
    whole, hasty = (CAMERAS, days * DAY_NS, 1.0, SEED), (QUICK_CAMERAS, QUICK_NS, QUICK_HASTE, QUICK_SEED)
    drawn = hasty if quick else whole
    plan = make_plan(*drawn)
    data = work / "data"
    data.mkdir()
    write_documents(data, plan)
    account = Account(plan)
    for number, life in enumerate(plan.lives):
        say(f"life {number + 1} of {len(plan.lives)}, {(life.ends_ns - life.begins_ns) / HOUR_NS:.1f} h")
        live(data, drawn, number, life.is_killed)
        account.read_given(data / f"given-{number:04}.txt")
        account.read_recorded(data / f"recorded-{number:04}.txt")
    say("accounting")
    figures = figures_of(plan, data, account)
    return Shown({"days": plan.span_ns / DAY_NS, **figures}, {**LIMITS, **(QUICK_LIMITS if quick else {})})


def live(data: Path, drawn: tuple[int, int, float, int], number: int, is_killed: bool) -> None:
    """One life; SiteFailedError when it does not end as planned."""
    cameras, span_ns, haste, seed = drawn
    arguments = [str(data), str(cameras), str(span_ns // NS_PER_S), str(haste), str(seed), str(number)]
    command = [sys.executable, "-m", "lab.soak_life", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **MEMORY},  # as a launcher starts every component
            capture_output=True,
            text=True,
            check=False,
            timeout=LIFE_S_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise SiteFailedError(f"life {number} stands still: {' '.join(command)}") from error
    if done.returncode != (-9 if is_killed else 0):
        raise SiteFailedError(f"life {number} ended with {done.returncode}: {done.stderr[-1_500:]}")


def figures_of(plan: Plan, data: Path, account: Account) -> dict[str, float]:
    """All figures but the number of days."""
    reader = CaptureReader.open(data)
    try:
        verdict = judge(account, reader, lambda number: is_calm(plan, number * PERIOD_NS))
        runs = len(reader.runs())
    finally:
        reader.close()
    findings = [found for found in check(data) if found.what != "garbage_left"]
    rss_slope, files_slope, files_max = usage(data)
    return {
        "unexplained_s_max": round(max(verdict.unexplained_s.values(), default=0.0), 3),
        "overlap_s": round(verdict.overlap_s, 6),
        "segments": float(account.segments),
        "runs": float(runs),
        "lives": float(len(plan.lives)),
        "clock_steps": float(len(plan.clock) - 1),
        "pictures_given": float(verdict.pictures_given),
        "pictures_recorded": float(verdict.pictures_recorded),
        "pictures_lost_in_gaps": float(verdict.pictures_lost),
        "pictures_doubled": float(verdict.pictures_doubled),
        "away_s_calm": round(verdict.away_s_calm, 3),
        "catalogue_findings": float(len(findings)),
        "rss_slope_bytes_per_hour": round(rss_slope),
        "open_files_slope": round(files_slope, 3),
        "open_files_max": float(files_max),
        **{f"gap_s_{cause}": round(seconds, 1) for cause, seconds in sorted(verdict.gaps_s.items())},
    }


def is_calm(plan: Plan, moment_ns: int) -> bool:
    """Whether the box's clock is right by then, and has been for a while."""
    step = plan.clock_at(moment_ns)
    return step.off_ns == 0 and (step.at_ns == 0 or moment_ns - step.at_ns >= CALM_NS)


def usage(data: Path) -> tuple[float, float, int]:
    """The slopes, per hour, of memory and open files over the longest life, and the most files of all lives."""
    lives = [
        [[int(word) for word in line.split()] for line in path.read_text().splitlines()]
        for path in sorted(data.glob("used-*.txt"))
    ]
    files_max = max(sample[2] for life in lives for sample in life)
    longest = max(lives, key=len)
    warm = longest[len(longest) // WARM_PART :]
    hours = [sample[0] / HOUR_NS for sample in warm]
    slopes = [statistics.linear_regression(hours, [sample[kind] for sample in warm]).slope for kind in (1, 2)]
    return slopes[0], slopes[1], files_max


def for_days(days: int) -> Show:
    """The show over so many days."""
    return replace(SHOW, takes_s=days * SHOW.takes_s, run=partial(run, days))


SHOW = Show(
    name="soak",
    purpose="days of eight cameras with a moved clock, where everything goes wrong",
    takes_s=900,
    quick_takes_s=45,
    run=partial(run, 1),
    for_days=for_days,
)
