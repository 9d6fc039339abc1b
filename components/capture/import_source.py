"""Reads the packets of a foreign file: MP4, or the container of Dahua recorders (DHAV, `.dav`), by libav.

Foreign bytes are read by the demuxer that their first bytes ask for and by no other, from an open file: nothing in a
file makes libav open anything else. What libav says is translated into one sentence; a file is Rejected as a whole only
when nothing can be read of it. A file that breaks off gives what comes before.

Packets come as a camera's do, with start codes, and "arrive" at their own time, counted from the first picture: so the
timeline of a run gives them their places, and repairs what is wrong with their times by the rules that it has.
It is a door to PyAV, whose log is kept off for each call and never for longer (see `libav_source`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from components.capture.core.packets import (
    AAC,
    G711,
    AudioParameters,
    EncodedPacket,
    StreamKind,
    StreamParameters,
    VideoCodec,
    VideoParameters,
)
from components.shared.errors import Rejected
from components.shared.wire.units import NS_PER_S, MonotonicNs, TimeBase

HEAD_BYTES = 12

ERRORS_MAX = 50
"""Damaged packets in a row after which nothing more is expected of a file."""

VIDEO_BASE = TimeBase(1, 90_000)
"""Of the pictures given out, as cameras have it: libav's MP4 muxer replaces coarse time bases by its own."""

STEP_NS = 40_000_000
"""How long a picture lasts of which nothing is known: 25 a second."""

JUMP_NS = 600 * NS_PER_S
"""A recorder may pause within a file; a longer hole in its times is none of its footage's: they began anew."""

_VIDEO_CODECS: dict[str, VideoCodec] = {"h264": "h264", "hevc": "h265"}
_FILTERS: dict[VideoCodec, str] = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}
_AUDIO_CODECS = {"aac": AAC, "pcm_alaw": "pcma", "pcm_mulaw": "pcmu"}


class ForeignFile:
    """One open file; used by one thread."""

    def __init__(self, descriptor: int, wants_audio: bool) -> None:
        """Reads from an open descriptor, which stays the caller's to close. Rejected when it holds no video of ours."""
        self._file = io.FileIO(descriptor, "rb", closefd=False)
        head = os.pread(descriptor, HEAD_BYTES, 0)
        self._is_mp4 = head[4:8] == b"ftyp"
        if not head:
            raise Rejected("it is empty")
        if not self._is_mp4 and head[:4] != b"DHAV":
            raise Rejected("it is neither MP4 nor DHAV: its first bytes are of neither")
        os.lseek(descriptor, 0, os.SEEK_SET)
        with av.logging.Capture(local=True):
            try:
                self._container: InputContainer = av.open(self._file, "r", format="mp4" if self._is_mp4 else "dhav")
            except (av.error.FFmpegError, ValueError, RuntimeError, OSError) as error:
                raise Rejected(f"it cannot be read: {_reason(error)}") from error
        try:
            self._video, self._audio, self.parameters = _choose(self._container, wants_audio)
        except BaseException:
            self.close()
            raise
        self.broke_off = ""
        """Why reading ended before the end; empty when it did not."""

    @property
    def length_ns(self) -> int | None:
        """How long the video lasts, as the container says, in whole seconds for DHAV; None when it does not say."""
        duration = self._video.duration
        if duration is None:
            return None if self._container.duration is None else self._container.duration * 1000
        return _time_base(self._video).to_ns(duration)

    @property
    def exact_length_ns(self) -> int | None:
        """The same where it is exact to the picture."""
        return self.length_ns if self._is_mp4 else None

    def packets(self) -> Iterator[EncodedPacket]:
        """All packets, in the order of the file."""
        arrivals = _Arrivals()
        streams: list[VideoStream | AudioStream] = [self._video]
        if self._audio is not None:
            streams.append(self._audio)
        codec = self.parameters.video.codec
        with av.logging.Capture(local=True):
            to_annex_b = BitStreamFilterContext(_FILTERS[codec], self._video) if self._is_mp4 else None
        for packet in self._demux(streams):
            kind: StreamKind = "video" if packet.stream_index == self._video.index else "audio"
            found = [packet]
            if to_annex_b is not None and kind == "video":
                with av.logging.Capture(local=True):
                    found = to_annex_b.filter(packet)
            for made in found:
                yield _encoded(made, kind, arrivals)

    def close(self) -> None:
        """Lets go of what libav has allocated."""
        self._container.close()
        self._file.close()

    def _demux(self, streams: list[VideoStream | AudioStream]) -> Iterator[Packet[Stream]]:
        errors = 0
        demuxed = self._container.demux(*streams)
        while True:
            try:
                with av.logging.Capture(local=True):
                    packet = next(demuxed)
            except StopIteration:
                return
            except (av.error.FFmpegError, ValueError, RuntimeError) as error:
                errors += 1
                self.broke_off = f"reading broke off: {_reason(error)}"
                if errors > ERRORS_MAX or not isinstance(error, av.error.InvalidDataError):
                    return
                demuxed = self._container.demux(*streams)
                continue
            errors = 0
            if packet.size and not packet.is_corrupt:
                yield packet
            elif packet.is_corrupt:
                self.broke_off = "some of it is damaged"


