"""Capture's worker as a process of its own, on a bus without a core: to be killed."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from components.capture.app import build_with  # noqa: E402 - the path must be set before
from components.capture.early_zygote import fork_zygote  # noqa: E402
from components.shared.runtime.bus import Bus  # noqa: E402
from components.shared.runtime.clock import Clock  # noqa: E402
from components.shared.runtime.component import run_component  # noqa: E402
from components.shared.runtime.log import Log  # noqa: E402
from components.shared.wire.topics import CAPTURE  # noqa: E402
from tests.fakes.bus import FakeBus  # noqa: E402


def open_bus(component: str, log: Log, clock: Clock) -> Bus:
    """A bus that reaches nobody."""
    return FakeBus(component, log=log, clock=clock)


if __name__ == "__main__":
    os.environ.setdefault("AWS_IOT_THING_NAME", "test-box")
    sys.exit(run_component(CAPTURE, build_with(fork_zygote()), sys.argv[1:], open_bus))
