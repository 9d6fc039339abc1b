"""Small, fast cameras for the tests of this folder: encoded once per session, started once per module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cameras import CameraSpec, RunningCameras, start_cameras

PASSWORD = "a pass:word@1"


def small(name: str, codec: str, **fields: object) -> CameraSpec:
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
    """cam-1 H.264 with AAC, cam-2 H.265, cam-3 H.264 with PCMA and old digest, cam-4 H.265 with G.726, open."""
    specs = [
        small("cam-1", "h264", audio="aac"),
        small("cam-2", "h265", transports="tcp"),
        small("cam-3", "h264", audio="pcma", auth="digest-2069"),
        small("cam-4", "h265", audio="unknown", user="", password="", session_timeout_s=1),
    ]
    with start_cameras(specs, cache, tmp_path_factory.mktemp("cameras")) as running:
        yield running
