"""Cut the power at random moments while Capture records, and see what is left; plain writers beside it.

A power cut is a copy of the disk as it is at that moment: all that the disk was given, in order. So this models a disk
without a volatile write cache; a disk that acknowledges a flush and keeps the data in its cache loses more, whatever
anybody does. Each copy is mounted, its journal replayed, Capture's own start-up run on it, and every row and every file
looked at. Loss is measured from the moment of the cut back to when the newest frame that is left was sent.

Beside Capture, on the same disk, one of its cameras is written as MP4 and as fragmented MP4 in files of ten seconds
with nothing synced, as most recorders do.

What is mounted is mounted in a namespace of its own: whatever ends the show, by Ctrl-C or a kill, ends that too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from components.shared.errors import Rejected
from lab.copied_disk import missing
from lab.running_site import ROOT, SiteFailedError
from lab.show import Limit, Show, Shown

CUTS, QUICK_CUTS = 100, 6
WARM_S, QUICK_WARM_S = 45.0, 15.0
"""Unsynced data lies in memory for half a minute: only after that the plain writers show what they lose."""

END_S_MAX = 30.0

MODEL = "models a disk without a volatile write cache"

LIMITS: dict[str, Limit] = {
    "worst_loss_s": ("max", 4.0),
    "unreadable_files": ("max", 0.0),
    "rows_without_bytes": ("max", 0.0),
    "files_without_rows": ("max", 0.0),
    "other_findings": ("max", 0.0),
    "committed_segments_lost": ("max", 0.0),
    "start_up_failed": ("max", 0.0),
}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Let the inside do it in its own namespace, and tell what it tells. Rejected when this machine cannot."""
    lacking = missing()
    if lacking:
        raise Rejected(f"power-cut needs {'; '.join(lacking)}")
    say(f"this {MODEL}")
    cuts, warm_s = (QUICK_CUTS, QUICK_WARM_S) if quick else (CUTS, WARM_S)
    figures_file = work / "figures.json"
    figures_file.unlink(missing_ok=True)
    # Without PID namespace or the like: only what is mounted is to vanish with the last process of the show.
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-P", "-m", "lab.power_cut_inside"]
    process = subprocess.Popen(
        [*command, str(work), str(cuts), str(warm_s)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to hand on: it ends by its stdin, in the right order
    )
    assert process.stdout is not None and process.stdin is not None, "both are pipes"
    told = ""
    try:
        for line in process.stdout:
            told = line.rstrip()
            say(told)
        process.wait(END_S_MAX)
    finally:
        process.stdin.close()  # it ends by that when it has not yet
        try:
            process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode != 0 or not figures_file.exists():
        raise SiteFailedError(f"it ended with {process.returncode}; its last words: {told or 'none'}")
    figures: dict[str, float] = json.loads(figures_file.read_text())
    return Shown(figures, {"cuts": ("min", float(cuts)), **LIMITS})


SHOW = Show(
    name="power-cut",
    purpose=f"the power cut a hundred times while four cameras are recorded; {MODEL}; needs root",
    takes_s=330,
    quick_takes_s=50,
    run=run,
)
