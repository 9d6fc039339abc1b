"""The watch over cameras' pictures with real H.264 and H.265, real live sockets and a real analysis.db."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from components.shared.catalogue.analysis import AnalysisWriter
from components.shared.errors import Rejected
from components.shared.runtime.config import Loaded, Snapshot
from components.shared.runtime.live_socket import live_folder, short_folder, socket_name
from components.shared.wire.live import AccessUnit, Hello, LiveVideo, encode_hello, encode_unit_header
from components.shared.wire.object_keys import StreamName
from components.shared.wire.site_config import (
    CameraDocument,
    CameraPictureSection,
    SiteDocument,
    SourceSection,
    SubStreamSection,
)
from components.shared.wire.units import NS_PER_S, MediaTicks, WallNs
from components.video_processor.core.picture_reference import LEARN_LOOKS
from components.video_processor.frame_source import small_picture
from components.video_processor.pictures import (
    CPU_SHARE_MAX,
    LOST_NS,
    ROUND_NS,
    Keyframe,
    Pictures,
    newest_keyframe,
    pause_ns,
)
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.small_scene import Floats, SmallScene, cloth

pytestmark = pytest.mark.slow

URL = "rtsp://192.0.2.1/1"
ROUNDS_MAX = 7
"""Until a failure is raised: the look that meets it, ten seconds, and a round to spare."""


class Encoder:
    """Keyframes of 640x360 of the small scene, each with its parameter sets."""

    def __init__(self, codec: str = "h264") -> None:
        encoder = VideoCodecContext.create("libx264" if codec == "h264" else "libx265", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = 640, 360, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 1), Fraction(1, 1)
        encoder.gop_size = encoder.thread_count = 1
        encoder.options = {"tune": "zerolatency", "preset": "ultrafast"}
        if codec == "h265":
            encoder.options = {**encoder.options, "x265-params": "log-level=none:keyint=1:repeat-headers=1"}
        self._encoder = encoder
        self._count = 0
        self._random = np.random.default_rng(5)
        self.video = LiveVideo(codec=codec, width=640, height=360, ticks_numerator=1, ticks_denominator=1)  # type: ignore[arg-type]

    def encode(self, seen: Floats) -> bytes:
        """The access unit of a picture of these brightnesses, with noise."""
        large = np.repeat(np.repeat(seen, 2, 0), 2, 1)
        luma = np.clip(large + self._random.normal(0, 2, large.shape), 16, 235).astype(np.uint8)
        chroma = np.full((180, 640), 110, np.uint8)
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
        frame.pts = self._count
        self._count += 1
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


@dataclass
class Cameras:
    """The newest keyframes of cameras, in place of their live sockets."""

    keyframes: dict[tuple[str, StreamName], Keyframe] = field(default_factory=dict)

    def show(self, camera: str, encoder: Encoder, payload: bytes, wall_ns: WallNs, stream: StreamName = "main") -> None:
        hello = Hello(camera=camera, stream=stream, video=encoder.video)
        unit = AccessUnit("video", True, MediaTicks(0), MediaTicks(0), 1, wall_ns, payload)
        self.keyframes[camera, stream] = Keyframe(hello, unit)

    def fetch(self, _data: Path, camera: str, stream: StreamName) -> Keyframe | None:
        return self.keyframes.get((camera, stream))


class Bench:
    """Pictures with everything around them; one camera unless told otherwise."""

    def __init__(self, data: Path, codec: str = "h264") -> None:
        self.data = data
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.catalogue = AnalysisWriter.open(data)
        self.cameras = Cameras()
        self.scene = SmallScene()
        self.encoder = Encoder(codec)
        self.documents = {"cam-1": document()}
        self.restart()

    def restart(self) -> None:
        self.pictures = Pictures(self.data, self.catalogue, self.clock, self.log, self.cameras.fetch)

    def round(self, payload: bytes | None, stream: StreamName = "main") -> list[str]:
        """A round, after the camera has shown that picture; the faults that hold then."""
        self.clock.advance(ROUND_NS)
        if payload is not None:
            self.cameras.show("cam-1", self.encoder, payload, self.clock.wall_ns(), stream)
        cameras = {name: Loaded(found, {}, 1, "") for name, found in self.documents.items()}
        self.pictures.round(Snapshot(Loaded(SiteDocument(), {}, 1, ""), cameras), threading.Event())
        return [row.kind for row in self.catalogue.picture_faults()]

    def usual(self) -> bytes:
        return self.encoder.encode(self.scene.usual())

    def learn(self) -> None:
        for _ in range(LEARN_LOOKS + 1):
            assert self.round(self.usual()) == []


def document(picture: CameraPictureSection | None = None, sub: bool = False) -> CameraDocument:
    return CameraDocument(
        name="A",
        source=SourceSection(url=URL),
        sub=SubStreamSection(url=URL) if sub else None,
        picture=picture or CameraPictureSection(),
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.catalogue.close()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_covered_camera_is_in_the_catalogue_until_it_is_well(tmp_path: Path, codec: str) -> None:
    """From real pictures of both codecs to a row and a line of the log, and back, each once."""
    bench = Bench(tmp_path, codec)
    with closing(bench.catalogue):
        bench.learn()
        begun_ns = bench.clock.wall_ns()
        for _ in range(ROUNDS_MAX):
            faults = bench.round(bench.encoder.encode(cloth()))
        assert faults == ["picture_covered"]
        (row,) = bench.catalogue.picture_faults()
        assert row.camera == "cam-1" and 0 < row.since_ns - begun_ns <= 2 * ROUND_NS
        for _ in range(ROUNDS_MAX):
            faults = bench.round(bench.usual())
        assert faults == []
        assert bench.log.events() == ["picture_fault", "picture_fault_over"]


def test_frozen_sensor_behind_a_living_encoder(bench: Bench) -> None:
    """The same pixels in new keyframes are frozen; the same keyframe again is only one that has not been replaced."""
    bench.learn()
    still = bench.usual()
    for _ in range(ROUNDS_MAX):
        faults = bench.round(still)
    assert faults == ["picture_frozen"]
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.usual())
    for _ in range(ROUNDS_MAX):
        assert faults == bench.round(None) == []


def test_nothing_is_said_of_a_camera_that_is_away(bench: Bench) -> None:
    """What was wrong before it went is not known any more after a minute; when it is back it is judged by what was."""
    bench.learn()
    for _ in range(ROUNDS_MAX):
        bench.round(bench.encoder.encode(cloth()))
    for _ in range(LOST_NS // ROUND_NS - 1):
        assert bench.round(None) == ["picture_covered"]
    assert bench.round(None) == []
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.encoder.encode(cloth()))
    assert faults == ["picture_covered"]


def test_restart_keeps_faults_and_what_was_learnt(bench: Bench) -> None:
    """A restart in the middle of a failure neither ends it nor takes it for the usual picture."""
    bench.learn()
    blurred = bench.scene.blurred(3)
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.encoder.encode(blurred))
    assert faults == ["picture_blurred"]
    (row,) = bench.catalogue.picture_faults()
    bench.restart()
    for _ in range(ROUNDS_MAX):
        assert bench.round(bench.encoder.encode(blurred)) == ["picture_blurred"]
    assert bench.catalogue.picture_faults() == [row]
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.usual())
    assert faults == []


def test_keyframes_that_cannot_be_decoded(bench: Bench) -> None:
    """A keyframe that libav cannot read is nothing; when all are so for ten seconds, it is told, until one is well."""
    bench.learn()
    assert bench.round(b"\0\0\0\1\x65garbage") == []
    assert bench.round(bench.usual()) == []
    for _ in range(ROUNDS_MAX):
        faults = bench.round(b"\0\0\0\1\x65garbage")
    assert faults == ["picture_unreadable"]
    assert bench.round(bench.usual()) == []


def test_garbage_is_rejected() -> None:
    """A unit that is no picture is refused, not shown as a grey one."""
    with pytest.raises(Rejected, match="cannot be decoded"):
        small_picture(Encoder().video, b"\0\0\0\1\x65garbage")


def test_smaller_stream_is_watched_where_there_is_one(bench: Bench) -> None:
    """With a sub stream the main one is not looked at."""
    bench.documents = {"cam-1": document(sub=True)}
    bench.learn()
    for _ in range(ROUNDS_MAX):
        assert bench.round(bench.encoder.encode(np.full((180, 320), 16.0)), "main") == []
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.encoder.encode(np.full((180, 320), 16.0)), "sub")
    assert faults == ["picture_black"]


def test_camera_that_is_not_to_be_watched_has_no_faults(bench: Bench) -> None:
    """Switched off, or deleted, what was known of it is gone at once."""
    for _ in range(ROUNDS_MAX):
        faults = bench.round(bench.encoder.encode(np.full((180, 320), 16.0)))
    assert faults == ["picture_black"]
    bench.documents = {"cam-1": document(CameraPictureSection(watch=False))}
    assert bench.round(None) == []
    assert bench.catalogue.picture_references("cam-1") == {}


@pytest.mark.parametrize(
    ("took_ns", "cpu_ns", "pause"),
    [
        (NS_PER_S, 0, ROUND_NS - NS_PER_S),
        (NS_PER_S, int(ROUND_NS * CPU_SHARE_MAX), ROUND_NS - NS_PER_S),
        (2 * NS_PER_S, 2 * NS_PER_S, 6 * NS_PER_S),
    ],
)
def test_rounds_take_their_share_and_no_more(took_ns: int, cpu_ns: int, pause: int) -> None:
    """A round that costs more than a quarter of a core makes the next one wait."""
    assert pause_ns(took_ns, cpu_ns) == pause


@contextmanager
def served(data: Path, content: bytes) -> Iterator[None]:
    """A live socket that says this to everybody who comes, and then nothing."""
    import socket

    folder = live_folder(data)
    folder.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_folder(folder) as short:
        listener.bind(f"{short}/{socket_name('cam-1', 'main')}")
    listener.listen(4)
    open_connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.sendall(content)
            open_connections.append(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for connection in open_connections:
            connection.close()


def test_newest_keyframe_of_a_live_socket(tmp_path: Path) -> None:
    """A visit brings the keyframe that a stream begins with; a stream without one, or without a socket, brings none."""
    encoder = Encoder()
    payload = encoder.encode(SmallScene().usual())
    hello = Hello(camera="cam-1", stream="main", video=encoder.video)
    unit = AccessUnit("video", True, MediaTicks(0), MediaTicks(0), 1, WallNs(7), payload)
    assert newest_keyframe(tmp_path / "none", "cam-1", "main") is None
    with served(tmp_path / "live", encode_hello(hello) + encode_unit_header(unit) + payload):
        found = newest_keyframe(tmp_path / "live", "cam-1", "main")
    assert found is not None and found.unit == unit and found.hello == hello
    with served(tmp_path / "mute", encode_hello(hello)):
        assert newest_keyframe(tmp_path / "mute", "cam-1", "main") is None
    with served(tmp_path / "garbage", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        assert newest_keyframe(tmp_path / "garbage", "cam-1", "main") is None
