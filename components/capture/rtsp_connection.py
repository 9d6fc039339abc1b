"""A connection to a camera's RTSP port: connecting, asking and being answered, logging in. A door to sockets.

It knows the protocol's dialogue, not what is asked for. Whatever goes wrong is SourceFailed or SourceRefused, with a
sentence that names camera and place, and never a password.
"""

from __future__ import annotations

import secrets
import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from components.capture.core.rtsp.dialogue import Garbled, Incoming, Message, Take, answer, request
from components.capture.core.rtsp.lane import Lane
from components.capture.core.rtsp.login import Challenge, authorization, choose_challenge
from components.capture.packet_source import SourceFailed, SourceRefused, SourceRequest
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_MS, NS_PER_S

RECEIVE_BYTES = 64 * 1024
"""Of one call: below what the allocator takes from the system each time."""

WAKE_BYTES = 96 * 1024
"""So much makes a wait end before its time: half of what the system holds for a socket by default."""

LOGIN_TRIES_MAX = 4
"""Without a login, with one, once more with a nonce that has gone stale meanwhile, and with a secret that is newer."""

PORTS = {"rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def place_of(url: str) -> Place:
    """Host and port of a URL, without anything secret."""
    parts = urlsplit(url)
    return Place(parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, PORTS["rtsp"]))


