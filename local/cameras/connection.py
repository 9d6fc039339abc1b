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
from urllib.parse import urlsplit

from local.cameras.camera import Camera
from local.cameras.datagrams import DatagramLine
from local.cameras.digest import Account, challenge, fresh_nonce, is_authorized
from local.cameras.faults import Fault
from local.cameras.rtp import (
    SOUND_PAYLOAD_TYPES,
    VIDEO_CLOCK_HZ,
    VIDEO_PAYLOAD_TYPE,
)
from local.cameras.rtsp import (
    MalformedRequestError,
    Request,
    client_ports,
    interleaved_channel,
    response,
    take_request,
)
from local.cameras.viewer import Track, Viewer

_NONCES_MAX = 4  # a client answers the last one; a few more are for requests that were under way
_TRICKLE_S = 1.0  # a slow camera's pause after each byte
_MOVED = "moved"  # where a camera is that redirects to another path
_KERNEL_BUFFER_BYTES = 1 << 18  # as little as a camera has; left alone the kernel would keep 4 MB for a client
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"


class Connection(asyncio.Protocol):
    """The protocol of one connection; `cameras` are all that the server has, by id.

    `other_port` is where cameras are that redirect to another port; None for connections to that one.
    """

    def __init__(
        self, cameras: Mapping[str, Camera], members: dict[str, set["Connection"]], other_port: int | None = None
    ) -> None:
        self._cameras = cameras
        self._other_port = other_port
        self._members = members
        self._camera: Camera | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._nonces: deque[tuple[str, float]] = deque(maxlen=_NONCES_MAX)  # and when each was made
        self._session = ""
        self._tracks: dict[str, Track] = {}
        self._datagrams: DatagramLine | None = None
        self._viewer: Viewer | None = None
        self._trickle = bytearray()
        self._is_forgotten = False
        self._heard_s = 0.0
        self._timers: list[asyncio.TimerHandle] = []
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
        """Hand bytes to the transport, a slow camera's one by one."""
        if self._transport is None or self._transport.is_closing() or self._is_forgotten:
            return
        is_slow = self._camera is not None and self._camera.fault is Fault.SLOW
        if not is_slow and not self._trickle:
            self._transport.write(data)
            return
        was_empty = not self._trickle
        self._trickle += data
        if was_empty:
            self._drip()

    def _drip(self) -> None:
        """Send the next byte of what waits, or all of it once the camera is slow no more."""
        if self._transport is None or self._camera is None:
            return
        count = 1 if self._camera.fault is Fault.SLOW else len(self._trickle)
        self._transport.write(bytes(self._trickle[:count]))
        del self._trickle[:count]
        if self._trickle:
            self._call_later(_TRICKLE_S, self._drip)

    def backlog_bytes(self) -> int:
        """What the client has not taken yet and the kernel does not hold."""
        return len(self._trickle) + (self._transport.get_write_buffer_size() if self._transport else 0)

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

    def forget(self, reason: str) -> None:
        """Leave the connection to the kernel: it stands, nothing is read or sent any more, and it is never closed."""
        self._leave(reason)
        self._is_forgotten = True
        if self._transport is not None:
            self._transport.pause_reading()

    def say_goodbye(self, reason: str) -> None:
        """Send RTCP BYE, when the client watches, and end the connection."""
        if self._viewer is not None:
            self._viewer.say_goodbye()
        self.close(reason)

    def _leave(self, reason: str) -> None:
        self._end = reason
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._camera is not None:
            self._members[self._camera.spec.id].discard(self)
            self._camera.remove(self._session, reason)
        self._viewer = None
        if self._datagrams is not None:
            self._datagrams.close()

    def _call_later(self, after_s: float, what: Callable[[], None]) -> None:
        """Call after that time, unless the connection ends before."""
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > self._now_s()]
        self._timers.append(asyncio.get_running_loop().call_later(after_s, what))

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _receive(self, request: Request) -> None:
        cseq = request.headers.get("cseq", "0")
        camera = self._cameras.get(request.path[0]) if request.path else None
        if camera is None or (self._camera is not None and camera is not self._camera):
            self.write(response(404, cseq))
            return
        self._camera = camera
        self._members[camera.spec.id].add(self)
        if camera.fault in (Fault.SILENT, Fault.HANG):
            return
        if camera.fault is Fault.REFUSE and self._viewer is None:
            self.write(response(503, cseq))
            self.close("refused")
            return
        if request.method == "OPTIONS":
            self._heard_s = self._now_s()
            self.write(response(200, cseq, {"Public": _METHODS}))
            return
        if not self._is_authorized(camera, request, camera.spec.nonce_s):
            camera.refused += 1
            is_stale = self._is_authorized(camera, request)
            nonce = fresh_nonce()
            self._nonces.append((nonce, self._now_s()))
            asked = challenge(self._account(camera), nonce, is_stale=is_stale)
            self.write(response(401, cseq, {"WWW-Authenticate": asked}))
            return
        self._heard_s = self._now_s()
        answer = self._answers.get(request.method)
        self.write(answer(camera, request) if answer else response(405, cseq, {"Allow": _METHODS}))
        if request.method == "TEARDOWN":
            self.close("TEARDOWN by the client")

    def _account(self, camera: Camera) -> Account:
        spec = camera.spec
        return Account(spec.id, spec.user, camera.password, offers_qop=spec.auth == "digest")

    def _is_authorized(self, camera: Camera, request: Request, nonce_s: float = 0.0) -> bool:
        """Whether the request proves the password, with a nonce that is not older; 0: however old."""
        if camera.fault is Fault.UNAUTHORIZED:
            return False
        header = request.headers.get("authorization", "")
        nonces = [nonce for nonce, made_s in self._nonces if not nonce_s or self._now_s() - made_s < nonce_s]
        return is_authorized(self._account(camera), header, request.method, nonces)

    def _describe(self, camera: Camera, request: Request) -> bytes:
        place = self._redirection(camera, request)
        if place:
            return response(302, request.headers.get("cseq", "0"), {"Location": place})
        base = request.url.rstrip("/") + "/"
        headers = {"Content-Base": base, "Content-Type": "application/sdp"}
        return response(200, request.headers.get("cseq", "0"), headers, camera.session_description())

    def _redirection(self, camera: Camera, request: Request) -> str:
        """Where the client has to ask instead; empty when it is right here."""
        url = urlsplit(request.url)
        if camera.spec.redirects == "path" and _MOVED not in request.path:
            return url._replace(path=f"/{camera.spec.id}/{_MOVED}").geturl()
        if camera.spec.redirects == "port" and self._other_port is not None:
            return url._replace(netloc=f"{url.hostname}:{self._other_port}").geturl()
        return ""

    def _set_up(self, camera: Camera, request: Request) -> bytes:
        cseq = request.headers.get("cseq", "0")
        name = request.path[-1] if len(request.path) > 1 and request.path[-1] != _MOVED else "trackID=0"
        sound_clock_hz = camera.sound_clock_hz()
        clocks = {"trackID=0": None if camera.spec.sound_only else VIDEO_CLOCK_HZ, "trackID=1": sound_clock_hz}
        clock_hz = clocks.get(name)
        if clock_hz is None:
            return response(404, cseq)
        if self._viewer is not None:
            return response(455, cseq)
        kind = VIDEO_PAYLOAD_TYPE if name == "trackID=0" else SOUND_PAYLOAD_TYPES[camera.spec.audio]
        track = Track(2 * len(self._tracks), kind, clock_hz)
        transport = self._way_of(track, camera, request.headers.get("transport", ""))
        if not transport:
            return response(461, cseq)
        self._tracks[name] = track
        self._session = self._session or secrets.token_hex(8)
        session = f"{self._session};timeout={camera.spec.session_timeout_s}"
        return response(200, cseq, {"Transport": f"{transport};ssrc={track.ssrc:08X}", "Session": session})

    def _way_of(self, track: Track, camera: Camera, offers: str) -> str:
        """The transport chosen for a track among those offered, made ready; empty when there is none for it.

        All tracks of a client go the same way.
        """
        channel = interleaved_channel(offers, default=track.channel)
        if channel is not None and camera.spec.transports != "udp" and self._datagrams is None:
            track.channel = channel
            return f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        ports = client_ports(offers)
        is_first = self._datagrams is not None or not self._tracks
        if ports is None or camera.spec.transports == "tcp" or not is_first or self._transport is None:
            return ""
        if self._datagrams is None:
            self._datagrams = DatagramLine(self, self._transport.get_extra_info("peername")[0])
        port = self._datagrams.open(track.channel, ports)
        return f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]};server_port={port}-{port + 1}"

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
            self._viewer = Viewer(self._session, self._datagrams or self, video, sound)
            camera.add(self._viewer)
            self._watch(camera)
            headers["RTP-Info"] = self._rtp_info(camera, request.url.rstrip("/"), self._viewer)
            if camera.fault is Fault.REBOOT:
                self._call_later(camera.order.after_s, lambda: self.reset("rebooted"))
        return response(200, cseq, headers)

    def _rtp_info(self, camera: Camera, url: str, viewer: Viewer) -> str:
        """Per track the sequence number and timestamp of the first packet."""
        sound_begins_ns = camera.sound_due_ns(camera.sound_from(viewer.begins_ns))
        begins = {"trackID=0": viewer.first_shown_ns, "trackID=1": sound_begins_ns}
        return ",".join(
            f"url={url}/{name};seq={track.sequence};rtptime={track.timestamp(camera.media_ns(track, begins[name]))}"
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
        left_s = self._heard_s + camera.spec.session_timeout_s - self._now_s()
        if camera.fault is Fault.HANG:
            left_s = camera.spec.session_timeout_s  # it does not see the time pass
        if left_s <= 0:
            self.close("session timed out")
        else:
            self._call_later(left_s, lambda: self._watch(camera))
