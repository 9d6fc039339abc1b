"""CloudSync's worker as a process of its own, on a bus that is connected to nobody: every hint is lost.

python -m tests.fakes.cloud_sync_worker --data DIR --set mediaBucket=NAME
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from components.cloud_sync import app
from components.shared.runtime.component import run_component
from components.shared.wire.topics import CLOUD_SYNC
from tests.fakes.bus import FakeBus
from tests.fakes.cloud_sync_site import THING

ROOT = Path(__file__).parents[2]


class CloudSyncWorker:
    """One worker process. `environment` is the AWS part of what a core gives it."""

    def __init__(self, data: Path, bucket: str, environment: dict[str, str]) -> None:
        self._log = data / "worker.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        command = [sys.executable, "-m", "tests.fakes.cloud_sync_worker", "--data", str(data)]
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--set", f"mediaBucket={bucket}", "--log-level", "DEBUG"],
                cwd=ROOT,
                env={**inherited, **environment, "AWS_IOT_THING_NAME": THING, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> CloudSyncWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> tuple[int, float]:
        """SIGTERM: its exit code, and how many seconds it took."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        return code, time.monotonic() - began_s

    def records(self, event: str) -> list[dict[str, Any]]:
        """The log's records of that event, of all workers on this data root."""
        records = []
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the last words of a process that was killed
            if isinstance(record, dict) and record.get("event") == event:
                records.append(record)
        return records

    def log(self) -> str:
        """The end of its log, for messages."""
        return self._log.read_text(errors="replace")[-4_000:]


if __name__ == "__main__":
    sys.exit(
        run_component(
            CLOUD_SYNC,
            app.build,
            sys.argv[1:],
            open_bus=lambda component, log, clock: FakeBus(component, None, log, clock),
        )
    )
