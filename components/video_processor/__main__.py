"""Starts VideoProcessor."""

import sys

from components.shared.runtime.component import run_component
from components.shared.wire.topics import VIDEO_PROCESSOR
from components.video_processor.app import build

if __name__ == "__main__":
    sys.exit(run_component(VIDEO_PROCESSOR, build, sys.argv[1:]))
