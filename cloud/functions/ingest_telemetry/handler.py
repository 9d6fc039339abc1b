"""Called by the topic rule with each message of telemetry: writes its lines to the function's log.

CloudWatch makes metrics of those lines that name some, so nothing is asked of any service, and nothing can fail but the
message itself. A message that is refused is a line too: it is not tried again, because it would be the same.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from cloud.functions.ingest_telemetry import core


def handle(event: Any, _context: object) -> dict[str, int]:
    """Writes down one message; how many lines it came to, and how many of them refuse something."""
    written = core.lines(event, time.time_ns() // 1_000_000)
    for line in written:
        # Straight to the log, not through `logging`: a prefix or an envelope would hide the metrics.
        sys.stdout.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")
    sys.stdout.flush()
    return {"lines": len(written), "refused": sum(line["event"] == "telemetry_refused" for line in written)}
