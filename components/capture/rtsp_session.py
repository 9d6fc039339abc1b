"""A camera's RTSP session from its description to PLAY: what it offers, which streams are read, how they come.

Over TCP all of it comes on the one connection, interleaved; over UDP each stream has two ports of ours.
"""

from __future__ import annotations

import re
import secrets
import socket
from dataclasses import dataclass

from components.capture.core.rtsp.description import Description, Media, parse_description
from components.capture.core.rtsp.dialogue import Message
from components.capture.core.rtsp.rtp import Sequence
from components.capture.packet_source import SourceFailed, SourceRefused, SourceRequest
from components.capture.rtsp_connection import RtspConnection, place_of
from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_S

REDIRECTS_MAX = 3
TIMEOUT_S = 60
"""How long a session lives without being heard of when the camera says nothing else (RFC 2326, 12.37)."""

UDP_BUFFER_BYTES = 1024 * 1024
"""A keyframe of 8 Mbit/s is 200 kB and comes in one burst; the system's default loses half of it."""

UDP_PORT_TRIES_MAX = 50

_REFUSALS = (453, 503)
"""Not enough bandwidth, or too many clients: after this a camera ends the connection. Other answers may mean that it
does not know OPTIONS.
"""

_VIDEO = {"h264": "h264", "h265": "h265", "hevc": "h265"}
_INTERLEAVED = re.compile(r"interleaved=(\d{1,3})-(\d{1,3})")
_SERVER_PORTS = re.compile(r"server_port=(\d{1,5})(?:-(\d{1,5}))?")
_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,6})")


