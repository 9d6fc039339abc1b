"""A plain RTSP client on a blocking socket: requests, digest answers, interleaved packets. A judge, not a recorder."""

import hashlib
import re
import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

WAIT_S = 10.0  # far above what any answer takes, so that only a fault reaches it


class RtspClient:
    """One connection. `url` has no credentials; `user` and `password` answer a challenge when one comes."""

    def __init__(self, url: str, user: str = "", password: str = "", wait_s: float = WAIT_S) -> None:
        self.url, self._user, self._password = url, user, password
        self.session = ""
        self.challenge = ""
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self.socket = socket.create_connection((address.hostname, address.port), wait_s)
        self._buffer = b""
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def request(self, method: str, track: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """Ask once, and again with an answer when a password is asked for; gives status, headers and body."""
        answer = self.request_once(method, track, **headers)
        if answer[0] == 401 and self._user:
            self.challenge = answer[1]["www-authenticate"]
            answer = self.request_once(method, track, **headers)
        return answer

    def request_once(self, method: str, track: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        self._sequence += 1
        url = f"{self.url}/{track}" if track else self.url
        fields = {"CSeq": str(self._sequence), **headers}
        if self.session and "Session" not in fields:
            fields["Session"] = self.session
        if self.challenge:
            fields["Authorization"] = self._authorization(method, url)
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in fields.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while (packet := self._take()) is not None:
            assert packet, "an interleaved packet"
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        found = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in rest}
        size = int(found.get("content-length", "0"))
        while len(self._buffer) < size:
            self._receive()
        body, self._buffer = self._buffer[:size].decode(), self._buffer[size:]
        self.session = self.session or found.get("session", "").partition(";")[0]
        return int(first.split(" ")[1]), found, body

    def play(self, *tracks: str) -> dict[str, str]:
        """Set up the tracks (the picture when none is named) and play; gives the headers of the last answer."""
        for place, track in enumerate(tracks or ("trackID=0",)):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * place}-{2 * place + 1}"
            assert self.request("SETUP", track, Transport=transport)[0] == 200
        status, headers, _ = self.request("PLAY")
        assert status == 200
        return headers

    def packet(self) -> tuple[int, bytes]:
        """The next interleaved packet: channel and content; EOFError when the camera has ended the connection."""
        while (packet := self._take()) is None:
            _, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return packet

    def _take(self) -> tuple[int, bytes] | None:
        """The next interleaved packet, or None when a whole head of an answer stands at the front."""
        while True:
            if self._buffer.startswith(b"$") and len(self._buffer) >= 4:
                end = 4 + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) >= end:
                    packet, self._buffer = self._buffer[:end], self._buffer[end:]
                    return packet[1], packet[4:]
            elif b"\r\n\r\n" in self._buffer and not self._buffer.startswith(b"$"):
                return None
            self._receive()

    def _receive(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError
        self._buffer += data

    def _authorization(self, method: str, url: str) -> str:
        field = dict(re.findall(r'(\w+)="([^"]*)"', self.challenge))
        secret = _md5(f"{self._user}:{field['realm']}:{self._password}")
        request = _md5(f"{method}:{url}")
        answer = f'Digest username="{self._user}", realm="{field["realm"]}", nonce="{field["nonce"]}", uri="{url}"'
        if "qop" in field:
            proof = _md5(f"{secret}:{field['nonce']}:00000001:abcd:auth:{request}")
            return f'{answer}, qop=auth, nc=00000001, cnonce="abcd", response="{proof}"'
        proof = _md5(f"{secret}:{field['nonce']}:{request}")
        return f'{answer}, response="{proof}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
