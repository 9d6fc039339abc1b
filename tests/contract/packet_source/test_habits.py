"""What every source that reads real cameras makes of the habits that cameras have."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.capture.core.packets import EncodedPacket
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.packet_source import PacketSource, SourceRequest, Transport
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.secrets import Secret
from local.cameras import CameraSpec, RunningCameras, read_stamp, start_cameras
from tests.contract.packet_source.conftest import LOGIN, PASSWORD
from tests.fakes.packet_sources import SOURCES

pytestmark = pytest.mark.slow

Open = Callable[..., PacketSource]
COUNT = 45


def camera(name: str, codec: str = "h264", **habits: Any) -> CameraSpec:
    """A small camera with habits."""
    values: dict[str, Any] = {"width": 320, "height": 240, "fps": 15, "gop_s": 0.4, "loop_s": 2.0, "bitrate": 100_000}
    return CameraSpec(name, codec, **{**values, "user": "viewer", "password": PASSWORD, **habits})


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    specs = [
        camera("plain"),
        camera("h265", "h265"),
        camera("b-frames", bframes=2),
        camera("b-frames-h265", "h265", bframes=2),
        camera("rich", bitrate=1_000_000),
        camera("path", redirects="path"),
        camera("port", redirects="port"),
        camera("in-stream", sets_in="stream"),
        camera("pcma", audio="pcma"),
        camera("pcmu", audio="pcmu"),
        camera("no-rtcp", first_report_s=1e6),
        camera("wrap", audio="aac", wraps_after_s=1.5),
        camera("kept-alive", session_timeout_s=1, nonce_s=0.4),
        camera("old-login", auth="digest-2069"),
    ]
    with start_cameras(specs, tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture(params=sorted(SOURCES))
def open_camera(request: pytest.FixtureRequest, cameras: RunningCameras) -> Open:
    """Opens a camera by its id; in each source's way in turn."""
    make = SOURCES[request.param].make(SystemClock(), 5.0, 5.0)

    def open_it(name: str, transport: Transport = "tcp") -> PacketSource:
        return make(SourceRequest(name, cameras.url(name), transport, True, "cameras", Secret(LOGIN)))

    return open_it


def take(source: PacketSource, count: int = COUNT) -> list[EncodedPacket]:
    """So many packets; the source is closed."""
    packets = list(itertools.islice(source.packets(), count))
    source.close()
    return packets


def pictures(packets: list[EncodedPacket]) -> list[EncodedPacket]:
    return [packet for packet in packets if packet.kind == "video"]


def numbers(packets: list[EncodedPacket]) -> list[int]:
    """Which frames of the camera the pictures are, counted over its laps of 30."""
    stamps = [read_stamp(packet.payload) for packet in pictures(packets)]
    return [stamp.lap * 30 + stamp.frame for stamp in stamps if stamp is not None]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", ["plain", "h265", "rich", "wrap", "path", "port", "in-stream", "pcma", "old-login"])
def test_every_picture_is_given_out_once(open_camera: Open, name: str, transport: Transport) -> None:
    """Over either transport the pictures are those that were sent, in order, from a keyframe on."""
    found = numbers(take(open_camera(name, transport)))
    assert len(found) >= 10
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[0] % 6 == 0


@pytest.mark.parametrize("name", ["b-frames", "b-frames-h265"])
def test_b_frames_have_times_of_both_kinds(open_camera: Open, name: str) -> None:
    """Pictures come in the order of decoding: decode times grow, none is shown before that, no two at once."""
    times = [(packet.dts, packet.pts) for packet in pictures(take(open_camera(name)))]
    known = [(dts, pts) for dts, pts in times if dts is not None and pts is not None]
    assert len(known) >= len(times) - 1
    assert all(dts <= pts for dts, pts in known)
    steps = [following[0] - one[0] for one, following in itertools.pairwise(known)]
    assert min(steps) > 0
    assert set(steps[3:]) == {6_000}  # the first ones are guessed: nobody tells them
    shown = sorted(pts for _dts, pts in known)
    assert {following - one for one, following in itertools.pairwise(shown[:-3])} == {6_000}


@pytest.mark.parametrize("name", ["plain", "in-stream", "h265"])
def test_keyframes_bring_their_parameter_sets(open_camera: Open, name: str) -> None:
    """What the camera sends before a keyframe stays before it, whatever its description says."""
    source = open_camera(name)
    codec = source.parameters.video.codec
    keyframes = [packet for packet in pictures(take(source)) if packet.is_keyframe]
    assert keyframes
    assert all(find_parameter_sets(codec, packet.payload) is not None for packet in keyframes)


@pytest.mark.parametrize("name", ["pcma", "pcmu"])
def test_both_laws_of_g711(open_camera: Open, name: str) -> None:
    """G.711 is named by its law, of 8 kHz, and comes as it was sent."""
    source = open_camera(name)
    audio = source.parameters.audio
    assert audio is not None
    assert (audio.codec, audio.sample_rate, audio.channels) == (name, 8_000, 1)
    sounds = [packet for packet in take(source) if packet.kind == "audio"]
    assert {len(packet.payload) for packet in sounds} == {160}


def test_without_reports_the_sender_has_no_clock(open_camera: Open) -> None:
    """A camera without RTCP tells no wall time."""
    assert {packet.sender_wall_ns for packet in take(open_camera("no-rtcp"))} == {None}


def test_a_session_is_kept_alive(open_camera: Open, cameras: RunningCameras) -> None:
    """A camera that wants to hear from its client every second, with a new answer each time, goes on to send."""
    found = numbers(take(open_camera("kept-alive"), 60))
    assert found == list(range(found[0], found[0] + 60))
    assert cameras.control.statistics("kept-alive")["refused"] > 2


@pytest.mark.parametrize("every", [20])
def test_datagrams_out_of_order_are_put_into_order(open_camera: Open, cameras: RunningCameras, every: int) -> None:
    """Over UDP packets that overtake each other cost nothing."""
    cameras.control.set_fault("rich", "reorder", every=every)
    source = open_camera("rich", "udp")
    packets = take(source)
    cameras.control.set_fault("rich", "none")
    found = numbers(packets)
    assert found == list(range(found[0], found[0] + len(found)))
    assert source.packets_missed == 0


def test_lost_datagrams_are_counted(open_camera: Open, cameras: RunningCameras) -> None:
    """Over UDP the source knows how many packets never came, and gives out what did."""
    cameras.control.set_fault("rich", "loss", every=40)
    source = open_camera("rich", "udp")
    packets = take(source)
    cameras.control.set_fault("rich", "none")
    lost = sum(int(session["packets_lost"]) for session in cameras.control.statistics("rich")["ended"][-1:])
    assert 0 < source.packets_missed <= lost
    found = numbers(packets)
    assert found == sorted(set(found))
    assert len(found) > COUNT // 2
