"""Starts Capture's worker."""

import sys

from components.capture.app import build_with
from components.capture.early_zygote import fork_zygote
from components.shared.runtime.component import run_component
from components.shared.wire.topics import CAPTURE

if __name__ == "__main__":
    sys.exit(run_component(CAPTURE, build_with(fork_zygote()), sys.argv[1:]))
