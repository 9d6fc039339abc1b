"""RTSP sessions with the cameras, spoken by hand: what a client may ask, in which order, and for how long."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.cameras import RunningCameras, start_cameras
from tests.fakes.waiting import eventually
from tests.integration.cameras.conftest import PASSWORD, small
from tests.integration.cameras.rtsp_client import RtspClient

pytestmark = pytest.mark.slow


def _client(cameras: RunningCameras, camera: str, password: str = PASSWORD) -> RtspClient:
    return RtspClient(cameras.url(camera), "viewer", password)


@pytest.mark.parametrize(("camera", "offers_qop"), [("cam-1", True), ("cam-3", False)])
def test_a_session_from_options_to_teardown(cameras: RunningCameras, camera: str, offers_qop: bool) -> None:
    """Each method is answered in its turn, with digest of either age, and TEARDOWN ends the connection."""
    with _client(cameras, camera) as client:
        status, headers, _ = client.request("OPTIONS")
        assert status == 200
        for method in ("DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"):
            assert method in headers["public"]
        status, headers, description = client.request("DESCRIBE")
        assert (status, headers["content-base"]) == (200, cameras.url(camera) + "/")
        assert ("qop" in client.challenge) == offers_qop
        assert "a=control:trackID=0" in description
        headers = client.play("trackID=0", "trackID=1")
        first = dict(part.split("=", 1) for part in headers["rtp-info"].split(",")[0].split(";"))
        channel, packet = client.packet()
        while channel != 0:
            channel, packet = client.packet()
        _, _, sequence, timestamp = struct.unpack("!BBHI", packet[:8])
        assert (str(sequence), str(timestamp)) == (first["seq"], first["rtptime"])
        assert client.request("GET_PARAMETER")[0] == 200
        assert client.request("SET_PARAMETER")[0] == 200
        assert client.request("TEARDOWN")[0] == 200
        with pytest.raises(EOFError):
            client.packet()
    assert cameras.control.statistics(camera)["ended"][-1]["ended"] == "TEARDOWN by the client"


def test_each_refusal_has_a_new_nonce(cameras: RunningCameras) -> None:
    """Every 401 brings a nonce that was not handed out before."""
    refused = cameras.control.statistics("cam-1")["refused"]
    with _client(cameras, "cam-1", "wrong") as client:
        answers = [client.request_once("DESCRIBE") for _ in range(3)]
        assert client.request("DESCRIBE")[0] == 401
    assert [status for status, _, _ in answers] == [401, 401, 401]
    assert len({headers["www-authenticate"] for _, headers, _ in answers}) == 3
    assert cameras.control.statistics("cam-1")["refused"] == refused + 5


def test_what_does_not_exist_or_does_not_fit_is_refused(cameras: RunningCameras) -> None:
    """Unknown cameras, tracks, methods and sessions, UDP, and PLAY before SETUP have their own answers."""
    with RtspClient(cameras.url("cam-1").replace("cam-1", "cam-9")) as client:
        assert client.request("DESCRIBE")[0] == 404
    interleaved = "RTP/AVP/TCP;unicast;interleaved=0-1"
    with _client(cameras, "cam-2") as client:
        assert client.request("PLAY")[0] == 454
        assert client.request("SETUP", "trackID=1", Transport=interleaved)[0] == 404
        assert client.request("SETUP", "trackID=0", Transport="RTP/AVP;unicast;client_port=5000-5001")[0] == 461
        assert client.request("RECORD")[0] == 405
        assert client.request("SETUP", "trackID=0", Transport=interleaved)[0] == 200
        assert client.request("PLAY", Session="other")[0] == 454
        assert client.request("PLAY")[0] == 200
        assert client.request("SETUP", "trackID=0", Transport=interleaved)[0] == 455


def test_what_is_not_rtsp_ends_the_connection(cameras: RunningCameras) -> None:
    """A client that speaks HTTP is told so and closed."""
    with _client(cameras, "cam-1") as client:
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: camera\r\n\r\n")
        assert client.socket.recv(1_000).startswith(b"RTSP/1.0 400 ")
        assert client.socket.recv(1_000) == b""


def test_a_session_without_keep_alive_ends(cameras: RunningCameras) -> None:
    """A client that plays and asks nothing for the session's time-out is ended; one that asks stays."""
    with RtspClient(cameras.url("cam-4")) as quiet, RtspClient(cameras.url("cam-4")) as asking:
        quiet.play()
        asking.play()
        quiet_session, asking_session = quiet.session, asking.session

        def ended() -> bool:
            assert asking.request("GET_PARAMETER")[0] == 200
            return quiet_session in {entry["session"] for entry in cameras.control.statistics("cam-4")["ended"]}

        eventually(ended, 10.0)
        statistics = cameras.control.statistics("cam-4")
        assert [entry["session"] for entry in statistics["sessions"]] == [asking_session]
        assert statistics["ended"][-1]["ended"] == "session timed out"
        with pytest.raises(EOFError):
            while True:
                quiet.packet()


@contextmanager
def _reading_little(url: str) -> Iterator[RtspClient]:
    """A client whose kernel keeps hardly anything for it."""
    with RtspClient(url) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        yield client


def test_a_client_that_does_not_read_is_dropped(cache: Path, tmp_path: Path) -> None:
    """A client that stops reading is dropped within bounded memory while another misses no frame."""
    spec = small("cam-1", "h264", fps=60, gop_s=0.2, loop_s=0.6, bitrate=20_000_000, user="", password="")
    with start_cameras([spec], cache, tmp_path) as cameras, _reading_little(cameras.url("cam-1")) as slow:
        slow.play()
        with RtspClient(cameras.url("cam-1")) as good:
            good.play()
            sequences = []

            def dropped() -> bool:
                for _ in range(50):
                    channel, packet = good.packet()
                    if channel == 0:
                        sequences.append(int.from_bytes(packet[2:4], "big"))
                return bool(cameras.control.statistics("cam-1")["ended"])

            eventually(dropped, 60.0)
            entry = cameras.control.statistics("cam-1")["ended"][0]
            assert (entry["session"], entry["ended"]) == (slow.session, "too slow")
            assert [entry["session"] for entry in cameras.control.statistics("cam-1")["sessions"]] == [good.session]
            assert sequences == [(sequences[0] + place) % 65536 for place in range(len(sequences))]
