"""Reads a camera over RTSP by libav: the one place that opens streams with PyAV.

Credentials are put into the URL at the last moment, because libav takes them nowhere else. Its errors carry that URL,
so they are never chained or shown: each is translated into a sentence of ours that names the camera and what to do.

What libav does that matters here (FFmpeg 8.1, PyAV 18.1):

- Opening reads packets to learn about the streams and gives them out later, all at once: their arrival is late.
- The first picture has no times (see the timeline); with B-frames the first few have no decode times (`first_times`).
- A camera that sends it elsewhere (302) is followed, but over the new connection its answer to the old one's challenge
  is all it has: a camera that asks anew is opened again, at the place where it is.
- A call that waits for a packet cannot be broken off from another thread; it ends by its own limit, `READ_S_MAX`. Who
  wants to stop leaves the reading thread behind; it closes the source itself.
- Sender reports (RTCP) appear as side data `prft` of packets: AVProducerReferenceTime, its first 8 bytes the sender's
  wall clock in microseconds.
- Lost network packets are told in its log alone ("RTP: missed 3 packets").
- PyAV gives a thread's log lines to what began to listen last in that thread, and who stops listening silences that
  one, not itself. So nobody listens for longer than a call: a source that was left in the middle, and goes when Python
  pleases, would take the ears of the next. Like lines of different cameras it takes for repetitions and keeps back,
  unless told not to.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from components.capture.core.first_times import FirstTimes
from components.capture.core.packets import (
    AAC,
    G711,
    AudioParameters,
    EncodedPacket,
    StreamParameters,
    VideoCodec,
    VideoParameters,
)
from components.capture.packet_source import OpenSource, PacketSource, SourceFailed, SourceRefused, SourceRequest
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import redact_url
from components.shared.wire.secret import Secret
from components.shared.wire.units import NS_PER_S, MonotonicNs, TimeBase, WallNs

OPEN_S_MAX = 10.0
"""A camera that has not answered by then is not there. The limit applies twice: to connecting, and to the streams."""

READ_S_MAX = 60.0
"""Longer than it takes to call a stream frozen (30 to 45 s), so that the watch decides; it ends threads left behind."""

ANALYSE_US = "300000"
"""How much of a stream libav reads before it is opened. Parameter sets are found by us, later if need be."""

UDP_BUFFER_BYTES = str(1024 * 1024)
"""A keyframe of 8 Mbit/s is 200 kB and comes in one burst; the default of the system loses half of it."""

_VIDEO_CODECS: dict[str, VideoCodec] = {"h264": "h264", "hevc": "h265"}
_AUDIO_CODECS = {"aac": AAC, "pcm_alaw": "pcma", "pcm_mulaw": "pcmu"}
_RECORDED_AUDIO = (AAC, *G711)
_REDIRECTED = re.compile(r"Redirecting to (\S+)")
_MISSED = re.compile(r"RTP: missed (\d+) packets")
_REFERENCE_TIME = struct.Struct("=q")


def open_libav(clock: Clock, open_s_max: float = OPEN_S_MAX, read_s_max: float = READ_S_MAX) -> OpenSource:
    """What opens cameras by libav. From here on libav's own messages go nowhere but to their source."""
    # libav's messages hold URLs with passwords. This logger is theirs alone; without it they would go to stderr.
    logger = logging.getLogger("libav")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    av.logging.set_level(av.logging.INFO)  # redirections are told at that level
    av.logging.set_skip_repeated(False)  # the same loss again is another loss

    def open_source(request: SourceRequest) -> PacketSource:
        try:
            return _LibavSource(request, clock, open_s_max, read_s_max)
        except SourceRefused as error:
            newer = request.newer_login(request.login) if error.cause == "authentication" else None
            if newer is None:
                raise
        return _LibavSource(replace(request, login=newer), clock, open_s_max, read_s_max)

    return open_source


