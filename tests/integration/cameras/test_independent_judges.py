"""Two RTSP clients that are not ours and not PyAV's libav: Debian's ffmpeg and GStreamer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.cameras import RunningCameras, read_stamp
from local.cameras.nal import split_annexb
from tests.integration.cameras.conftest import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.debian]

_FRAMES = 70
_LIMIT_S = 60
_CAMERAS = pytest.mark.parametrize(("camera", "codec"), [("cam-1", "h264"), ("cam-2", "h265"), ("cam-3", "h264")])


def _need(program: str, packages: str) -> None:
    """Skip, or fail where everything must be there, with the words that help."""
    if shutil.which(program) is None:
        reason = f"{program} is not installed: apt-get install {packages}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def _judge(path: Path, camera: str) -> None:
    """Every stamp in the byte stream follows the one before, and there are as many as were asked for."""
    stamps = [read_stamp(b"\x00\x00\x01" + nal) for nal in split_annexb(path.read_bytes())]
    found = [stamp for stamp in stamps if stamp is not None]
    assert {stamp.camera for stamp in found} == {camera}
    counted = [stamp.lap * 30 + stamp.frame for stamp in found]
    assert len(counted) >= _FRAMES - 1  # GStreamer ends within the last frame
    assert counted == list(range(counted[0], counted[0] + len(counted)))


@_CAMERAS
def test_debians_ffmpeg_gets_every_frame(cameras: RunningCameras, camera: str, codec: str, tmp_path: Path) -> None:
    """Debian's ffmpeg copies the stream over a seam of the loop with no frame missing."""
    _need("ffmpeg", "ffmpeg")
    path = tmp_path / "stream"
    command = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", cameras.login_url(camera), "-map", "0:v"]
    command += ["-c", "copy", "-frames:v", str(_FRAMES), "-f", codec.replace("h265", "hevc"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    _judge(path, camera)


@_CAMERAS
def test_gstreamer_gets_every_frame(cameras: RunningCameras, camera: str, codec: str, tmp_path: Path) -> None:
    """GStreamer's own RTSP stack copies the stream over a seam of the loop with no frame missing."""
    packages = "gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    _need("gst-launch-1.0", packages)
    path = tmp_path / "stream"
    source = f"rtspsrc location={cameras.url(camera)} protocols=tcp user-id=viewer latency=0".split()
    command = ["gst-launch-1.0", "-q", *source, f'user-pw="{PASSWORD}"', "!", f"rtp{codec}depay", "!"]
    command += [f"{codec}parse", "!", f"video/x-{codec},stream-format=byte-stream,alignment=au", "!"]
    command += ["identity", f"eos-after={_FRAMES}", "!", "filesink", f"location={path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    _judge(path, camera)
