"""Encoded packets and what is known of their streams, as values.

Everything between a source of packets and a segment file is told in these; nothing here knows how a packet was
received. Times of a packet are what the sender said, in ticks of the stream's time base, unrepaired: they may be
missing, repeat, run backwards or wrap. `arrived_ns` is ours and never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.wire.units import MonotonicNs, TimeBase, WallNs

StreamKind = Literal["video", "audio"]
VideoCodec = Literal["h264", "h265"]

AAC = "aac"
G711 = ("pcma", "pcmu")


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """How to decode a video stream. `extradata` holds the parameter sets with start codes; it may be empty."""

    codec: VideoCodec
    time_base: TimeBase
    extradata: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AudioParameters:
    """How to decode an audio stream. `extradata` is the AudioSpecificConfig (ISO 14496-3) of AAC, else empty."""

    codec: str
    time_base: TimeBase
    extradata: bytes
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """A source's streams. `audio_dropped` says why there is no audio although the source has some; else empty."""

    video: VideoParameters
    audio: AudioParameters | None
    audio_dropped: str = ""


@dataclass(slots=True)  # not frozen, though nobody changes one: making a frozen one takes three times as long
class EncodedPacket:
    """One access unit of video (with start codes) or one frame of audio, as it was received.

    `duration_ticks` is 0 when unknown; `sender_wall_ns` is the sender's own clock at the packet's presentation time,
    where the source knows it.
    """

    kind: StreamKind
    payload: bytes
    dts: int | None
    pts: int | None
    duration_ticks: int
    is_keyframe: bool
    arrived_ns: MonotonicNs
    sender_wall_ns: WallNs | None = None


@dataclass(slots=True)  # not frozen: see EncodedPacket
class TimedPacket:
    """A packet with its place in its run: `dts` grows strictly, `pts` is never before it, `duration_ticks` is above 0.

    Of two successive video packets, `dts + duration_ticks` of the first is `dts` of the second.
    """

    packet: EncodedPacket
    dts: int
    pts: int
    duration_ticks: int

    @property
    def end(self) -> int:
        """The first tick after it."""
        return self.dts + self.duration_ticks
