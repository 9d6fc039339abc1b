"""The reader that a camera's document names is the one that reads it."""

import pytest

from components.capture.camera_source import open_camera
from components.capture.packet_source import SourceRequest
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.secrets import Secret
from local.cameras import RunningCameras

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("reader", "room"), [("own", "rtsp_source"), ("libav", "libav_source")])
def test_the_reader_that_is_named_reads(cameras: RunningCameras, clock: SystemClock, reader: str, room: str) -> None:
    """Both give pictures of the same camera."""
    login = Secret(f"viewer:{cameras.specs['cam-1'].password}")
    request = SourceRequest("cam-1", cameras.url("cam-1"), login=login, reader=reader)  # type: ignore[arg-type]
    source = open_camera(clock)(request)
    try:
        assert type(source).__module__ == f"components.capture.{room}"
        assert next(iter(source.packets())).payload
    finally:
        source.close()
