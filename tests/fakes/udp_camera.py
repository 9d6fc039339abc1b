"""A camera that sends RTP over UDP, as the stand-in cameras do not: one viewer, H.264, real time, loss on demand."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from components.capture.core.parameter_sets import nal_units
from local.cameras.rtp import packetise
from tests.fakes.encoded_pictures import pictures

FPS = 15
_STEP = 90_000 // FPS
_SSRC = 0x0BADCAFE


class UdpCamera:
    """Serves `rtsp://127.0.0.1:PORT/udp`. Its SDP names no parameter sets: they come in the stream alone."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        """The access units sent so far."""
        self.loses_every = 0
        self._rtsp = socket.create_server(("127.0.0.1", 0))
        self._rtsp.settimeout(0.1)
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media.bind(("127.0.0.1", 0))
        self._stop = threading.Event()
        self._viewer: tuple[str, int] | None = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve, self._send)]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self._rtsp.getsockname()[1]}/udp"

    def start(self) -> None:
        """Listen."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send and answer nothing any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)
        self._rtsp.close()
        self._media.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._rtsp.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(0.1)
                self._talk(connection)
                self._viewer = None

    def _talk(self, connection: socket.socket) -> None:
        held = b""
        while not self._stop.is_set():
            try:
                received = connection.recv(4_096)
            except TimeoutError:
                continue
            except OSError:
                return
            if not received:
                return
            held += received
            while b"\r\n\r\n" in held:
                request, _, held = held.partition(b"\r\n\r\n")
                connection.sendall(self._answer(request.decode()))

    def _answer(self, request: str) -> bytes:
        method = request.partition(" ")[0]
        sequence = re.search(r"(?i)cseq: *(\d+)", request)
        head = f"RTSP/1.0 200 OK\r\nCSeq: {sequence[1] if sequence else 0}\r\nSession: 1\r\n"
        body = ""
        if method == "DESCRIBE":
            body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=udp\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            body += "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
            head += "Content-Type: application/sdp\r\n"
        if method == "SETUP":
            ports = re.search(r"client_port=(\d+)-(\d+)", request)
            assert ports is not None, request
            port = self._media.getsockname()[1]
            head += f"Transport: RTP/AVP;unicast;client_port={ports[1]}-{ports[2]};server_port={port}-{port + 1}\r\n"
            self._viewer = None
            self._port = int(ports[1])
        if method == "PLAY":
            self._viewer = ("127.0.0.1", self._port)
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def _send(self) -> None:
        stream = pictures("h264", 30, 5, 320, 240)
        number = sequence = 0
        while not self._stop.wait(1 / FPS):
            picture = stream[number % len(stream)]
            payloads = packetise("h264", list(nal_units(picture.payload)))
            for place, payload in enumerate(payloads):
                marker = (place == len(payloads) - 1) << 7 | 96
                header = struct.pack("!BBHII", 0x80, marker, sequence & 0xFFFF, number * _STEP & 0xFFFFFFFF, _SSRC)
                sequence += 1
                viewer = self._viewer
                if viewer is not None and not (self.loses_every and sequence % self.loses_every == 0):
                    self._media.sendto(header + payload, viewer)
            if self._viewer is not None:
                self.sent.append(picture.payload)
            number += 1


@contextmanager
def udp_camera() -> Iterator[UdpCamera]:
    """One that runs while the context lasts."""
    camera = UdpCamera()
    camera.start()
    try:
        yield camera
    finally:
        camera.stop()
