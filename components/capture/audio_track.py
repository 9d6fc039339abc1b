"""A camera's audio as AAC, which is what the segment files hold: copied where it is AAC, encoded where it is G.711.

One track lives as long as a connection, over all cuts, so that an encoder's state runs on. Audio may stop, jump and
come again: what is encoded is put beside the pictures anew then. It is a door to PyAV.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Protocol

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph

from components.capture.aac_header import aac_header
from components.capture.core.packets import AAC, AudioParameters, EncodedPacket, TimedPacket
from components.shared.errors import Rejected
from components.shared.wire.units import TimeBase

AAC_SAMPLES = 1024
"""Samples of a frame of AAC-LC (ISO 14496-3)."""

BIT_RATE = 24_000
"""For 8 kHz of speech from G.711's 64 kbit/s: more is not heard."""

SKEW_PARTS_OF_SECOND = 5
"""Sound a fifth of a second away from where the encoder is begins anew: lips are out by less than that before."""

_DECODERS = {"pcma": "pcm_alaw", "pcmu": "pcm_mulaw"}


class AudioTrack(Protocol):
    """Gives AAC packets in the ticks of its `time_base`; `template` is what the muxer copies its parameters from."""

    @property
    def time_base(self) -> TimeBase:
        """Of the packets it gives."""

    @property
    def template(self) -> AudioStream:
        """A stream with the parameters of the packets; valid as long as this track."""

    def convert(self, packet: TimedPacket) -> list[TimedPacket]:
        """The AAC packets that this one completes: of G.711 often none yet. Damaged audio is left out."""


def open_audio_track(parameters: AudioParameters) -> AudioTrack:
    """The track for audio of these parameters; Rejected when libav does not accept them."""
    try:
        return _CopiedAac(parameters) if parameters.codec == AAC else _EncodedG711(parameters)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        reason = f"its {parameters.codec} audio cannot be understood ({parameters.sample_rate} Hz)"
        raise Rejected(f"{reason}: recorded without sound") from error


class _Template:
    """A stream whose parameters are those of some AAC; libav reads them from a header made for it."""

    def __init__(self, config: bytes, sample_rate: int, channels: int) -> None:
        self._container = av.open(io.BytesIO(aac_header(config, sample_rate, channels)), format="mp4")
        self.stream = self._container.streams.audio[0]


class _CopiedAac:
    def __init__(self, parameters: AudioParameters) -> None:
        self.time_base = parameters.time_base
        self._template = _Template(parameters.extradata, parameters.sample_rate, parameters.channels)

    @property
    def template(self) -> AudioStream:
        return self._template.stream

    def convert(self, packet: TimedPacket) -> list[TimedPacket]:
        return [packet]


class _EncodedG711:
    def __init__(self, parameters: AudioParameters) -> None:
        self.time_base = TimeBase(1, parameters.sample_rate)
        self._given_base = parameters.time_base
        self._rate = parameters.sample_rate
        self._layout = "mono" if parameters.channels == 1 else "stereo"
        self._decoder = _audio_context(_DECODERS[parameters.codec], "r")
        self._decoder.sample_rate = self._rate
        self._decoder.layout = self._layout
        self._encoder = _audio_context("aac", "w")
        self._encoder.sample_rate = self._rate
        self._encoder.layout = self._layout
        self._encoder.format = "fltp"
        self._encoder.bit_rate = BIT_RATE * parameters.channels
        self._encoder.time_base = Fraction(1, self._rate)
        self._encoder.open()
        self._template = _Template(self._encoder.extradata or b"", self._rate, parameters.channels)
        self._frames = _Frames(self._rate, self._layout)
        self._next_sample: int | None = None
        self._encoded_until = 0

    @property
    def template(self) -> AudioStream:
        return self._template.stream

    def convert(self, packet: TimedPacket) -> list[TimedPacket]:
        try:
            pictures = self._decoder.decode(av.Packet(packet.packet.payload))
            return [self._timed(packet, made) for frame in pictures for made in self._encode(frame, packet.dts)]
        except (av.error.FFmpegError, ValueError):
            return []  # damaged on the way; the next one is looked at by itself

    def _encode(self, frame: AudioFrame, dts: int) -> Iterable[tuple[bytes, int]]:
        """The AAC frames that these samples complete, each with the place of its first sample."""
        sample = self._given_base.to_ns(dts) * self._rate // 1_000_000_000
        if self._next_sample is None or abs(sample - self._next_sample) * SKEW_PARTS_OF_SECOND > self._rate:
            self._frames = _Frames(self._rate, self._layout)
            self._next_sample = max(sample, self._encoded_until)
        frame.pts = self._next_sample
        frame.time_base = Fraction(1, self._rate)
        self._next_sample += frame.samples
        for whole in self._frames.feed(frame):
            assert whole.pts is not None, "the resampler continues the times it was given"
            self._encoded_until = whole.pts + whole.samples
            for made in self._encoder.encode(whole):
                # The encoder looks one frame ahead: its first has a time before all others, or none of its own.
                if made.pts is not None and made.pts >= 0:
                    yield bytes(made), made.pts

    def _timed(self, given: TimedPacket, made: tuple[bytes, int]) -> TimedPacket:
        payload, sample = made
        packet = EncodedPacket("audio", payload, sample, sample, AAC_SAMPLES, True, given.packet.arrived_ns)
        return TimedPacket(packet, sample, sample, AAC_SAMPLES)


class _Frames:
    """Samples as a decoder gives them, in the form and number that the encoder takes; what is over is kept.

    A filter graph of our own, because that of PyAV's resampler starts a thread per processor, for each camera.
    """

    def __init__(self, rate: int, layout: str) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        given = {"sample_rate": str(rate), "sample_fmt": "s16", "channel_layout": layout, "time_base": f"1/{rate}"}
        wanted = {"sample_rates": str(rate), "sample_fmts": "fltp", "channel_layouts": layout}
        filters = [
            self._graph.add("abuffer", **given),
            self._graph.add("aformat", **wanted),
            self._graph.add("abuffersink"),
        ]
        self._graph.link_nodes(*filters)
        self._graph.configure()
        self._graph.set_audio_frame_size(AAC_SAMPLES)

    def feed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The whole frames that these samples complete; each continues the times of the one before."""
        self._graph.push(frame)
        while True:
            try:
                made = self._graph.pull()
            except av.error.BlockingIOError:  # it waits for more samples
                return
            assert isinstance(made, AudioFrame), "audio goes in"
            yield made


def _audio_context(name: str, mode: str) -> AudioCodecContext:
    context = av.CodecContext.create(name, mode)  # type: ignore[call-overload]  # mode is "r" or "w"
    assert isinstance(context, AudioCodecContext), "all codecs here are audio"
    return context