class _LibavSource:
    """One open camera."""

    def __init__(self, request: SourceRequest, clock: Clock, open_s_max: float, read_s_max: float) -> None:
        self._request = request
        self._clock = clock
        self._read_s_max = read_s_max
        self._where = f"camera {request.camera}"
        self._missed = 0
        self._container = self._open(open_s_max)
        try:
            self._video, self._audio, self._parameters = self._choose()
        except BaseException:
            self.close()
            raise

    @property
    def parameters(self) -> StreamParameters:
        """What libav learned of the streams while it opened them."""
        return self._parameters

    @property
    def packets_missed(self) -> int:
        """How many RTP packets libav missed, by their sequence numbers."""
        return self._missed

    def packets(self) -> Iterator[EncodedPacket]:
        """See the protocol."""
        streams = [self._video] if self._audio is None else [self._video, self._audio]
        demuxed = self._container.demux(*streams)
        times = FirstTimes()
        while (packet := self._next(demuxed)) is not None:
            if packet.size:  # the empty ones at the end are for decoders
                yield from times.feed(self._encoded(packet))
        yield from times.finish()

    def interrupt(self) -> None:
        """Nothing: libav cannot be interrupted."""

    def close(self) -> None:
        """Tell the camera and let go of the connection."""
        self._container.close()

    def _open(self, open_s_max: float) -> InputContainer:
        request = self._request
        options = {
            "rtsp_transport": request.transport,
            "allowed_media_types": "video+audio" if request.wants_audio else "video",
            "analyzeduration": ANALYSE_US,
            "fpsprobesize": "0",
            "user_agent": "EdgeNVR",
        }
        if request.transport == "udp":
            options["buffer_size"] = UDP_BUFFER_BYTES
        try:
            return self._open_at(request.url, options, open_s_max)
        except _SentElsewhereError as moved:
            return self._open_at(moved.url, options, open_s_max)

    def _open_at(self, url: str, options: dict[str, str], open_s_max: float) -> InputContainer:
        began_ns = self._clock.monotonic_ns()
        with av.logging.Capture(local=True) as messages:
            try:
                login_url = _login_url(url, self._request.login)
                return av.open(login_url.reveal(), options=options, timeout=(open_s_max, self._read_s_max))
            except (av.error.FFmpegError, ValueError, RuntimeError, OSError) as error:
                place = _redirected_to(messages)
                if place and place != url and isinstance(error, av.error.HTTPUnauthorizedError):
                    raise self._elsewhere(place) from None
                took_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
                raise self._translated(error, took_s >= open_s_max * 0.95, open_s_max) from None

    def _elsewhere(self, url: str) -> Exception:
        """How to go on when the camera is at `url`. The password is taken to no other host than the configured one."""
        if self._request.login is not None and urlsplit(url).hostname == urlsplit(self._request.url).hostname:
            return _SentElsewhereError(url)
        advice = "which asks for a password: put that address into the camera's document"
        return SourceRefused(
            "authentication", f"{self._where}: {_place(self._request.url)} sends us to {_place(url)}, {advice}"
        )

    def _translated(self, error: Exception, is_late: bool, open_s_max: float) -> SourceFailed | SourceRefused:
        place = _place(self._request.url)
        where = f"{self._where}: {place}"
        if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
            if self._request.login is None:
                advice = "asks for a user and password, and its document names no secret"
                return SourceRefused("authentication", f"{where} {advice}: set `source.secret`")
            named = f"those in secret {self._request.secret}" if self._request.secret else "those given"
            advice = f"refuses the user or password, {named}"
            return SourceRefused("authentication", f"{where} {advice}: `./nvr secret set {self._request.secret}`")
        if isinstance(error, av.error.HTTPNotFoundError):
            path = urlsplit(self._request.url).path or "/"
            return SourceFailed("unreachable", f"{where} has no stream {path} (404): check the path of its URL")
        if isinstance(error, av.error.HTTPError):
            return SourceFailed("unreachable", f"{where} refuses to send now: {_reason(error)}")
        if isinstance(error, ConnectionRefusedError):
            return SourceFailed(
                "unreachable", f"{where} refuses the connection: is RTSP switched on, is the port right?"
            )
        if is_late or isinstance(error, av.error.ExitError | TimeoutError):
            return SourceFailed("unreachable", f"{where} does not answer within {open_s_max:.0f} s")
        if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
            return SourceFailed("unreachable", f"{where} answers, but not with a video stream over RTSP")
        return SourceFailed("unreachable", f"{where} cannot be reached: {_reason(error)}")

    def _choose(self) -> tuple[VideoStream, AudioStream | None, StreamParameters]:
        """The streams to read: the first video, the first audio."""
        streams = self._container.streams
        if not streams.video:
            raise SourceRefused("undecodable", f"{self._where}: the camera offers no video at this URL")
        video = streams.video[0]
        name = _codec_name(video)
        codec = _VIDEO_CODECS.get(name)
        if codec is None:
            advice = "set it to H.264 or H.265"
            raise SourceRefused("undecodable", f"{self._where}: the camera sends {name} video: {advice}")
        context = video.codec_context
        video_parameters = VideoParameters(
            codec, _time_base(video), context.extradata or b"", context.width, context.height
        )
        if not streams.audio or not self._request.wants_audio:
            return video, None, StreamParameters(video_parameters, None)
        audio = streams.audio[0]
        found = _audio_parameters(audio)
        if isinstance(found, str):
            return video, None, StreamParameters(video_parameters, None, found)
        return video, audio, StreamParameters(video_parameters, found)

    def _next(self, demuxed: Iterator[Packet[Stream]]) -> Packet[Stream] | None:
        """The next packet, with what libav says of the network meanwhile; None at the end."""
        with av.logging.Capture(local=True) as messages:
            try:
                return next(demuxed, None)
            except av.error.ExitError:
                raise SourceFailed(
                    "frozen", f"{self._where}: nothing came from the camera for {self._read_s_max:.0f} s"
                ) from None
            except (av.error.FFmpegError, ValueError, RuntimeError) as error:
                raise SourceFailed("unreachable", f"{self._where}: reading broke off: {_reason(error)}") from None
            finally:
                self._hear(messages)

    def _encoded(self, packet: Packet[Stream]) -> EncodedPacket:
        sender_wall_ns = None
        if packet.has_sidedata("prft"):
            (wall_us,) = _REFERENCE_TIME.unpack_from(bytes(packet.get_sidedata("prft")))
            sender_wall_ns = WallNs(wall_us * 1000)
        return EncodedPacket(
            kind="video" if packet.stream_index == self._video.index else "audio",
            payload=bytes(packet),
            dts=packet.dts,
            pts=packet.pts,
            duration_ticks=packet.duration or 0,
            is_keyframe=packet.is_keyframe,
            arrived_ns=MonotonicNs(self._clock.monotonic_ns()),
            sender_wall_ns=sender_wall_ns,
        )

    def _hear(self, messages: list[tuple[int, str, str]]) -> None:
        for _level, _name, text in messages:
            missed = _MISSED.search(text)
            if missed is not None:
                self._missed += int(missed[1])


