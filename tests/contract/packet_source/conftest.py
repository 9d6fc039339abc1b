"""The same cameras three times: stand-ins over RTSP, read by our client and by libav, and fakes in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from components.capture.packet_source import OpenSource, PacketSource, SourceRequest
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.secrets import Secret
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.packet_source import AAC_AUDIO, FakeCamera, open_fake
from tests.fakes.packet_sources import SOURCES

PASSWORD = "p@ss:w/o?rd#%"
LOGIN = f"viewer:{PASSWORD}"
READ_S = 1.0


class Studio(Protocol):
    """A camera `cam-1` with a password, H.264 and AAC, and what can be done to it. `open` waits at most a second."""

    request: SourceRequest

    def open(self, request: SourceRequest) -> PacketSource:
        """Open it as asked."""

    def play(self) -> None:
        """Have pictures come, if they do not by themselves."""

    def end(self) -> None:
        """The camera ends the stream in good order."""

    def break_off(self) -> None:
        """The connection breaks."""

    def stall(self) -> None:
        """Nothing comes any more, though the connection stands."""


@dataclass
class RtspStudio:
    cameras: RunningCameras
    open_source: OpenSource
    request: SourceRequest

    def open(self, request: SourceRequest) -> PacketSource:
        return self.open_source(request)

    def play(self) -> None:
        """They come by themselves."""

    def end(self) -> None:
        self.cameras.control.set_fault("cam-1", "teardown")

    def break_off(self) -> None:
        self.cameras.control.set_fault("cam-1", "reset")

    def stall(self) -> None:
        self.cameras.control.set_fault("cam-1", "stall")


@dataclass
class FakeStudio:
    camera: FakeCamera
    request: SourceRequest

    def open(self, request: SourceRequest) -> PacketSource:
        return open_fake(self.camera)(request)

    def play(self) -> None:
        self.camera.play(40)
        for number in range(20):
            self.camera.say(b"sound", number * 1024, 1024)

    def end(self) -> None:
        self.camera.end()

    def break_off(self) -> None:
        self.camera.break_off()

    def stall(self) -> None:
        """It sends nothing unless told."""


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    spec = CameraSpec(
        *("cam-1", "h264", 320, 240, 15, 0.4, 100_000, "aac"), loop_s=2.0, user="viewer", password=PASSWORD
    )
    with start_cameras([spec], tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as cameras:
        yield cameras


@contextmanager
def rtsp_studio(cameras: RunningCameras, source: str) -> Iterator[Studio]:
    request = SourceRequest("cam-1", cameras.url("cam-1"), "tcp", True, "cameras", Secret(LOGIN))
    try:
        yield RtspStudio(cameras, SOURCES[source].make(SystemClock(), 2.0, READ_S), request)
    finally:
        cameras.control.set_fault("cam-1", "none")


@pytest.fixture(params=[*sorted(SOURCES), "fake"])
def studio(request: pytest.FixtureRequest) -> Iterator[Studio]:
    if request.param in SOURCES:
        with rtsp_studio(request.getfixturevalue("running"), request.param) as made:
            yield made
        return
    camera = FakeCamera("cam-1", SystemClock(), audio=AAC_AUDIO, login=LOGIN)
    yield FakeStudio(camera, SourceRequest("cam-1", "rtsp://camera/cam-1", "tcp", True, "cameras", Secret(LOGIN)))


@pytest.fixture(params=sorted(SOURCES))
def real(running: RunningCameras, request: pytest.FixtureRequest) -> Iterator[Studio]:
    """The real sources, for what a fake has not."""
    with rtsp_studio(running, request.param) as made:
        yield made


@pytest.fixture
def libav(running: RunningCameras) -> Iterator[Studio]:
    """That of libav alone."""
    with rtsp_studio(running, "libav") as made:
        yield made


@pytest.fixture
def rtsp(running: RunningCameras) -> Iterator[Studio]:
    """Our own client alone."""
    with rtsp_studio(running, "rtsp") as made:
        yield made


def changed(request: SourceRequest, **changes: object) -> SourceRequest:
    return replace(request, **changes)  # type: ignore[arg-type]
