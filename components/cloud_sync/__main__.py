"""The worker of CloudSync; its launcher starts it."""

import sys

from components.cloud_sync import app
from components.shared.runtime.component import run_component
from components.shared.wire.topics import CLOUD_SYNC

sys.exit(run_component(CLOUD_SYNC, app.build, sys.argv[1:]))
