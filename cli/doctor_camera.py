"""Tests one camera step by step: name, port, password, stream, first keyframe. Every refusal says what to do.

A refusal's text is `what is wrong -> what to do`.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import av
from av.error import FFmpegError, HTTPUnauthorizedError

from cli.doctor_folder import examine_folder
from components.shared.errors import Rejected, Transient
from components.shared.runtime.secrets import Secret, read_secret
from components.shared.wire.site_config import FOLDER_SCHEME, SourceSection

CONNECT_S_MAX = 5.0
KEYFRAME_S_MAX = 15.0
"""The longest GOP that cameras are shipped with is 10 s."""

RTSP_PORT = 554


def examine_camera(data: Path, camera: str, source: SourceSection) -> str:
    """What the camera sends, in a few words; Transient or Rejected with advice when it cannot be recorded."""
    if source.url.startswith(FOLDER_SCHEME):
        return examine_folder(source.url)
    parts = urlsplit(source.url)
    host, port = parts.hostname or "", parts.port or RTSP_PORT
    _connect(host, port)
    url = Secret(source.url)
    if source.secret is not None:
        user, _, password = read_secret(data, source.secret).reveal().partition(":")
        account = f"{quote(user, safe='')}:{quote(password, safe='')}@"
        url = Secret(urlunsplit(parts._replace(netloc=account + parts.netloc)))
    return _watch(camera, url, source)


def _connect(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), CONNECT_S_MAX).close()
    except socket.gaierror as error:
        raise Rejected(f"the name {host} is not known -> check the URL, or use the camera's address") from error
    except ConnectionRefusedError as error:
        advice = f"is RTSP switched on in the camera, and on port {port}?"
        raise Transient(f"{host} refuses connections on port {port} -> {advice}") from error
    except OSError as error:
        advice = "is the camera powered and in this network?"
        raise Transient(f"{host} does not answer on port {port} ({error}) -> {advice}") from error


def _watch(camera: str, url: Secret, source: SourceSection) -> str:
    options: dict[str, str] = {"rtsp_transport": source.transport}
    begun = time.monotonic()
    try:
        with av.open(url.reveal(), options=options, timeout=(CONNECT_S_MAX, CONNECT_S_MAX)) as container:
            if not container.streams.video:
                raise Rejected(f"{source.url} has no video -> is it the right path? The camera's manual names it")
            video = container.streams.video[0]
            for packet in container.demux(video):
                if packet.is_keyframe and packet.size:
                    seconds = time.monotonic() - begun
                    context = video.codec_context
                    return f"{context.name} {context.width}x{context.height}, first keyframe after {seconds:.1f} s"
                if time.monotonic() - begun > KEYFRAME_S_MAX:
                    break
    except HTTPUnauthorizedError as error:
        name = source.secret or camera
        advice = f"set it with `./nvr secret set {name}`" + (
            "" if source.secret else f" and name it: source.secret {name}"
        )
        raise Rejected(f"the camera refuses user or password -> {advice}") from error
    except FFmpegError as error:
        # The error's own text may carry the URL with the password: only its kind is told.
        advice = f"try {source.url} in another player; is its path right?"
        raise Transient(f"the stream cannot be opened ({type(error).__name__}) -> {advice}") from error
    advice = "shorten the camera's key frame interval to 1 to 2 s"
    raise Rejected(f"no keyframe came within {KEYFRAME_S_MAX:.0f} s -> {advice}")
