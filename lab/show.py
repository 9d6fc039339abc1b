"""What every benchmark and lab run has in common: a name, how long it takes, figures, limits, a verdict.

A show measures and returns raw figures; the limits stand beside them. The figures count, the verdict only says whether
a limit was broken. Each show has a quick form of less than a minute, which the tests run.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

Bound = Literal["max", "min"]
Limit = tuple[Bound, float]


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a run: figures by name, and the limits of some of them."""

    figures: Mapping[str, float]
    limits: Mapping[str, Limit]

    def measured(self) -> dict[str, float]:
        """The figures that are numbers: a mean of nothing is none, keeps no limit and is not JSON."""
        return {name: figure for name, figure in self.figures.items() if math.isfinite(figure)}

    def broken(self) -> list[str]:
        """The figures that break their limit, each with both numbers; one that is missing breaks it too."""
        found = []
        for name, (bound, value) in self.limits.items():
            figure = self.measured().get(name)
            if figure is None:
                found.append(f"{name} was not measured")
            elif (bound == "max" and figure > value) or (bound == "min" and figure < value):
                found.append(f"{name} is {figure:g}, the limit is {bound} {value:g}")
        return found


@dataclass(frozen=True, slots=True)
class Show:
    """A benchmark or lab run. `run(quick, work, say)` measures in the empty folder `work`, telling its progress.

    `for_days` gives the same show over so many simulated days, where it simulates days.
    """

    name: str
    purpose: str
    takes_s: int
    quick_takes_s: int
    run: Callable[[bool, Path, Callable[[str], None]], Shown]
    for_days: Callable[[int], Show] | None = None


def machine() -> str:
    """The machine in one line, so that figures are never read without it."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.partition(":")[2].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} x {model}, {memory_gb:.0f} GB, {platform.system()} {platform.release()}"


ShowDocument = TypedDict(
    "ShowDocument",
    {
        "name": str,
        "machine": str,
        "seconds": float,
        "figures": dict[str, float],
        "limits": dict[str, dict[Bound, float]],
        "pass": bool,
    },
)
"""What `./nvr bench` and `./nvr lab` print with `--json`."""


def perform(show: Show, quick: bool, work: Path, say: Callable[[str], None]) -> ShowDocument:
    """Run a show, tell which limits it broke, and describe what came of it, in the form of docs/commands.md."""
    begun = time.monotonic()
    shown = show.run(quick, work, say)
    for fault in shown.broken():
        say(f"limit broken: {fault}")
    return {
        "name": show.name,
        "machine": machine(),
        "seconds": round(time.monotonic() - begun, 1),
        "figures": shown.measured(),
        "limits": {name: {bound: value} for name, (bound, value) in shown.limits.items()},
        "pass": not shown.broken(),
    }
