"""RTSP 1.0 messages as bytes (RFC 2326): requests taken from a stream, responses made, paths and transports
read.

Interleaved frames that a client sends (RTCP receiver reports) stand between the requests and are stepped
over. It decides nothing about sessions and touches no socket.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HEAD_BYTES_MAX = 16_384  # a request line and headers; a real one has a few hundred bytes
BODY_BYTES_MAX = 65_536

_REASONS = {
    200: "OK",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}
_CLIENT_PORTS = re.compile(r"client_port\s*=\s*(\d{1,5})(?:-(\d{1,5}))?")
_INTERLEAVED = re.compile(r"interleaved\s*=\s*(\d{1,3})")


class MalformedRequestError(Exception):
    """What the client sent is not RTSP; the connection cannot go on."""


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> list[str]:
        """The non-empty parts of the URL's path: camera, and track when it names one."""
        return [part for part in urlsplit(self.url).path.split("/") if part]


def take_request(buffer: bytearray) -> Request | None:
    """Take the next request off the buffer, and what stands before it; None when it is not complete yet."""
    while True:
        while buffer[:2] == b"\r\n":  # RFC 2326 allows empty lines before a request
            del buffer[:2]
        if not buffer.startswith(b"$"):
            break
        if len(buffer) < 4 or len(buffer) < 4 + int.from_bytes(buffer[2:4], "big"):
            return None
        del buffer[: 4 + int.from_bytes(buffer[2:4], "big")]
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > HEAD_BYTES_MAX:
            raise MalformedRequestError(f"no end of headers after {HEAD_BYTES_MAX} bytes")
        return None
    request = _parse_head(bytes(buffer[:end]))
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise MalformedRequestError(f"a body of {length!r} bytes")
    if len(buffer) < end + 4 + int(length):
        return None
    del buffer[: end + 4 + int(length)]
    return request


def _parse_head(head: bytes) -> Request:
    lines = head.decode("utf-8", errors="replace").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("RTSP/1."):
        raise MalformedRequestError(f"not a request line: {lines[0][:80]!r}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedRequestError(f"not a header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    return Request(parts[0], parts[1], headers)


def response(status: int, cseq: str, headers: Mapping[str, str] | None = None, body: str = "") -> bytes:
    """A response with the request's CSeq; a body brings its Content-Length."""
    lines = [f"RTSP/1.0 {status} {_REASONS[status]}", f"CSeq: {cseq}", "Server: stand-in camera"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = body.encode()
    if content:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def interleaved_channel(transport: str, default: int) -> int | None:
    """The RTP channel of the first TCP transport a SETUP offers (RTCP takes the next one), `default` when it
    leaves the choice to the server, None when it offers no TCP.
    """
    for offer in transport.split(","):
        if "RTP/AVP/TCP" not in offer.upper():
            continue
        match = _INTERLEAVED.search(offer)
        if match is None:
            return default
        return int(match[1]) if int(match[1]) <= 254 else None
    return None


def client_ports(transport: str) -> tuple[int, int] | None:
    """The ports (RTP, RTCP) of the first unicast UDP transport a SETUP offers; None when it offers none."""
    for offer in transport.split(","):
        parts = [part.strip() for part in offer.split(";")]
        match = _CLIENT_PORTS.search(offer)
        if parts[0].upper() in ("RTP/AVP", "RTP/AVP/UDP") and "multicast" not in parts and match is not None:
            first = int(match[1])
            second = int(match[2]) if match[2] else first + 1
            return (first, second) if max(first, second) <= 65_535 else None
    return None
