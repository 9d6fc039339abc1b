"""SiteConfig's worker without a core: its bus is a fake, all else is as in the product."""

import sys

from components.shared.runtime.component import run_component
from components.shared.wire.topics import SITE_CONFIG
from components.site_config.app import build
from tests.fakes.bus import FakeBus

if __name__ == "__main__":
    sys.exit(
        run_component(
            SITE_CONFIG, build, sys.argv[1:], open_bus=lambda name, log, clock: FakeBus(name, log=log, clock=clock)
        )
    )