class _SentElsewhereError(Exception):
    """The camera is at another address of the same host."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def _redirected_to(messages: list[tuple[int, str, str]]) -> str:
    """Where the camera sent libav last, without any user in it; empty when it did not."""
    found = [match[1] for _level, _name, text in messages if (match := _REDIRECTED.search(text)) is not None]
    if not found:
        return ""
    parts = urlsplit(found[-1])
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _login_url(url: str, login: Secret | None) -> Secret:
    """The URL with user and password, each escaped; libav unescapes them when it answers the camera's challenge."""
    if login is None:
        return Secret(url)
    user, _, password = login.reveal().partition(":")
    parts = urlsplit(url)
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return Secret(urlunsplit(parts._replace(netloc=netloc)))


def _audio_parameters(stream: AudioStream) -> AudioParameters | str:
    """The stream's parameters, or why it is not recorded."""
    name = _codec_name(stream)
    codec = _AUDIO_CODECS.get(name, name)
    if codec not in _RECORDED_AUDIO:
        return f"the camera sends {name} audio, which is not AAC or G.711: recorded without sound"
    context = stream.codec_context
    extradata = context.extradata or b""
    if codec == AAC and not extradata:
        return "the camera sends AAC audio without saying how it is configured: recorded without sound"
    channels = context.channels
    if not context.sample_rate or not channels:
        return f"the camera does not say the sample rate of its {name} audio: recorded without sound"
    return AudioParameters(codec, _time_base(stream), extradata, context.sample_rate, channels)


def _codec_name(stream: VideoStream | AudioStream) -> str:
    """What libav calls the codec; a stream that it cannot decode has no context, whatever its type says."""
    context = getattr(stream, "codec_context", None)
    return "unknown" if context is None else str(context.name)


def _time_base(stream: VideoStream | AudioStream) -> TimeBase:
    base = stream.time_base
    assert base is not None, "libav gives every stream of a demuxer a time base"
    return TimeBase(base.numerator, base.denominator)


def _place(url: str) -> str:
    """Host and port of a URL, without anything secret."""
    parts = urlsplit(url)
    port = parts.port or (322 if parts.scheme == "rtsps" else 554)
    return f"{parts.hostname}:{port}"


def _reason(error: Exception) -> str:
    """What an error of libav says, without the URL that it carries."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return redact_url(str(text))
