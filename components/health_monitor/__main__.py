"""Starts HealthMonitor."""

import sys

from components.health_monitor.app import build
from components.shared.runtime.component import run_component
from components.shared.wire.topics import HEALTH_MONITOR

if __name__ == "__main__":
    sys.exit(run_component(HEALTH_MONITOR, build, sys.argv[1:]))
