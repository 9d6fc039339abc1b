"""Two hundred wild documents thrown at a box that records: nothing crashes, and no picture is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.config import config_folder, write_document
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256, parse_camera, parse_site
from components.site_config.core.documents import is_valid
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.config_site import ConfigSite
from tests.fakes.recorded_frames import sent_between, stamped
from tests.fakes.waiting import eventually
from tests.fakes.wild_documents import WildStore, wild_bytes, wild_document
from tests.faults.capture import capture_process

pytestmark = pytest.mark.slow

DOCUMENTS = 200
SEED = 20_261_127
WITHIN_S = 60.0
CAMERA = camera_shadow("cam-1")
SITE_DOCUMENT: dict[str, Any] = {"schema": 1, "recording": {"segment_s": 1}, "cameras": {"cam-1": "any"}}


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """A small camera with a keyframe every 0.4 s."""
    specs = [CameraSpec("cam-1", "h264", 256, 144, 10, 0.4, 30_000, loop_s=2.0)]
    with start_cameras(specs, tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as running:
        yield running


class Thrower:
    """Puts wild documents where documents are read from, and the good ones back."""

    def __init__(self, site: ConfigSite, good: dict[str, dict[str, Any]]) -> None:
        self.site = site
        assert isinstance(site.store, WildStore)
        self.store = site.store
        self.good = good
        self.chance = random.Random(SEED)
        self.clock = SystemClock()

    def throw(self, number: int) -> None:
        """One document: into its shadow, as a proposal, or over the last good file."""
        name = self.chance.choice([SITE, CAMERA])
        raw = self._wild(name)
        if number % 3 == 0:
            self._into_shadow(name, raw)
        elif number % 3 == 1:
            body = {"document": name, "changes": raw, "base_version": None}
            (self.site.folder.path / f"p{number}.json").write_bytes(wild_bytes(self.chance, body))
        else:
            self._over_file(name, raw)
        self.site.look()
        self.site.exchange()
        self.put_back()

    def put_back(self) -> None:
        """An operator writes the good documents again, and whoever wrote a file writes a good one."""
        self.store.wild.clear()
        for name, raw in self.good.items():
            self.site.store.operate(name, None)
            self.site.store.operate(name, raw)
            self.site.hint(name)
        self.site.exchange()
        self.site.look()
        for name, raw in self.good.items():
            path = config_folder(self.site.data) / f"{name}.json"
            if path.read_bytes().find(document_sha256(raw).encode()) < 0:
                write_document(self.site.data, name, raw, 1, self.clock)

    def _wild(self, name: str) -> Any:
        while not self._is_harmless(name, raw := wild_document(self.chance, self.good[name])):
            continue
        return raw

    def _is_harmless(self, name: str, raw: Any) -> bool:
        """Whether it does not rightly say that the camera is to be recorded otherwise, or not at all."""
        if not is_valid(name, raw):
            return True
        if name == SITE:
            return "cam-1" in parse_site(raw).document.cameras
        wild, good = (parse_camera("cam-1", one).document for one in (raw, self.good[CAMERA]))
        kept = wild.model_copy(update={"source": wild.source.model_copy(update={"url": good.source.url})})
        return wild.source.trial and all(
            getattr(kept, part) == getattr(good, part) for part in ("source", "mode", "manual", "audio", "sub")
        )

    def _into_shadow(self, name: str, raw: Any) -> None:
        self.store.wild[name] = raw
        self.site.hint(name)

    def _over_file(self, name: str, raw: Any) -> None:
        content: Any = {"document": name, "version": 9, "sha256": "0" * 64, "raw": raw}
        if self.chance.randrange(2) and isinstance(raw, dict):
            content["sha256"] = document_sha256(raw)
        temporary = config_folder(self.site.data) / ".wild"
        temporary.write_bytes(wild_bytes(self.chance, content))
        temporary.rename(config_folder(self.site.data) / f"{name}.json")


def test_documents_while_recording(tmp_path: Path, cameras: RunningCameras) -> None:
    """Through shadows, proposals and files: every picture is recorded, over one connection, by one process."""
    box = CaptureBox(tmp_path / "data", SystemClock())
    good = {CAMERA: {"schema": 1, "name": "Yard", "source": {"url": cameras.url("cam-1")}}, SITE: SITE_DOCUMENT}
    site = ConfigSite(box.data, WildStore()).start()
    for name, raw in good.items():
        site.store.operate(name, raw)
    site.sweep()
    log = tmp_path / "log"
    with log.open("wb") as sink:
        worker = subprocess.Popen(
            [sys.executable, capture_process.__file__, "--data", str(box.data)], stdout=sink, stderr=sink
        )
    try:
        eventually((box.data / "capture" / "sources.json").exists, WITHIN_S, "the camera is recorded")
        thrower = Thrower(site, good)
        for number in range(DOCUMENTS):
            thrower.throw(number)
            assert worker.poll() is None, log.read_text()[-2_000:]
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 2, WITHIN_S)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WITHIN_S) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
    told = log.read_text()
    assert "crew_ended" not in told, told[-2_000:]
    assert "Traceback" not in told, told[-2_000:]
    (run,) = box.runs("cam-1")
    assert run.frames_received == run.frames_recorded
    frames = stamped(box.files("cam-1"))
    (session,) = {line["session"] for line in cameras.sent_frames("cam-1")}
    assert frames == sent_between(cameras.sent_frames("cam-1", session), frames[0], frames[-1])
    assert [gap.cause for gap in box.gaps("cam-1") if gap.end_ns is not None] == ["starting"]
    assert check(box.data) == []
    assert len(site.log.named("document_not_in_force")) > DOCUMENTS // 10
