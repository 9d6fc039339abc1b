"""The live socket with real sockets and readers: fast, slow, stuck, many, rude; deep data roots; killed servers."""

from __future__ import annotations

import dataclasses
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.capture.core.packets import EncodedPacket, TimedPacket
from components.capture.live_server import READERS_MAX, STALL_NS, LiveServer
from components.capture.live_stream import LiveStream
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock, SystemClock
from components.shared.runtime.live_client import LiveClient
from components.shared.runtime.live_socket import live_folder, short_folder
from components.shared.wire.live import AccessUnit, Frame, Hello
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.packets import AUDIO, STEP, VIDEO, WALL, audio_packet, due_ns, video_packet
from tests.fakes.waiting import eventually

WITHIN_NS = 20 * NS_PER_S
SOON_NS = NS_PER_S // 5
GOP = 5


class Camera:
    """Feeds a live stream with numbered pictures, a keyframe every `GOP`."""

    def __init__(self, stream: LiveStream, size: int = 100) -> None:
        self.stream = stream
        self.size = size
        self.number = 0

    def connect(self) -> None:
        self.number = 0
        self.stream.begin(VIDEO, AUDIO, lambda timed: WallNs(WALL + due_ns(timed.dts // STEP)))

    def play(self, count: int = 1, size: int | None = None) -> None:
        for _ in range(count):
            payload = self.number.to_bytes(8) + bytes(size or self.size)
            self.feed(video_packet(self.number, is_keyframe=self.number % GOP == 0, payload=payload), STEP)
            self.number += 1

    def feed(self, packet: EncodedPacket, duration: int) -> None:
        dts = packet.dts or 0
        self.stream.feed(TimedPacket(packet, dts, dts, duration))


def number_of(frame: Frame | None) -> int:
    assert isinstance(frame, AccessUnit), frame
    return int.from_bytes(frame.payload[:8])


@contextmanager
def serving(data: Path, clock: Clock | None = None, log: RecordingLog | None = None) -> Iterator[LiveServer]:
    server = LiveServer(data, clock or SystemClock(), log or RecordingLog())
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def camera(server: LiveServer, tmp_path: Path) -> Camera:
    """A camera that is connected, its socket there."""
    camera = Camera(server.stream("cam-1", "main"))
    camera.connect()
    eventually(live_folder(tmp_path).joinpath("cam-1.main.sock").exists, 20)
    return camera


def test_a_reader_begins_at_once_with_the_gop_at_hand(camera: Camera, tmp_path: Path) -> None:
    """A hello, the newest keyframe and everything since, then what comes, each with its times and its bytes."""
    camera.play(GOP + 3)
    with LiveClient(tmp_path, "cam-1") as reader:
        hello = reader.receive(WITHIN_NS)
        assert isinstance(hello, Hello)
        assert (hello.camera, hello.stream, hello.video.codec) == ("cam-1", "main", "h264")
        assert [number_of(reader.receive(WITHIN_NS)) for _ in range(3)] == [5, 6, 7]
        assert reader.receive(SOON_NS) is None
        camera.feed(audio_packet(9), 1024)
        camera.play()
        sound, picture = reader.receive(WITHIN_NS), reader.receive(WITHIN_NS)
        assert isinstance(sound, AccessUnit)
        assert (sound.kind, sound.dts, sound.payload) == ("audio", 9 * 1024, b"sound")
        assert isinstance(picture, AccessUnit)
        assert (picture.dts, picture.duration_ticks, picture.is_keyframe) == (8 * STEP, STEP, False)
        assert picture.wall_ns == WALL + due_ns(8)


def test_several_readers_hear_the_same(camera: Camera, tmp_path: Path) -> None:
    """Each reader has a place of its own in the stream; one that leaves disturbs nobody."""
    camera.play(GOP)
    first, second = LiveClient(tmp_path, "cam-1"), LiveClient(tmp_path, "cam-1")
    for reader in (first, second):
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        assert [number_of(reader.receive(WITHIN_NS)) for _ in range(GOP)] == [0, 1, 2, 3, 4]
    first.close()
    camera.play(2)
    assert [number_of(second.receive(WITHIN_NS)) for _ in range(2)] == [5, 6]
    second.close()
    eventually(lambda: not camera.stream.is_watched, 20)


def test_a_slow_reader_misses_gops_and_holds_nobody(camera: Camera, tmp_path: Path) -> None:
    """Sixty megabytes for a reader that takes nothing are fed at once; when it reads again it goes on at a keyframe."""
    camera.play()
    with LiveClient(tmp_path, "cam-1") as slow, LiveClient(tmp_path, "cam-1") as fast:
        assert isinstance(slow.receive(WITHIN_NS), Hello)
        assert isinstance(fast.receive(WITHIN_NS), Hello)
        assert number_of(fast.receive(WITHIN_NS)) == 0
        for number in range(1, 120):
            began_s = time.monotonic()
            camera.play(size=500_000)
            assert time.monotonic() - began_s < 5, "the recorder was held"
            assert number_of(fast.receive(WITHIN_NS)) == number
        last = camera.number
        camera.play(GOP - camera.number % GOP or GOP)  # up to the next keyframe
        camera.play()
        found: list[Frame] = []
        while not (found and isinstance(found[-1], AccessUnit) and number_of(found[-1]) >= last):
            frame = slow.receive(WITHIN_NS)
            assert frame is not None, f"nothing comes any more after {len(found)} frames"
            found.append(frame)
    _check_whole_gops(found)
    assert len(found) < 60, "it was slow and missed nothing"


def _check_whole_gops(frames: list[Frame]) -> None:
    expected = 0
    for before, frame in zip([None, *frames], frames, strict=False):
        if isinstance(frame, Hello):
            continue
        if isinstance(before, Hello):
            assert frame.is_keyframe
        else:
            assert number_of(frame) == expected
        expected = number_of(frame) + 1


def test_a_keyframe_of_a_megabyte_comes_whole(camera: Camera, tmp_path: Path) -> None:
    """A unit that is longer than what a socket holds comes in pieces, in order."""
    with LiveClient(tmp_path, "cam-1") as reader:
        eventually(lambda: camera.stream.is_watched, 20)
        camera.play(size=3_000_000)
        camera.play()
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        large = reader.receive(WITHIN_NS)
        assert isinstance(large, AccessUnit)
        assert len(large.payload) == 3_000_008
        assert number_of(reader.receive(WITHIN_NS)) == 1


def test_another_connection_to_the_camera_is_told(camera: Camera, tmp_path: Path) -> None:
    """A reader stays connected while a camera is lost and found, and hears a hello before the times begin anew."""
    camera.play(GOP + 1)
    with LiveClient(tmp_path, "cam-1") as reader:
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        assert number_of(reader.receive(WITHIN_NS)) == GOP
        camera.stream.end()
        camera.connect()
        camera.play(2)
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        assert [number_of(reader.receive(WITHIN_NS)) for _ in range(2)] == [0, 1]


def test_a_lost_camera_has_no_gop_to_begin_with(camera: Camera, tmp_path: Path) -> None:
    """Who connects while the camera is lost waits for it to come back, and is not shown what was."""
    camera.play(3)
    camera.stream.end()
    with LiveClient(tmp_path, "cam-1") as reader:
        eventually(lambda: camera.stream.is_watched, 20)
        assert reader.receive(SOON_NS) is None
        camera.connect()
        camera.play()
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        assert number_of(reader.receive(WITHIN_NS)) == 0


def test_a_deep_data_root_is_reached(tmp_path: Path) -> None:
    """A socket's address holds 107 bytes; a data root may have several hundred."""
    data = tmp_path
    while len(str(data)) < 400:
        data = data / ("deep" * 10)
    data.mkdir(parents=True)
    with serving(data) as server:
        stream = server.stream("c" * 32, "sub")
        camera = Camera(stream)
        camera.connect()
        camera.play()
        eventually(live_folder(data).joinpath("c" * 32 + ".sub.sock").exists, 20)
        with LiveClient(data, "c" * 32, "sub") as reader:
            assert isinstance(reader.receive(WITHIN_NS), Hello)


def test_the_socket_is_for_the_site_only(camera: Camera, tmp_path: Path) -> None:
    """User and group may connect, nobody else."""
    del camera
    mode = live_folder(tmp_path).joinpath("cam-1.main.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


def test_sockets_of_a_killed_process_are_replaced(tmp_path: Path) -> None:
    """What a killed server left, its half-made socket too, is in nobody's way; until then its readers are told."""
    folder = live_folder(tmp_path)
    folder.mkdir()
    with short_folder(folder) as short:
        for name in ("cam-1.main.sock", ".cam-1.main.sock.tmp"):
            dead = socket.socket(socket.AF_UNIX)
            dead.bind(f"{short}/{name}")
            dead.close()
    with pytest.raises(Transient, match=r"camera cam-1, stream main: nobody serves it"):
        LiveClient(tmp_path, "cam-1")
    with serving(tmp_path) as server:
        camera = Camera(server.stream("cam-1", "main"))
        camera.connect()
        camera.play()

        def connects() -> bool:
            try:
                LiveClient(tmp_path, "cam-1").close()
            except Transient:
                return False
            return True

        eventually(connects, 20)
    assert list(folder.iterdir()) == []


def test_a_server_that_ends_takes_only_its_own_socket(tmp_path: Path) -> None:
    """When another process serves the stream by now, the one that ends leaves its socket alone."""
    path = live_folder(tmp_path) / "cam-1.main.sock"
    with serving(tmp_path) as first:
        first.stream("cam-1", "main")
        eventually(path.exists, 20)
        before = path.stat().st_ino
        with serving(tmp_path) as second:
            second.stream("cam-1", "main")
            eventually(lambda: path.stat().st_ino != before, 20)
            first.forget("cam-1", "main")
            first.stream("cam-2", "main")
            eventually((live_folder(tmp_path) / "cam-2.main.sock").exists, 20)
            assert path.exists()
            LiveClient(tmp_path, "cam-1").close()
        assert not path.exists()


def test_a_stream_that_is_forgotten_is_served_no_more(camera: Camera, server: LiveServer, tmp_path: Path) -> None:
    """Its readers are told, and its socket goes."""
    camera.play()
    with LiveClient(tmp_path, "cam-1") as reader:
        assert isinstance(reader.receive(WITHIN_NS), Hello)
        server.forget("cam-1", "main")
        with pytest.raises(Transient, match="has ended it"):
            while reader.receive(WITHIN_NS) is not None:
                continue
    eventually(lambda: not live_folder(tmp_path).joinpath("cam-1.main.sock").exists(), 20)


def test_a_reader_that_speaks_is_dismissed(camera: Camera, tmp_path: Path) -> None:
    """Readers say nothing; who does is not one of ours."""
    with short_folder(live_folder(tmp_path)) as short, socket.socket(socket.AF_UNIX) as rude:
        rude.connect(f"{short}/cam-1.main.sock")
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        rude.settimeout(20)
        with pytest.raises(ConnectionResetError):
            rude.recv(1)
    eventually(lambda: not camera.stream.is_watched, 20)


def test_readers_are_counted(camera: Camera, tmp_path: Path) -> None:
    """The last allowed reader is served, the next one is turned away; a place that is left is free again."""
    camera.play()
    readers = [LiveClient(tmp_path, "cam-1") for _ in range(READERS_MAX)]
    for reader in readers:
        assert isinstance(reader.receive(WITHIN_NS), Hello)
    with LiveClient(tmp_path, "cam-1") as one_more, pytest.raises(Transient):
        one_more.receive(WITHIN_NS)
    readers.pop().close()

    def is_served() -> bool:
        with LiveClient(tmp_path, "cam-1") as again:
            try:
                return isinstance(again.receive(WITHIN_NS), Hello)
            except Transient:
                return False

    eventually(is_served, 20)
    for reader in readers:
        reader.close()


def test_a_reader_that_takes_nothing_for_a_minute_is_dismissed(tmp_path: Path) -> None:
    """Nothing is kept for whoever forgot its connection; one that takes what comes, however seldom, stays."""
    clock, log = FakeClock(), RecordingLog()
    with serving(tmp_path, clock, log) as server:
        camera = Camera(server.stream("cam-1", "main"))
        camera.connect()
        eventually(live_folder(tmp_path).joinpath("cam-1.main.sock").exists, 20)
        with LiveClient(tmp_path, "cam-1") as awake, LiveClient(tmp_path, "cam-1") as asleep:
            camera.play()
            for reader in (awake, asleep):
                assert isinstance(reader.receive(WITHIN_NS), Hello)
                assert number_of(reader.receive(WITHIN_NS)) == 0
            for number in range(1, 10):
                camera.play(size=900_000)
                assert number_of(awake.receive(WITHIN_NS)) == number
                clock.advance(STALL_NS)
            eventually(lambda: log.named("live_reader_stalled"), 20)
            camera.play()
            assert number_of(awake.receive(WITHIN_NS)) == 10
            with pytest.raises(Transient):
                while asleep.receive(WITHIN_NS) is not None:
                    continue
    assert len(log.named("live_reader_stalled")) == 1


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    """Serving waits for its folder and nothing else does: it is told once and tried every ten seconds."""
    live_folder(tmp_path).write_text("in the way")
    clock, log = FakeClock(), RecordingLog()
    with serving(tmp_path, clock, log) as server:
        server.stream("cam-1", "main")
        eventually(lambda: log.named("live_socket_not_made"), 20)
        live_folder(tmp_path).unlink()
        clock.advance(10 * NS_PER_S)
        eventually(live_folder(tmp_path).joinpath("cam-1.main.sock").exists, 20)
    assert len(log.named("live_socket_not_made")) == 1


def test_a_stream_that_cannot_be_described_is_not_live(tmp_path: Path) -> None:
    """Absurd parameters end nobody's recording: there is nothing live then, and the log says why."""
    log = RecordingLog()
    with serving(tmp_path, log=log) as server:
        stream = server.stream("cam-1", "main")
        eventually(live_folder(tmp_path).joinpath("cam-1.main.sock").exists, 20)
        with LiveClient(tmp_path, "cam-1") as reader:
            eventually(lambda: stream.is_watched, 20)
            stream.begin(VIDEO, dataclasses.replace(AUDIO, channels=0), lambda _timed: WALL)
            Camera(stream).play(3)
            assert reader.receive(SOON_NS) is None
    assert len(log.named("not_live")) == 1
    assert len(stream.gop()) == 3