class RtspConnection:
    """One connection; used by one thread, `close` by any."""

    def __init__(self, asked: SourceRequest, url: str, clock: Clock, open_s_max: float) -> None:
        """Connects. SourceFailed when nobody takes the connection within `open_s_max`."""
        self._asked = asked
        self._login = asked.login
        self._clock = clock
        self._open_s_max = open_s_max
        self._incoming = Incoming()
        self._early: list[tuple[int, memoryview]] = []
        self._sequence = 0
        self._challenge: Challenge | None = None
        self._uses = 0
        self._is_closed = False
        self.place = place_of(url)
        self.where = f"camera {asked.camera}: {self.place}"
        self._socket = self._connect()

    @property
    def is_closed(self) -> bool:
        """Whether somebody has closed it."""
        return self._is_closed

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def peer(self) -> str:
        """The camera's address as a number."""
        return str(self._socket.getpeername()[0])

    @property
    def messages(self) -> list[Message]:
        """What the camera has said that nobody waited for; the caller empties it."""
        return self._incoming.messages

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Message:
        """Ask and wait for the answer, logging in where that is asked for; other answers than 200 are given back."""
        deadline_ns = self._clock.monotonic_ns() + int(self._open_s_max * NS_PER_S)
        for _ in range(LOGIN_TRIES_MAX):
            number = self.say(method, url, headers)
            message = self._wait_answer(number, deadline_ns)
            if message.status != 401 or not self.take_challenge(message):
                break
        if message.status in (401, 403):
            raise self.refused()
        return message

    def say(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> int:
        """Ask without waiting; gives the number that the answer will carry."""
        self._sequence += 1
        fields = dict(headers or {})
        if self._challenge is not None and self._login is not None:
            self._uses += 1
            nonce = secrets.token_hex(8)
            fields["Authorization"] = authorization(self._challenge, self._login, method, url, self._uses, nonce)
        self.send(request(method, url, self._sequence, fields))
        return self._sequence

    def take_challenge(self, message: Message) -> bool:
        """Whether the 401 can be answered with another login than the one that it refuses.

        When the login itself is refused, its secret is read again: it may have been rotated since the connection began.
        """
        found = choose_challenge(message.challenges)
        if found is None or self._login is None:
            return False
        is_new = self._challenge is None or found.is_stale
        if not is_new and (newer := self._asked.newer_login(self._login)) is not None:
            self._login = newer
            is_new = True
        self._challenge = found
        self._uses = 0
        return is_new

    def refused(self) -> SourceRefused:
        """What to raise when the camera refuses the login."""
        named = self._asked.secret
        if self._login is None:
            advice = "asks for a user and password, and its document names no secret: set `source.secret`"
        else:
            whose = f"those in secret {named}" if named else "those given"
            advice = f"refuses the user or password, {whose}: `./nvr secret set {named}`"
        return SourceRefused("authentication", f"{self.where} {advice}")

    def send(self, data: bytes) -> None:
        """Hand bytes to the system, which holds what is as short as ours."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self.broken(error) from None

    def set_lane(self, lane: Lane) -> None:
        """From now on `lane` takes what it can of what comes."""
        self._incoming.lane = lane

    def receive(self, wait_ns: int, take: Take) -> int | None:
        """Hand on the interleaved packets that come within `wait_ns`, at once when it is much.

        Gives how many bytes came; None when the connection is over.
        """
        early, self._early = self._early, []
        for channel, payload in early:
            take(channel, payload)
        if wait_ns and not early:
            self._wait(wait_ns)
        received_bytes = len(early)
        while (data := self._read()) is not None:
            if not data:
                return None
            received_bytes += len(data)
            try:
                self._incoming.feed(data, take)
            except Garbled as error:
                raise SourceFailed("unreachable", f"{self.where} sends what is not RTSP: {error}") from None
            if len(data) < RECEIVE_BYTES:
                break
        self._answer_requests()
        return received_bytes

    def broken(self, error: OSError) -> SourceFailed:
        """What to raise when the system says that."""
        return SourceFailed("unreachable", f"{self.where}: reading broke off: {error.strerror or error}")

    def fileno(self) -> int:
        """The socket's, for waiting."""
        return self._socket.fileno()

    def interrupt(self) -> None:
        """Have whoever waits for the camera stop waiting; for any thread."""
        self._is_closed = True
        with suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        self._is_closed = True
        self._socket.close()

    def _connect(self) -> socket.socket:
        place = self.place
        try:
            made = socket.create_connection((place.host, place.port), timeout=self._open_s_max)
        except ConnectionRefusedError:
            text = f"{self.where} refuses the connection: is RTSP switched on, is the port right?"
            raise SourceFailed("unreachable", text) from None
        except TimeoutError:
            raise self._too_late() from None
        except OSError as error:
            text = f"{self.where} cannot be reached: {error.strerror or error}"
            raise SourceFailed("unreachable", text) from None
        except UnicodeError:
            raise SourceFailed("unreachable", f"{self.where} is no name of a host") from None
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if place.scheme == "rtsps":
                return self._encrypted(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        except BaseException:
            made.close()
            raise
        return made

    def _encrypted(self, plain: socket.socket) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Cameras sign their own certificates: what is kept from others is the picture, not who sends it.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(plain, server_hostname=self.place.host)
        except (OSError, ValueError) as error:
            text = f"{self.where} does not speak TLS: {error}"
            raise SourceFailed("unreachable", text) from None

    def wait_for_much(self) -> None:
        """From now on a wait ends early only when `WAKE_BYTES` have come: waking for each packet costs more than it."""
        if not isinstance(self._socket, ssl.SSLSocket):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WAKE_BYTES)
        self._socket.setblocking(False)

    def _wait(self, wait_ns: int) -> None:
        """Wait until much has come or the time is over; what is less is read then."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(wait_ns / NS_PER_MS)

    def _read(self) -> bytes | None:
        """What is there now; None when there is nothing, empty at the end."""
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
            return None
        except OSError as error:
            if self._is_closed:
                return b""
            raise self.broken(error) from None

    def _wait_answer(self, number: int, deadline_ns: int) -> Message:
        while True:
            for place, message in enumerate(self._incoming.messages):
                if message.status and message.sequence in (number, 0):
                    del self._incoming.messages[place]
                    return message
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                raise self._too_late()
            self._socket.settimeout(left_ns / NS_PER_S)
            if not self._take_some():
                text = f"{self.where} answers, but not with a video stream over RTSP"
                raise SourceFailed("unreachable", text)
            self._answer_requests()

    def _take_some(self) -> bool:
        """Read once while an answer is waited for; whether it may still come."""
        data = self._read()
        if not data:
            return data is None
        try:
            self._incoming.feed(data, lambda channel, payload: self._early.append((channel, payload)))
        except Garbled:
            return False
        return True

    def _answer_requests(self) -> None:
        """Say yes to what the camera asks by itself: that we are there. Its TEARDOWN stays for the caller."""
        for message in [found for found in self._incoming.messages if not found.status]:
            self.send(answer(message.sequence))
            if message.method not in ("TEARDOWN", "REDIRECT"):
                self._incoming.messages.remove(message)

    def _too_late(self) -> SourceFailed:
        return SourceFailed("unreachable", f"{self.where} does not answer within {self._open_s_max:.0f} s")
