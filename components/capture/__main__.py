"""Starts Capture's worker."""

import sys

from components.capture.app import build
from components.shared.runtime.component import run_component
from components.shared.wire.topics import CAPTURE

if __name__ == "__main__":
    sys.exit(run_component(CAPTURE, build, sys.argv[1:]))
