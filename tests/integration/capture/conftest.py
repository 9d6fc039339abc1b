"""Small, fast cameras for these tests: encoded once per session, started once per module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.runtime.clock import SystemClock
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox

PASSWORD = "a pass:w/o@rd?#%"


def small(name: str, codec: str = "h264", **fields: object) -> CameraSpec:
    """A camera whose loop takes two seconds and well under a second to encode."""
    values: dict[str, object] = {
        "width": 320,
        "height": 240,
        "fps": 15,
        "gop_s": 0.4,
        "loop_s": 2.0,
        "bitrate": 100_000,
        "user": "viewer",
        "password": PASSWORD,
        **fields,
    }
    return CameraSpec(name, codec, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loops")


@pytest.fixture(scope="module")
def cameras(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """cam-1 H.264 with AAC, cam-2 H.265, cam-3 H.264 with PCMA, cam-4 H.265 with G.726, GOP of 2 s."""
    specs = [
        small("cam-1", "h264", audio="aac"),
        small("cam-2", "h265"),
        small("cam-3", "h264", audio="pcma", auth="digest-2069"),
        small("cam-4", "h265", audio="unknown", gop_s=2.0),
    ]
    with start_cameras(specs, cache, tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture(scope="session")
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock) -> CaptureBox:
    """A data root whose site knows the cameras' password."""
    box = CaptureBox(tmp_path / "data", clock)
    box.write_site()
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    return box
