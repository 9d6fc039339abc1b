"""RTSP servers that are not ours serve a clip, and every picture of it is recorded, in order, once.

Our stand-in cameras are one judge; these are two others, by other people: aio-rtsp-toolkit (over TCP alone) and
gst-rtsp-server.
"""

import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from components.capture.workshop import RecorderLimits
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from local.cameras import start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.clips import Clip, fingerprints_of, write_clip
from tests.fakes.packet_sources import SOURCES
from tests.fakes.recorded_frames import sent_between, stamped
from tests.fakes.waiting import eventually
from tests.integration.capture.conftest import PASSWORD, small

pytestmark = pytest.mark.slow

FRAMES = 120
SEGMENTS_MIN = 4
LIMITS = RecorderLimits(backoff=Backoff(schedule_s=(0.3, 0.5)))
GST_PYTHON = "/usr/bin/python3"
GST_PACKAGES = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
STOP_S = 10.0

EACH_SOURCE = pytest.mark.parametrize("source", sorted(SOURCES))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """H.264 and H.265, with AAC and without sound."""
    folder = tmp_path_factory.mktemp("clips")
    return [
        write_clip(folder / f"clip.{codec}{'.aac' if has_sound else ''}.mp4", codec, FRAMES, has_sound=has_sound)
        for codec in ("h264", "h265")
        for has_sound in (False, True)
    ]


@contextmanager
def program(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the context lasts, its output in a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def aio_port(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """aio-rtsp-toolkit, with the clips."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "rtsp-server"), "--dir", str(clips[0].path.parent)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--control-port", str(free_port())]
    log = tmp_path_factory.mktemp("aio") / "log"
    with program(command, log):
        eventually(lambda: answers(port), 30.0, "aio-rtsp-toolkit answers")
        yield port


@pytest.fixture(scope="module")
def gst_port(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """gst-rtsp-server, with the clips."""
    reason = f"gst-rtsp-server is not installed: apt-get install {GST_PACKAGES}"
    look = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    has_python = shutil.which(GST_PYTHON) is not None
    if not has_python or subprocess.run([GST_PYTHON, "-c", look], capture_output=True, check=False).returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    script = Path(__file__).parents[2] / "fakes" / "gst_server.py"
    log = tmp_path_factory.mktemp("gst") / "log"
    with program([GST_PYTHON, str(script), *(str(clip.path) for clip in clips)], log):
        eventually(lambda: log.read_text().endswith("\n"), 30.0, "gst-rtsp-server tells its port")
        yield int(log.read_text().split()[0])


def record(clips: list[Clip], port: int, source: str, transport: str, data: Path) -> CaptureBox:
    """Record all clips at once until each has been served to its end; and a little more, when it is served again."""
    clock = SystemClock()
    box = CaptureBox(data, clock)
    for number, clip in enumerate(clips):
        box.set_camera(f"clip-{number}", f"rtsp://127.0.0.1:{port}/{clip.path.name}", transport=transport)
    with box.running(SOURCES[source].make(clock, 10.0, 10.0), limits=LIMITS):
        for number in range(len(clips)):
            camera = f"clip-{number}"
            box.wait_for(f"the end of {camera}", lambda camera=camera: len(box.runs(camera)) > 1, 60.0)  # type: ignore[misc]
    return box


def assert_recorded(box: CaptureBox, clips: list[Clip], *, repeats: bool = False) -> None:
    """The first run of each camera is its clip, picture by picture, in several segments that touch; with its sound.

    `repeats`: the server may send a picture twice, one after the other.
    """
    for number, clip in enumerate(clips):
        camera = f"clip-{number}"
        first = box.runs(camera)[0]
        rows = [row for row in box.segments(camera) if row.run == first.run]
        files = [box.rows.file_path(row) for row in rows]
        found = fingerprints_of(files, clip.codec)
        assert ([one for one, _ in itertools.groupby(found)] if repeats else found) == list(clip.fingerprints)
        assert first.frames_received == first.frames_recorded == len(found)
        assert len(rows) >= SEGMENTS_MIN
        assert all(row.end_ns == following.start_ns for row, following in itertools.pairwise(rows))
        assert box.coverage(camera).is_whole
        for path in files:
            with av.open(str(path)) as container:
                assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"] * clip.has_sound
        with av.open(str(files[1])) as container:
            shown = sum(1 for _ in container.decode(video=0))
        assert shown == rows[1].frames
    assert check(box.data) == []


@EACH_SOURCE
def test_aio_rtsp_toolkit(clips: list[Clip], aio_port: int, source: str, tmp_path: Path) -> None:
    """aio-rtsp-toolkit: H.264 and H.265, with and without sound."""
    # Release 0.1.4 sends a picture twice in one session of twelve, with the next sequence number: its
    # `_threadsafe_queue_put` gives up after a while and puts again what may have been put at that moment.
    assert_recorded(record(clips, aio_port, source, "tcp", tmp_path / "data"), clips, repeats=True)


@pytest.mark.debian
@EACH_SOURCE
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_gst_rtsp_server(clips: list[Clip], gst_port: int, source: str, transport: str, tmp_path: Path) -> None:
    """gst-rtsp-server: H.264 and H.265, with and without sound, over TCP and UDP."""
    assert_recorded(record(clips, gst_port, source, transport, tmp_path / "data"), clips)


@EACH_SOURCE
def test_stand_in(source: str, cache: Path, tmp_path: Path) -> None:
    """Our stand-in: H.264 and H.265, with and without sound, judged by its own log of what it sent."""
    clock = SystemClock()
    specs = [small(f"{codec}-{audio}", codec, audio=audio) for codec in ("h264", "h265") for audio in ("none", "aac")]
    box = CaptureBox(tmp_path / "data", clock)
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    with start_cameras(specs, cache, tmp_path / "cameras") as cameras:
        for spec in specs:
            box.set_camera(spec.id, cameras.url(spec.id), "cameras")
        with box.running(SOURCES[source].make(clock, 10.0, 10.0), limits=LIMITS):
            for spec in specs:
                box.wait_for_segments(spec.id, SEGMENTS_MIN)
        for spec in specs:
            frames = stamped(box.files(spec.id))
            assert frames == sent_between(cameras.sent_frames(spec.id), frames[0], frames[-1])
            with av.open(str(box.files(spec.id)[0])) as container:
                assert len(container.streams.audio) == (spec.audio == "aac")
    assert check(box.data) == []
