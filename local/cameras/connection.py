"""One client's connection: RTSP requests answered, from OPTIONS to TEARDOWN, and RTP written between the
answers.

It keeps what a session needs: nonces that were handed out, tracks that were set up, when the client was
last heard. A session whose client sends no request for the time-out is ended, as a camera does that waits
for a keep-alive.
"""

import asyncio
import secrets
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping

from local.cameras.camera import Camera
from local.cameras.digest import Account, challenge, fresh_nonce, is_authorized
from local.cameras.faults import Fault
from local.cameras.rtp import (
    PCMA_PAYLOAD_TYPE,
    SOUND_PAYLOAD_TYPE,
    VIDEO_CLOCK_HZ,
    VIDEO_PAYLOAD_TYPE,
)
from local.cameras.rtsp import (
    MalformedRequestError,
    Request,
    interleaved_channel,
    response,
    take_request,
)
from local.cameras.viewer import Track, Viewer

_NONCES_MAX = 4  # a client answers the last one; a few more are for requests that were under way
_KERNEL_BUFFER_BYTES = 1 << 18  # as little as a camera has; left alone the kernel would keep 4 MB for a client
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"


class Connection(asyncio.Protocol):
    """The protocol of one connection; `cameras` are all that the server has, by id."""

    def __init__(self, cameras: Mapping[str, Camera], members: dict[str, set["Connection"]]) -> None:
        self._cameras = cameras
        self._members = members
        self._camera: Camera | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._nonces: deque[str] = deque(maxlen=_NONCES_MAX)
        self._session = ""
        self._tracks: dict[str, Track] = {}
        self._viewer: Viewer | None = None
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._end = "closed by the client"
        self._answers: dict[str, Callable[[Camera, Request], bytes]] = {
            "DESCRIBE": self._describe,
            "SETUP": self._set_up,
            "PLAY": self._play,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
            "TEARDOWN": self._tear_down,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer: socket.socket = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._leave(self._end if exc is None else f"{self._end} ({exc})")
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        try:
            while self._transport and (request := take_request(self._buffer)) is not None:
                self._receive(request)
        except MalformedRequestError:
            self.write(response(400, "0"))
            self.close("malformed request")

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def backlog_bytes(self) -> int:
        """What the client has not taken yet and the kernel does not hold."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def close(self, reason: str) -> None:
        """End the connection after what was written has gone."""
        self._leave(reason)
        if self._transport is not None:
            self._transport.close()

    def drop(self, reason: str) -> None:
        """End the connection at once, with whatever was not sent yet."""
        self._leave(reason)
        if self._transport is not None:
            self._transport.abort()

    def reset(self, reason: str) -> None:
        """Cut the connection off with a TCP reset, as a camera does that loses its power and comes back."""
        if self._transport is not None:
            peer = self._transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop(reason)

    def say_goodbye(self, reason: str) -> None:
        """Send RTCP BYE, when the client watches, and end the connection."""
        if self._viewer is not None:
            self._viewer.say_goodbye()
        self.close(reason)

    def _leave(self, reason: str) -> None:
        self._end = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._camera is not None:
            self._members[self._camera.spec.id].discard(self)
            self._camera.remove(self._session, reason)
        self._viewer = None

    def _receive(self, request: Request) -> None:
        cseq = request.headers.get("cseq", "0")
        camera = self._cameras.get(request.path[0]) if request.path else None
        if camera is None or (self._camera is not None and camera is not self._camera):
            self.write(response(404, cseq))
            return
        self._camera = camera
        self._members[camera.spec.id].add(self)
        if camera.fault is Fault.SILENT:
            return
        if camera.fault is Fault.REFUSE and self._viewer is None:
            self.write(response(503, cseq))
            self.close("refused")
            return
        self._heard_s = asyncio.get_running_loop().time()
        if request.method == "OPTIONS":
            self.write(response(200, cseq, {"Public": _METHODS}))
            return
        if not self._is_authorized(camera, request):
            camera.refused += 1
            nonce = fresh_nonce()
            self._nonces.append(nonce)
            self.write(response(401, cseq, {"WWW-Authenticate": challenge(self._account(camera), nonce)}))
            return
        answer = self._answers.get(request.method)
        self.write(answer(camera, request) if answer else response(405, cseq, {"Allow": _METHODS}))
        if request.method == "TEARDOWN":
            self.close("TEARDOWN by the client")

    def _account(self, camera: Camera) -> Account:
        spec = camera.spec
        return Account(spec.id, spec.user, spec.password, offers_qop=spec.auth == "digest")

    def _is_authorized(self, camera: Camera, request: Request) -> bool:
        if camera.fault is Fault.UNAUTHORIZED:
            return False
        header = request.headers.get("authorization", "")
        return is_authorized(self._account(camera), header, request.method, self._nonces)

    def _describe(self, camera: Camera, request: Request) -> bytes:
        base = request.url.rstrip("/") + "/"
        headers = {"Content-Base": base, "Content-Type": "application/sdp"}
        return response(200, request.headers.get("cseq", "0"), headers, camera.session_description())

    def _set_up(self, camera: Camera, request: Request) -> bytes:
        cseq = request.headers.get("cseq", "0")
        name = request.path[1] if len(request.path) == 2 else "trackID=0"
        sound_clock_hz = camera.sound_clock_hz()
        if name not in ("trackID=0", "trackID=1") or (name == "trackID=1" and sound_clock_hz is None):
            return response(404, cseq)
        if self._viewer is not None:
            return response(455, cseq)
        channel = interleaved_channel(request.headers.get("transport", ""), default=2 * len(self._tracks))
        if channel is None:
            return response(461, cseq)
        if name == "trackID=0":
            track = Track(channel, VIDEO_PAYLOAD_TYPE, VIDEO_CLOCK_HZ)
        else:
            kind = PCMA_PAYLOAD_TYPE if camera.spec.audio == "pcma" else SOUND_PAYLOAD_TYPE
            track = Track(channel, kind, sound_clock_hz or 0)
        self._tracks[name] = track
        self._session = self._session or secrets.token_hex(8)
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={track.ssrc:08X}"
        session = f"{self._session};timeout={camera.spec.session_timeout_s}"
        return response(200, cseq, {"Transport": transport, "Session": session})

    def _has_session(self, request: Request) -> bool:
        given = request.headers.get("session", "").partition(";")[0].strip()
        return bool(self._session) and given == self._session

    def _play(self, camera: Camera, request: Request) -> bytes:
        cseq = request.headers.get("cseq", "0")
        if not self._has_session(request):
            return response(454, cseq)
        headers = {"Session": self._session, "Range": "npt=now-"}
        if self._viewer is None:
            video, sound = self._tracks.get("trackID=0"), self._tracks.get("trackID=1")
            self._viewer = Viewer(self._session, self, video, sound)
            camera.add(self._viewer)
            self._watch(camera)
            headers["RTP-Info"] = self._rtp_info(camera, request.url.rstrip("/"), self._viewer.begins_ns)
        return response(200, cseq, headers)

    def _rtp_info(self, camera: Camera, url: str, begins_ns: int) -> str:
        """Per track the sequence number and timestamp of the first packet."""
        sound_begins_ns = camera.sound_due_ns(camera.sound_from(begins_ns))
        begins = {"trackID=0": begins_ns, "trackID=1": sound_begins_ns}
        return ",".join(
            f"url={url}/{name};seq={track.sequence};rtptime={track.timestamp(begins[name])}"
            for name, track in sorted(self._tracks.items())
        )

    def _keep_alive(self, camera: Camera, request: Request) -> bytes:  # noqa: ARG002  # one shape for all answers
        cseq = request.headers.get("cseq", "0")
        if self._session and not self._has_session(request):
            return response(454, cseq)
        return response(200, cseq, {"Session": self._session} if self._session else {})

    def _tear_down(self, camera: Camera, request: Request) -> bytes:  # noqa: ARG002  # one shape for all answers
        cseq = request.headers.get("cseq", "0")
        return response(200, cseq) if self._has_session(request) else response(454, cseq)

    def _watch(self, camera: Camera) -> None:
        """End the session when its client was not heard for the time-out; look again when that may be."""
        loop = asyncio.get_running_loop()
        ends_s = self._heard_s + camera.spec.session_timeout_s
        if loop.time() >= ends_s:
            self.close("session timed out")
        else:
            self._timer = loop.call_at(ends_s, self._watch, camera)
