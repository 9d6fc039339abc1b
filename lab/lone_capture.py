"""Capture alone, as a core runs it: its recipe and artifact on a local Greengrass core, with nothing beside it.

The documents that SiteConfig would write are written here, so that cameras are recorded from the start.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import Transient
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.config import write_document
from components.shared.runtime.files import make_folders
from components.shared.wire.site_config import SITE, camera_shadow
from fleet import artifacts
from lab.running_site import POLL_S, ROOT, SiteFailedError

CAPTURE = artifacts.PUBLISHER_PREFIX + "Capture"
RUNTIME = artifacts.PUBLISHER_PREFIX + "Runtime"
START_S_MAX = 90.0
END_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class LoneCapture:
    """A running Capture. `data` is its data root, `launcher` the process that the core started."""

    data: Path
    launcher: int

    def recording(self) -> int:
        """How many cameras have an open segment now."""
        try:
            rows = CaptureReader.open(self.data)
        except Transient:
            return 0
        try:
            return len(rows.open_segments())
        finally:
            rows.close()

    def wait_recording(self, cameras: int) -> None:
        """Wait until so many cameras are recorded; SiteFailedError when they are not in good time."""
        wait_until(f"{cameras} cameras are recorded", lambda: self.recording() >= cameras)


def write_documents(data: Path, urls: Mapping[str, str], segment_s: int) -> None:
    """The site's and the cameras' documents, as SiteConfig would leave them."""
    make_folders(data / "config")
    clock = SystemClock()
    for camera, url in urls.items():
        # No pictures are kept: what Capture is compared with keeps none.
        document = {"schema": 1, "name": camera, "source": {"url": url}, "snapshot_s": 0}
        write_document(data, camera_shadow(camera), document, 1, clock)
    site = {"schema": 1, "recording": {"segment_s": segment_s}, "cameras": dict.fromkeys(urls, "any")}
    write_document(data, SITE, site, 1, clock)


@contextmanager
def lone_capture(work: Path, urls: Mapping[str, str], segment_s: int) -> Iterator[LoneCapture]:
    """Capture on a core while the context lasts, recording the cameras at these URLs."""
    data, core = work / "data", work / "core"
    write_documents(data, urls, segment_s)
    built = artifacts.build(ROOT, ROOT / "greengrass-build")
    packages = data / "runtime" / built.packages
    make_folders(packages)
    (packages / "site-packages").symlink_to(sysconfig.get_path("purelib"))
    (packages / ".stamp").touch()
    merge = {"merge": {"dataRoot": str(data)}}
    deployment = {
        "thingName": "bench",
        "region": "eu-central-1",
        "path": [str(Path(sys.executable).parent)],
        "components": {
            name: {"version": built.components[name], "configurationUpdate": merge} for name in (RUNTIME, CAPTURE)
        },
    }
    deployment_file = work / "deployment.json"
    deployment_file.write_text(json.dumps(deployment))
    command = [sys.executable, "-m", "local.nucleus", "--root", str(core), "--build", str(built.folder)]
    command += ["--deployment", str(deployment_file), "--log-dir", str(work / "logs")]
    with (work / "core.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until("Capture runs on the core", lambda: _launcher(core) is not None)
        launcher = _launcher(core)
        assert launcher is not None, "waited for"
        yield LoneCapture(data, launcher)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait until something is so; SiteFailedError when it takes too long."""
    deadline = time.monotonic() + START_S_MAX
    while not is_so():
        if time.monotonic() > deadline:
            raise SiteFailedError(f"not within {START_S_MAX:.0f} s: {what}")
        time.sleep(POLL_S)


def _launcher(core: Path) -> int | None:
    try:
        status: dict[str, Any] = json.loads((core / "status.json").read_text())
    except FileNotFoundError:
        return None
    component = status["components"].get(CAPTURE, {})
    return component.get("pid") if component.get("state") == "RUNNING" else None