class _Arrivals:
    """When packets would have arrived: at their own time, counted from the first picture, going forward always."""

    def __init__(self) -> None:
        self._zero_ns: int | None = None  # the file's own time of what arrived at 0
        self._last_ns = -STEP_NS

    def of(self, packet: Packet[Stream], kind: StreamKind) -> MonotonicNs:
        """Of the next packet."""
        own_ns = _to_ns(packet, packet.dts if packet.dts is not None else packet.pts)
        if kind == "audio":
            is_placed = own_ns is not None and self._zero_ns is not None
            return MonotonicNs((own_ns or 0) - (self._zero_ns or 0) if is_placed else max(0, self._last_ns))
        next_ns = max(0, self._last_ns + (_to_ns(packet, packet.duration) or STEP_NS)) if self._last_ns >= 0 else 0
        if own_ns is None:
            arrived_ns = next_ns
        elif self._zero_ns is None:
            self._zero_ns = own_ns - next_ns
            arrived_ns = next_ns
        else:
            arrived_ns = own_ns - self._zero_ns
            if self._last_ns - NS_PER_S < arrived_ns <= self._last_ns:
                arrived_ns = self._last_ns  # repeated or a little backward: the timeline's to repair
            elif not self._last_ns < arrived_ns <= self._last_ns + JUMP_NS:
                arrived_ns = next_ns
                self._zero_ns = own_ns - arrived_ns
        self._last_ns = arrived_ns
        return MonotonicNs(arrived_ns)


def _to_ns(packet: Packet[Stream], ticks: int | None) -> int | None:
    base = packet.time_base
    return None if ticks is None or base is None else ticks * base.numerator * NS_PER_S // base.denominator


def _encoded(packet: Packet[Stream], kind: StreamKind, arrivals: _Arrivals) -> EncodedPacket:
    is_video = kind == "video"
    return EncodedPacket(
        kind=kind,
        payload=bytes(packet),
        dts=_rescaled(packet, packet.dts) if is_video else packet.dts,
        pts=_rescaled(packet, packet.pts) if is_video else packet.pts,
        duration_ticks=(_rescaled(packet, packet.duration) if is_video else packet.duration) or 0,
        is_keyframe=packet.is_keyframe,
        arrived_ns=arrivals.of(packet, kind),
    )


def _rescaled(packet: Packet[Stream], ticks: int | None) -> int | None:
    """Ticks of the packet's own time base in those of VIDEO_BASE, to the nearest."""
    base = packet.time_base
    return None if ticks is None or base is None else round(ticks * base * VIDEO_BASE.denominator)


def _choose(container: InputContainer, wants_audio: bool) -> tuple[VideoStream, AudioStream | None, StreamParameters]:
    if not container.streams.video:
        raise Rejected("it holds no video")
    video = container.streams.video[0]
    context = getattr(video, "codec_context", None)
    name = "unknown" if context is None else str(context.name)
    codec = _VIDEO_CODECS.get(name)
    if context is None or codec is None:
        raise Rejected(f"its video is {name}, not H.264 or H.265")
    parameters = VideoParameters(codec, VIDEO_BASE, b"", context.width, context.height)
    if not container.streams.audio or not wants_audio:
        return video, None, StreamParameters(parameters, None)
    audio = container.streams.audio[0]
    found = _audio_parameters(audio)
    if isinstance(found, str):
        return video, None, StreamParameters(parameters, None, found)
    return video, audio, StreamParameters(parameters, found)


def _audio_parameters(stream: AudioStream) -> AudioParameters | str:
    """The stream's parameters, or why it is left out."""
    context = getattr(stream, "codec_context", None)
    name = "unknown" if context is None else str(context.name)
    codec = _AUDIO_CODECS.get(name)
    if context is None or codec is None:
        return f"its audio is {name}, not AAC or G.711: imported without sound"
    extradata = context.extradata or b""
    if (codec == AAC and not extradata) or not context.sample_rate or not context.channels:
        return f"it does not say how its {name} audio is configured: imported without sound"
    assert codec in (AAC, *G711), "the table holds no other"
    return AudioParameters(codec, _time_base(stream), extradata, context.sample_rate, context.channels)


def _time_base(stream: VideoStream | AudioStream) -> TimeBase:
    base = stream.time_base
    assert base is not None, "libav gives every stream of a demuxer a time base"
    return TimeBase(base.numerator, base.denominator)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)
