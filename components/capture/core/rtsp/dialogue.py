"""RTSP requests as bytes, and what a camera sends back taken out of a stream of bytes: answers, requests, RTP.

Everything that a camera sends is hostile until it is parsed: every length has a limit, and what breaks one is Garbled.
Sources: RFC 2326 (RTSP 1.0), 10.12 for interleaved data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from components.capture.core.rtsp.lane import Lane
from components.shared.errors import Rejected

HEAD_BYTES_MAX = 16 * 1024
"""Headers of real cameras are below 1 KiB; this is what a garbled stream may make us wait for."""

BODY_BYTES_MAX = 256 * 1024
"""A session description of a camera is below 4 KiB."""

SKIP_BYTES_MAX = 256 * 1024
"""Bytes between messages that are neither: some firmware sends a few of them after a lost packet."""

_MARK = 0x24  # "$", which begins interleaved data
_INTERLEAVED_BYTES = 4  # mark, channel, length
_NAMES = (b"RTSP/1.", b"OPTIONS ", b"GET_PARAMETER ", b"SET_PARAMETER ", b"ANNOUNCE ", b"REDIRECT ", b"TEARDOWN ")
"""What a message of a camera begins with: an answer, or one of the requests that a server may send (RFC 2326, 10)."""


Take = Callable[[int, memoryview], None]
"""What is done with an interleaved packet: its channel and payload."""


class Garbled(Rejected):
    """What came is not RTSP."""


@dataclass(frozen=True, slots=True)
class Message:
    """An answer (`status` above 0) or a request of the camera's (`method`); header names are in lower case."""

    status: int
    reason: str
    method: str
    headers: Mapping[str, str]
    challenges: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def sequence(self) -> int:
        """Its CSeq; 0 without one that is a number."""
        text = self.headers.get("cseq", "").strip()
        return int(text) if text.isdecimal() else 0


def request(method: str, url: str, sequence: int, headers: Mapping[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {sequence}", "User-Agent: EdgeNVR"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(sequence: int) -> bytes:
    """The answer to a camera's own request: it is heard."""
    return f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n\r\n".encode()


@dataclass(slots=True)
class Incoming:
    """What has come on a connection and is not taken yet.

    Interleaved packets are handed on one by one as they are found, because what the `lane` (if there is one) may take
    depends on the packet before; messages are put into `messages`.
    """

    messages: list[Message] = field(default_factory=list)
    skipped_bytes: int = 0
    lane: Lane | None = None
    _rest: bytes = b""

    def feed(self, data: bytes, take: Take) -> None:
        """Take the next bytes; `take` gets the channel and payload, a view of them, of every packet.

        Garbled when they cannot be RTSP.
        """
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        end = len(data)
        place = 0
        while place < end:
            if self.lane is not None:
                place = self.lane.take(data, view, place)
            if end - place < _INTERLEAVED_BYTES:
                break
            if data[place] == _MARK:
                begin = place + _INTERLEAVED_BYTES
                after = begin + (data[place + 2] << 8 | data[place + 3])
                if after > end:
                    break
                take(data[place + 1], view[begin:after])
                place = after
                continue
            taken = self._take_message(data, place)
            if taken == place:
                break
            place = taken
        self._rest = data[place:]

    def _take_message(self, data: bytes, place: int) -> int:
        """Take the message that begins at `place`; where it ends, or `place` while it is not complete."""
        start = data[place : place + 16]
        if not any(start.startswith(name) or name.startswith(start) for name in _NAMES):
            return self._skip(data, place)
        head_end = data.find(b"\r\n\r\n", place, place + HEAD_BYTES_MAX)
        if head_end < 0:
            if len(data) - place >= HEAD_BYTES_MAX:
                raise Garbled(f"its headers are longer than {HEAD_BYTES_MAX} bytes")
            return place
        message = parse_head(data[place:head_end])
        length_text = message.headers.get("content-length", "0").strip()
        length = int(length_text) if length_text.isdecimal() and len(length_text) < 9 else -1
        if not 0 <= length <= BODY_BYTES_MAX:
            raise Garbled(f"its Content-Length is {length_text[:20]!r}")
        body_start = head_end + 4
        if len(data) < body_start + length:
            return place
        body = bytes(data[body_start : body_start + length])
        self.messages.append(
            Message(message.status, message.reason, message.method, message.headers, message.challenges, body)
        )
        return body_start + length

    def _skip(self, data: bytes, place: int) -> int:
        """Go on to the next byte that may begin something."""
        marks = [data.find(b"$", place + 1), data.find(b"RTSP/1.", place + 1)]
        following = min((mark for mark in marks if mark >= 0), default=len(data))
        self.skipped_bytes += following - place
        if self.skipped_bytes > SKIP_BYTES_MAX:
            raise Garbled("what comes is neither RTSP nor RTP")
        return following


def parse_head(head: bytes) -> Message:
    """The first line and headers of a message; Garbled when the first line is neither an answer's nor a request's."""
    lines = head.decode("utf-8", errors="replace").split("\r\n")
    headers: dict[str, str] = {}
    challenges = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        name, value = name.strip().lower(), value.strip()
        if name == "www-authenticate":
            challenges.append(value)
        headers.setdefault(name, value)
    first = lines[0].split(" ", 2)
    if first[0].startswith("RTSP/"):
        if len(first) < 2 or not first[1].isdecimal() or len(first[1]) != 3:
            raise Garbled(f"its answer begins with {lines[0][:60]!r}")
        return Message(int(first[1]), first[2] if len(first) > 2 else "", "", headers, tuple(challenges))
    return Message(0, "", first[0], headers)
