"""Small, fast cameras for these tests."""

from collections.abc import Iterator

import pytest

from components.shared.runtime.clock import SystemClock
from local.cameras import CameraSpec, RunningCameras, start_cameras


@pytest.fixture(scope="session")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """cam-1 H.264 with AAC and a keyframe every 0.4 s, cam-2 H.265 with one every 2 s."""
    specs = [
        CameraSpec("cam-1", "h264", 320, 240, 15, 0.4, 100_000, "aac", loop_s=2.0),
        CameraSpec("cam-2", "h265", 320, 240, 15, 2.0, 100_000, loop_s=2.0),
    ]
    with start_cameras(specs, tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture(scope="session")
def clock() -> SystemClock:
    return SystemClock()
