"""Each fault does what it says, to a client that speaks RTSP by hand or to libav."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import av
import pytest
from av.container import InputContainer

from local.cameras import CamerasFailedError, RunningCameras, read_stamp
from local.cameras.pattern import read_number
from tests.fakes.waiting import eventually
from tests.integration.cameras.conftest import PASSWORD
from tests.integration.cameras.rtsp_client import RtspClient

pytestmark = pytest.mark.slow

_CODECS = pytest.mark.parametrize("camera", ["cam-1", "cam-2"])


@pytest.fixture(autouse=True)
def _healed(cameras: RunningCameras) -> Iterator[None]:
    """Every test ends with cameras that work and have no client."""
    yield
    for camera in cameras.specs:
        cameras.control.set_fault(camera, "none", drop=True)


def _client(cameras: RunningCameras, camera: str = "cam-1", wait_s: float = 10.0) -> RtspClient:
    return RtspClient(cameras.url(camera), "viewer", PASSWORD, wait_s)


@contextmanager
def _watched(cameras: RunningCameras, camera: str) -> Iterator[InputContainer]:
    options = {"rtsp_transport": "tcp", "analyzeduration": "200000"}
    with av.open(cameras.login_url(camera), options=options, timeout=(10.0, 1.0)) as container:
        yield container


def _frames_sent(cameras: RunningCameras, camera: str) -> int:
    return sum(int(entry["frames_sent"]) for entry in cameras.control.statistics(camera)["sessions"])


def _passes(cameras: RunningCameras, camera: str, frames: int) -> None:
    """Wait until the camera's own time has gone on by that many frames."""

    def place() -> int:
        statistics = cameras.control.statistics(camera)
        return int(statistics["lap"]) * 30 + int(statistics["frame"])

    begin = place()
    eventually(lambda: place() >= begin + frames, 10.0)


def test_stall_keeps_the_connection_without_packets(cameras: RunningCameras) -> None:
    """A stalled camera answers requests and sends nothing; healed, it goes on with a keyframe."""
    with _client(cameras) as client:
        client.play()
        eventually(lambda: _frames_sent(cameras, "cam-1") > 0)
        cameras.control.set_fault("cam-1", "stall")
        sent = _frames_sent(cameras, "cam-1")
        _passes(cameras, "cam-1", 10)
        assert client.request("GET_PARAMETER")[0] == 200
        assert _frames_sent(cameras, "cam-1") == sent
        cameras.control.set_fault("cam-1", "none")
        eventually(lambda: _frames_sent(cameras, "cam-1") > sent)
        lines = cameras.sent_frames("cam-1", client.session)
        assert lines[sent]["keyframe"]
        assert lines[sent]["frame"] != lines[sent - 1]["frame"]


def test_stall_runs_into_libavs_time_limit(cameras: RunningCameras) -> None:
    """The client libav gives up on a stalled camera when its reading time is over."""
    with _watched(cameras, "cam-2") as container:
        packets = container.demux(video=0)
        next(packets)
        cameras.control.set_fault("cam-2", "stall")
        with pytest.raises((av.error.ExitError, av.error.TimeoutError)):
            for _ in packets:
                pass


def test_refuse_turns_new_clients_away(cameras: RunningCameras) -> None:
    """A new client gets 503 and the end of the connection; who watches goes on watching."""
    with _client(cameras) as old:
        old.play()
        cameras.control.set_fault("cam-1", "refuse")
        with _client(cameras) as client:
            assert client.request("OPTIONS")[0] == 503
            with pytest.raises(EOFError):
                client.packet()
        with pytest.raises(av.error.HTTPServerError), _watched(cameras, "cam-1"):
            pass
        sent = _frames_sent(cameras, "cam-1")
        eventually(lambda: _frames_sent(cameras, "cam-1") > sent)


def test_silent_takes_requests_and_answers_none(cameras: RunningCameras) -> None:
    """The connection opens, and no byte comes."""
    cameras.control.set_fault("cam-1", "silent")
    with _client(cameras, wait_s=0.5) as client, pytest.raises(TimeoutError):
        client.request("OPTIONS")


def test_unauthorized_refuses_the_right_password(cameras: RunningCameras) -> None:
    """The right password is answered with 401 until the fault is over."""
    cameras.control.set_fault("cam-1", "unauthorized")
    with pytest.raises(av.error.HTTPUnauthorizedError), _watched(cameras, "cam-1"):
        pass
    cameras.control.set_fault("cam-1", "none")
    with _client(cameras) as client:
        assert client.request("DESCRIBE")[0] == 200


@_CODECS
def test_no_keyframe_leaves_keyframes_out(cameras: RunningCameras, camera: str) -> None:
    """A client gets frames at once, and never a keyframe."""
    cameras.control.set_fault(camera, "no_keyframe")
    with _client(cameras, camera) as client:
        client.play()
        eventually(lambda: _frames_sent(cameras, camera) >= 20)
        lines = cameras.sent_frames(camera, client.session)
    assert not any(line["keyframe"] for line in lines)
    numbers = [line["lap"] * 30 + line["frame"] for line in lines]
    assert set(numbers) == {number for number in range(numbers[0], numbers[-1] + 1) if number % 6}


