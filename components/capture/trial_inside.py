"""The process that tries one source and says how that ended: `python -m components.capture.trial_inside`.

It gives way to what records, and the kernel ends it when it outlives every limit or the keeper is gone.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from components.capture.camera_plan import Source
from components.capture.camera_source import open_camera
from components.capture.core.trial import Verdict
from components.capture.picture_check import is_whole
from components.capture.source_trial import TrialThread, TrialTools
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_MS

LIFE_S_MAX = 100
"""Above all limits of a trial and of the keeper's patience."""

LOOK_NS = 20 * NS_PER_MS

NICE = 10
"""How much it gives way: a trial that takes a second longer costs nothing, a recorder that waits may."""


def main() -> int:
    """Try what standard input says; the verdict goes to standard output."""
    signal.alarm(LIFE_S_MAX)
    faulthandler.enable()
    os.nice(NICE)
    task = json.loads(sys.stdin.readline())
    clock = SystemClock()
    source = TypeAdapter(Source).validate_python(task["source"])
    trial = TrialThread(task["stem"], source, TrialTools(Path(task["data"]), open_camera(clock), is_whole, clock))
    never = threading.Event()
    parent = os.getppid()
    while (verdict := trial.look()) is None:
        if os.getppid() != parent:
            return 1
        clock.wait(never, LOOK_NS)
    _answer(verdict)
    return 0


def _answer(verdict: Verdict) -> None:
    sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    os._exit(code)  # a thread that waits in libav would hold up the end
