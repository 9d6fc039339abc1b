"""Capture's zygote with crews on a tired disk: each sync of a file or folder takes longer.

python -m lab.tired_zygote MILLISECONDS DESCRIPTOR KEEPER
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

from components.capture.crew_inside import CrewSources
from components.capture.recorded_file import DiskDoor
from components.capture.zygote import camera_sources, main

NEVER = threading.Event()
"""Nothing sets it: waiting for it is a delay."""


def tired_sources(delay_s: float) -> CrewSources:
    """The product's, with another way to the disk."""

    def sync_late(descriptor: int) -> None:
        NEVER.wait(delay_s)
        os.fsync(descriptor)

    return replace(camera_sources(), door=DiskDoor(sync=sync_late))


if __name__ == "__main__":
    DELAY_S = float(sys.argv[1]) / 1000
    sys.exit(main(sys.argv[2:], lambda: tired_sources(DELAY_S)))
