"""What every source does when the camera's password was changed: the secret is read again before anything fails."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.packet_source import SourceRefused, SourceRequest
from components.capture.rtsp_source import open_rtsp
from components.shared.errors import Transient
from components.shared.runtime.clock import SystemClock
from components.shared.wire.secret import Secret
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.contract.packet_source.conftest import LOGIN, Studio, changed

pytestmark = pytest.mark.slow

OLD = Secret("viewer:0ld-passw0rd")
NEW = Secret("viewer:n3w-passw0rd")


class File:
    """Where the secret is; how often it was read."""

    def __init__(self, login: Secret | Exception) -> None:
        self.login = login
        self.reads = 0

    def read(self) -> Secret:
        self.reads += 1
        if isinstance(self.login, Exception):
            raise self.login
        return self.login


def test_a_secret_rotated_meanwhile_is_used_at_once(studio: Studio) -> None:
    """A camera that refuses the secret at hand is asked by the file's newer one, and no failure comes of it."""
    file = File(Secret(LOGIN))
    source = studio.open(changed(studio.request, login=OLD, read_login=file.read))
    source.close()
    assert file.reads == 1


def test_a_good_secret_is_not_read_again(studio: Studio) -> None:
    """Where nothing is refused nothing is read."""
    file = File(Secret(LOGIN))
    studio.open(changed(studio.request, read_login=file.read)).close()
    assert file.reads == 0


@pytest.mark.parametrize("found", [OLD, Transient("secret cameras is not there")])
def test_a_secret_that_is_no_other_is_refused(studio: Studio, found: Secret | Exception) -> None:
    """When the file holds the same, or nothing, the camera's refusal is what is told: the file was read once for it."""
    file = File(found)
    with pytest.raises(SourceRefused, match="user or password") as raised:
        studio.open(changed(studio.request, login=OLD, read_login=file.read))
    assert raised.value.cause == "authentication"
    assert file.reads == 1


@pytest.fixture
def kept_alive(tmp_path: Path) -> Iterator[RunningCameras]:
    """A camera that ends a session when it has not heard of its client for two seconds."""
    spec = CameraSpec(
        *("cam-1", "h264", 320, 240, 15, 0.4, 100_000), loop_s=2.0, user="viewer", password="0ld-passw0rd",
        session_timeout_s=2,
    )  # fmt: skip
    with start_cameras([spec], tmp_path / "loops", tmp_path / "cameras") as running:
        yield running


def test_a_running_session_changes_its_secret(kept_alive: RunningCameras) -> None:
    """A camera whose password changes while it plays is kept alive by the newer secret: not a picture is missing."""
    file = File(OLD)
    request = SourceRequest("cam-1", kept_alive.url("cam-1"), login=OLD, read_login=file.read)
    source = open_rtsp(SystemClock(), 10.0, 10.0)(request)
    packets = source.packets()
    list(itertools.islice(packets, 10))
    kept_alive.control.set_password("cam-1", "n3w-passw0rd")
    file.login = NEW
    # Six seconds of pictures: three times what the camera waits for a keep-alive that it accepts.
    later = list(itertools.islice(packets, 90))
    source.close()
    assert len(later) == 90
    assert file.reads >= 1
    assert len(kept_alive.control.statistics("cam-1")["ended"]) <= 1


def test_a_running_session_goes_on_while_it_works(kept_alive: RunningCameras) -> None:
    """While the newer secret is nowhere yet, what the camera refuses costs nothing: pictures go on coming."""
    file = File(OLD)
    request = SourceRequest("cam-1", kept_alive.url("cam-1"), login=OLD, read_login=file.read)
    source = open_rtsp(SystemClock(), 10.0, 10.0)(request)
    packets = source.packets()
    list(itertools.islice(packets, 5))
    kept_alive.control.set_password("cam-1", "n3w-passw0rd")
    refused_before = kept_alive.control.statistics("cam-1")["refused"]
    list(packets)  # ends in good order, when the camera gives the session up: nothing is raised
    source.close()
    statistics = kept_alive.control.statistics("cam-1")
    assert statistics["refused"] > refused_before
    assert [session["ended"] for session in statistics["ended"]] == ["session timed out"]