@dataclass(slots=True)
class Track:
    """One stream that is read. `channel` is that of its RTP, the next one that of its RTCP; over UDP `sockets`."""

    media: Media
    channel: int
    sequence: Sequence
    sockets: tuple[socket.socket, socket.socket] | None = None
    server_ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What is playing. `keep_alive_ns` is how often the camera wants to hear of us at the latest."""

    connection: RtspConnection
    url: str
    description: Description
    tracks: tuple[Track, ...]
    headers: dict[str, str]
    keep_alive_method: str
    keep_alive_ns: int
    own_source: int


def open_session(asked: SourceRequest, clock: Clock, open_s_max: float) -> Session:
    """Connect, log in, choose the streams and have them play. SourceFailed, SourceRefused."""
    url = asked.url
    for _ in range(REDIRECTS_MAX + 1):
        connection = RtspConnection(asked, url, clock, open_s_max)
        try:
            options = connection.ask("OPTIONS", url)
            if options.status in _REFUSALS:
                _check(connection, url, "OPTIONS", options)
            described = connection.ask("DESCRIBE", url, {"Accept": "application/sdp"})
            if described.status // 100 == 3:
                url = _redirected(connection, described)
                connection.close()
                continue
            return _set_up(asked, connection, url, options, described)
        except BaseException:
            connection.close()
            raise
    raise SourceFailed(
        "unreachable", f"camera {asked.camera}: {place_of(url)} sends us on more than {REDIRECTS_MAX} times"
    )


def _set_up(
    asked: SourceRequest, connection: RtspConnection, url: str, options: Message, described: Message
) -> Session:
    _check(connection, url, "DESCRIBE", described)
    base = described.headers.get("content-base") or described.headers.get("content-location") or url
    try:
        description = parse_description(described.body, _without_login(base))
    except Rejected as error:
        text = f"{connection.where} answers, but not with a video stream over RTSP: {error}"
        raise SourceFailed("unreachable", text) from error
    tracks: list[Track] = []
    headers: dict[str, str] = {}
    timeout_s = TIMEOUT_S
    try:
        for media in choose_media(asked, description):
            track = _track(asked, connection, media, 2 * len(tracks))
            tracks.append(track)
            told = connection.ask("SETUP", media.control, {**headers, "Transport": _transport(track)})
            _check(connection, media.control, "SETUP", told)
            _note_transport(track, told)
            session, _, parameters = told.headers.get("session", "").partition(";")
            if session.strip():
                headers["Session"] = session.strip()
            found = _TIMEOUT.search(parameters)
            timeout_s = int(found[1]) if found else timeout_s
        played = connection.ask("PLAY", description.control, {**headers, "Range": "npt=0.000-"})
        _check(connection, description.control, "PLAY", played)
    except BaseException:
        close_sockets(tracks)
        raise
    method = "GET_PARAMETER" if "GET_PARAMETER" in options.headers.get("public", "") else "OPTIONS"
    keep_alive_ns = max(1, timeout_s) * NS_PER_S // 2
    return Session(
        *(connection, description.control, description, tuple(tracks), headers, method, keep_alive_ns),
        secrets.randbits(32),
    )


def choose_media(asked: SourceRequest, description: Description) -> list[Media]:
    """The first video stream, and the first audio when it is wanted. SourceRefused without video that we record."""
    where = f"camera {asked.camera}"
    video = next((media for media in description.media if media.kind == "video"), None)
    if video is None:
        raise SourceRefused("undecodable", f"{where}: the camera offers no video at this URL")
    if video.encoding not in _VIDEO:
        advice = "set it to H.264 or H.265"
        raise SourceRefused("undecodable", f"{where}: the camera sends {video.encoding} video: {advice}")
    audio = next((media for media in description.media if media.kind == "audio"), None)
    return [video] if audio is None or not asked.wants_audio else [video, audio]


def close_sockets(tracks: list[Track] | tuple[Track, ...]) -> None:
    """Let go of the ports of all tracks."""
    for track in tracks:
        for each in track.sockets or ():
            each.close()


def _check(connection: RtspConnection, url: str, method: str, message: Message) -> None:
    """SourceFailed unless the camera said yes."""
    if message.status == 200:
        return
    where = connection.where
    if message.status == 404:
        path = "/" + url.partition("://")[2].partition("/")[2]
        raise SourceFailed("unreachable", f"{where} has no stream {path} (404): check the path of its URL")
    if message.status == 461:
        raise SourceFailed("unreachable", f"{where} does not send over this transport (461): try the other one")
    reason = f"{message.status} {message.reason[:60]}".strip()
    raise SourceFailed("unreachable", f"{where} refuses to send now: {method} was answered with {reason}")


def _redirected(connection: RtspConnection, message: Message) -> str:
    target = _without_login(message.headers.get("location", ""))
    if not target.startswith(("rtsp://", "rtsps://")):
        raise SourceFailed("unreachable", f"{connection.where} sends us on to what is no RTSP URL")
    return target


def _without_login(url: str) -> str:
    """A URL as a camera tells it, without the login that some put into it."""
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}"


def _track(asked: SourceRequest, connection: RtspConnection, media: Media, channel: int) -> Track:
    if asked.transport == "tcp":
        return Track(media, channel, Sequence(waits=False))
    return Track(media, channel, Sequence(waits=True), _port_pair(connection))


def _port_pair(connection: RtspConnection) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets, the first on an even port and the second on the next one (RFC 3550, 11)."""
    family = socket.AF_INET6 if ":" in connection.peer else socket.AF_INET
    for _ in range(UDP_PORT_TRIES_MAX):
        pair = (socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM))
        try:
            pair[0].bind(("", 0))
            port = pair[0].getsockname()[1]
            if port % 2 == 0:
                pair[1].bind(("", port + 1))
                for each in pair:
                    each.setblocking(False)
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
                return pair
        except OSError:
            pass  # the port behind it is taken: another pair is tried
        for each in pair:
            each.close()
    raise SourceFailed("unreachable", f"{connection.where}: this box has no two UDP ports left to receive on")


def _transport(track: Track) -> str:
    if track.sockets is None:
        return f"RTP/AVP/TCP;unicast;interleaved={track.channel}-{track.channel + 1}"
    port = track.sockets[0].getsockname()[1]
    return f"RTP/AVP;unicast;client_port={port}-{port + 1}"


def _note_transport(track: Track, message: Message) -> None:
    told = message.headers.get("transport", "")
    if track.sockets is None:
        found = _INTERLEAVED.search(told)
        track.channel = int(found[1]) if found else track.channel
        return
    ports = _SERVER_PORTS.search(told)
    if ports is not None:
        track.server_ports = (int(ports[1]), int(ports[2] or int(ports[1]) + 1))
