"""Habits and faults that show in RTSP sessions: UDP, redirection, nonces that end, connections that hang or break."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cameras import RunningCameras, start_cameras
from tests.fakes.waiting import eventually
from tests.integration.cameras.conftest import PASSWORD, small
from tests.integration.cameras.rtsp_client import RtspClient

pytestmark = pytest.mark.slow

_INTERLEAVED = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture(scope="module")
def cameras(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    specs = [
        small("both", "h264", audio="pcmu"),
        small("udp", "h264", transports="udp"),
        small("path", "h264", redirects="path"),
        small("port", "h264", redirects="port"),
        small("nonce", "h264", nonce_s=0.3, session_timeout_s=1),
        small("sound", "h264", audio="aac", sound_only=True),
    ]
    with start_cameras(specs, cache, tmp_path_factory.mktemp("cameras")) as running:
        yield running


def _client(cameras: RunningCameras, camera: str, url: str = "", wait_s: float = 10.0) -> RtspClient:
    return RtspClient(url or cameras.url(camera), "viewer", PASSWORD, wait_s)


@pytest.fixture
def ports() -> Iterator[list[socket.socket]]:
    """Four UDP ports of a client: RTP and RTCP of two tracks."""
    made = []
    for _ in range(4):
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.bind(("127.0.0.1", 0))
        port.settimeout(10.0)
        made.append(port)
    yield made
    for port in made:
        port.close()


def _udp(rtp: socket.socket, rtcp: socket.socket) -> str:
    return f"RTP/AVP;unicast;client_port={rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"


def test_udp_carries_all_tracks(cameras: RunningCameras, ports: list[socket.socket]) -> None:
    """Pictures, sound and reports come as datagrams from the ports the camera named; nothing comes over TCP."""
    with _client(cameras, "both") as client:
        named = []
        for place, track in enumerate(("trackID=0", "trackID=1")):
            status, headers, _ = client.request("SETUP", track, Transport=_udp(*ports[2 * place : 2 * place + 2]))
            assert status == 200
            named.append(int(headers["transport"].partition("server_port=")[2].partition("-")[0]))
        assert client.request("PLAY")[0] == 200
        for place in range(2):
            packet, sender = ports[2 * place].recvfrom(2_000)
            assert sender[1] == named[place]
            assert packet[1] & 0x7F == (96, 0)[place]
            report, sender = ports[2 * place + 1].recvfrom(2_000)
            assert (report[1], sender[1]) == (200, named[place] + 1)
        sequences = [int.from_bytes(ports[0].recv(2_000)[2:4], "big") for _ in range(60)]
        assert sequences == [(sequences[0] + place) % 65_536 for place in range(60)]
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.packet()
    eventually(lambda: not cameras.control.statistics("both")["sessions"])


def test_a_goodbye_comes_over_udp(cameras: RunningCameras, ports: list[socket.socket]) -> None:
    """A camera that tears down says BYE where its reports go, and ends the connection."""
    with _client(cameras, "udp") as client:
        assert client.request("SETUP", "trackID=0", Transport=_udp(*ports[:2]))[0] == 200
        assert client.request("PLAY")[0] == 200
        ports[0].recv(2_000)
        cameras.control.set_fault("udp", "teardown")
        report = ports[1].recv(2_000)
        while report[1] == 200:
            report = ports[1].recv(2_000)
        assert report[-8:-6] == bytes((0x81, 203))
        with pytest.raises(EOFError):
            client.packet()


def test_a_client_chooses_among_what_is_offered(cameras: RunningCameras, ports: list[socket.socket]) -> None:
    """A camera for UDP alone refuses TCP; all tracks of a client go the same way."""
    with _client(cameras, "udp") as client:
        assert client.request("SETUP", "trackID=0", Transport=_INTERLEAVED)[0] == 461
    with _client(cameras, "both") as client:
        assert client.request("SETUP", "trackID=0", Transport=_INTERLEAVED)[0] == 200
        assert client.request("SETUP", "trackID=1", Transport=_udp(*ports[:2]))[0] == 461


@pytest.mark.parametrize("camera", ["path", "port"])
def test_redirection(cameras: RunningCameras, camera: str) -> None:
    """DESCRIBE is answered with another place, where everything else works."""
    with _client(cameras, camera) as client:
        status, headers, _ = client.request("DESCRIBE")
    assert status == 302
    assert headers["location"] != cameras.url(camera)
    with _client(cameras, camera, headers["location"]) as client:
        assert client.request("DESCRIBE")[0] == 200
        client.play()
        assert client.packet()[0] in (0, 1)


def test_a_nonce_ends(cameras: RunningCameras) -> None:
    """After its time a nonce is refused as stale, also during a session; with the new one the session goes on."""
    with _client(cameras, "nonce") as client:
        client.play()

        def stale() -> bool:
            status, headers, _ = client.request_once("GET_PARAMETER")
            client.challenge = headers.get("www-authenticate", client.challenge)
            return status == 401 and "stale=true" in headers["www-authenticate"]

        eventually(stale)
        assert client.request_once("GET_PARAMETER")[0] == 200
        assert client.packet()[0] in (0, 1)


def test_a_refused_keep_alive_keeps_nothing_alive(cameras: RunningCameras) -> None:
    """A session whose client proves no password any more ends with its time-out."""
    with _client(cameras, "nonce") as client:
        client.play()
        cameras.control.set_fault("nonce", "unauthorized")
        with pytest.raises((EOFError, ConnectionError)):
            while True:
                client.request_once("GET_PARAMETER")
    assert cameras.control.statistics("nonce")["ended"][-1]["ended"].startswith("session timed out")
    cameras.control.set_fault("nonce", "none")


def test_sound_alone_has_one_track(cameras: RunningCameras) -> None:
    """The picture's track does not exist, the sound's plays."""
    with _client(cameras, "sound") as client:
        assert client.request("SETUP", "trackID=0", Transport=_INTERLEAVED)[0] == 404
        client.play("trackID=1")
        assert client.packet()[1][1] & 0x7F == 97 or client.packet()[1][1] & 0x7F == 97


def test_a_hanging_camera_goes_on_where_it_was(cameras: RunningCameras) -> None:
    """Nothing comes and nothing is answered while it hangs; afterwards the same session plays."""
    with _client(cameras, "both", wait_s=0.5) as client:
        client.play()
        client.packet()
        cameras.control.set_fault("both", "hang")
        with pytest.raises(TimeoutError):
            client.request("GET_PARAMETER")
        cameras.control.set_fault("both", "none")
        client.socket.settimeout(10.0)
        assert client.packet()[0] in (0, 1)


def test_a_half_open_connection_stands_and_says_nothing(cameras: RunningCameras) -> None:
    """The camera forgets the client without a word; who comes anew is served."""
    with _client(cameras, "both", wait_s=0.5) as client, _client(cameras, "both") as other:
        client.play()
        assert cameras.control.set_fault("both", "half_open")["fault"] == "none"
        with pytest.raises(TimeoutError):
            while True:
                client.packet()
        with pytest.raises(TimeoutError):
            client.request_once("OPTIONS")
        other.play()
        assert other.packet()[0] in (0, 1)


def test_a_slow_camera_drips(cameras: RunningCameras) -> None:
    """Answers come a byte a second, and at once when the camera is well again."""
    cameras.control.set_fault("both", "slow")
    with _client(cameras, "both", wait_s=0.5) as client:
        client.socket.sendall(f"OPTIONS {cameras.url('both')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert client.socket.recv(100) == b"R"
        with pytest.raises(TimeoutError):
            client.socket.recv(100)
        cameras.control.set_fault("both", "none")
        client.socket.settimeout(10.0)
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += client.socket.recv(1_000)
        assert received.startswith(b"TSP/1.0 200 OK")


def test_a_rebooting_camera_cuts_off_every_client(cameras: RunningCameras) -> None:
    """Each session plays for the time that was said, then its connection is reset."""
    cameras.control.set_fault("both", "reboot", after_s=1)
    for _ in range(2):
        with _client(cameras, "both") as client:
            client.play()
            with pytest.raises(ConnectionResetError):
                while True:
                    client.packet()
    cameras.control.set_fault("both", "none")
    assert [entry["ended"] for entry in cameras.control.statistics("both")["ended"][-2:]] == ["rebooted"] * 2