@_CODECS
def test_garbage_has_nothing_to_decode(cameras: RunningCameras, camera: str) -> None:
    """Packets go on with their sequence numbers, and what is in them has no stamp and no picture."""
    cameras.control.set_fault(camera, "garbage")
    with _client(cameras, camera) as client:
        client.play()
        payloads: list[bytes] = []
        sequences: list[int] = []
        while len(payloads) < 60:
            channel, packet = client.packet()
            if channel == 0:
                sequences.append(int.from_bytes(packet[2:4], "big"))
                payloads.append(packet[12:])
    assert sequences == [(sequences[0] + place) % 65536 for place in range(60)]
    assert not any(read_stamp(b"\x00\x00\x01" + payload) for payload in payloads)
    assert len({payload[0] for payload in payloads}) > 20


def test_teardown_says_goodbye_once(cameras: RunningCameras) -> None:
    """The camera sends RTCP BYE and closes; libav sees the end of the stream; the next client is served."""
    with _client(cameras) as client, _watched(cameras, "cam-1") as container:
        client.play()
        packets = container.demux(video=0)
        next(packets)
        eventually(lambda: len(cameras.control.statistics("cam-1")["sessions"]) == 2)
        assert cameras.control.set_fault("cam-1", "teardown")["fault"] == "none"
        last = b""
        with pytest.raises(EOFError):
            while True:
                channel, packet = client.packet()
                last = packet if channel == 1 else last
        assert struct.unpack("!BB", last[-8:-6]) == (0x81, 203)
        assert [packet.size for packet in packets][-1] == 0
    with _client(cameras) as client:
        client.play()


def test_reset_cuts_the_connection(cameras: RunningCameras) -> None:
    """The connection is reset without a word."""
    with _client(cameras) as client:
        client.play()
        cameras.control.set_fault("cam-1", "reset")
        with pytest.raises(ConnectionResetError):
            while True:
                client.packet()


@_CODECS
def test_resolution_changes_in_mid_stream(cameras: RunningCameras, camera: str) -> None:
    """The same client gets pictures of another size from a keyframe on, and then of the old; no frame is missing."""
    sizes, counted, numbers = [], [], []
    with _watched(cameras, camera) as container:
        for packet in container.demux(video=0):
            stamp = read_stamp(bytes(packet))
            assert stamp is not None
            counted.append(stamp.lap * 30 + stamp.frame)
            for frame in packet.decode():
                sizes.append((frame.width, frame.height))
                numbers.append(read_number(frame.to_ndarray(format="gray")))
            if len(counted) == 5:
                cameras.control.set_fault(camera, "resolution", width=400, height=304)
            if sizes[-1:] == [(400, 304)] and cameras.control.statistics(camera)["fault"] != "none":
                cameras.control.set_fault(camera, "none")
            if (400, 304) in sizes and sizes[-8:] == [(320, 240)] * 8:
                break
    assert list(dict.fromkeys(sizes)) == [(320, 240), (400, 304)]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert numbers == [number % 30 for number in counted[: len(numbers)]]


@_CODECS
def test_freeze_repeats_one_picture(cameras: RunningCameras, camera: str) -> None:
    """Stamps and timestamps run on while every picture is the loop's first."""
    cameras.control.set_fault(camera, "freeze")
    counted, numbers = [], []
    with _watched(cameras, camera) as container:
        for packet in container.demux(video=0):
            stamp = read_stamp(bytes(packet))
            assert stamp is not None
            counted.append(stamp.lap * 30 + stamp.frame)
            numbers += [read_number(frame.to_ndarray(format="gray")) for frame in packet.decode()]
            if len(numbers) >= 15:
                break
    assert set(numbers) == {0}
    assert counted == list(range(counted[0], counted[0] + len(counted)))


def test_drop_rtcp_leaves_packets_without_the_cameras_time(cameras: RunningCameras) -> None:
    """Without sender reports libav has no PRFT data."""
    cameras.control.set_fault("cam-2", "drop_rtcp")
    with _watched(cameras, "cam-2") as container:
        found = []
        for packet in container.demux(video=0):
            found.append(packet.has_sidedata("prft"))
            if len(found) == 15:
                break
    assert not any(found)


def test_loss_leaves_gaps_in_the_sequence(cameras: RunningCameras) -> None:
    """Every n-th packet is missing together with its number."""
    cameras.control.set_fault("cam-1", "loss", every=10)
    with _client(cameras) as client:
        client.play()
        sequences: list[int] = []
        while len(sequences) < 60:
            channel, packet = client.packet()
            if channel == 0:
                sequences.append(int.from_bytes(packet[2:4], "big"))
    missing = (sequences[-1] - sequences[0]) % 65536 + 1 - len(sequences)
    assert missing == 6


def test_drop_sends_clients_away_with_any_fault(cameras: RunningCameras) -> None:
    """With `drop` present clients are cut off, so that they meet the fault when they come back."""
    with _client(cameras) as client:
        client.play()
        cameras.control.set_fault("cam-1", "refuse", drop=True)
        with pytest.raises((EOFError, ConnectionResetError)):
            while True:
                client.packet()
        assert cameras.control.statistics("cam-1")["ended"][-1]["ended"] == "dropped by the camera"


def test_wrong_orders_say_why(cameras: RunningCameras) -> None:
    """Unknown cameras, faults and sizes are refused by the control port and change nothing."""
    for camera, fault, settings, reason in (
        ("cam-9", "stall", {}, "no camera 'cam-9'"),
        ("cam-1", "explode", {}, "no fault 'explode'"),
        ("cam-1", "resolution", {"width": 100}, "width 100 is not an even number"),
    ):
        with pytest.raises(CamerasFailedError, match=reason):
            cameras.control.set_fault(camera, fault, **settings)
    assert cameras.control.statistics("cam-1")["fault"] == "none"
