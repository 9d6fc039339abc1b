"""Starts SiteConfig."""

import sys

from components.shared.runtime.component import run_component
from components.shared.wire.topics import SITE_CONFIG
from components.site_config.app import build

if __name__ == "__main__":
    sys.exit(run_component(SITE_CONFIG, build, sys.argv[1:]))
