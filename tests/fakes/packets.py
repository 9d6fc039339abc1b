"""Hand-made packets: for times that no encoder produces, and pictures that need no decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from components.capture.core.packets import AudioParameters, EncodedPacket, StreamParameters, VideoParameters
from components.shared.wire.units import NS_PER_S, MonotonicNs, TimeBase, WallNs

VIDEO_BASE = TimeBase(1, 90_000)
AUDIO_BASE = TimeBase(1, 16_000)
STEP = 6_000
"""Ticks of a picture at 15 a second."""

START_NS = 5_000 * NS_PER_S
WALL = WallNs(1_763_000_000 * NS_PER_S)

VIDEO = VideoParameters("h264", VIDEO_BASE, b"", 320, 240)
AUDIO = AudioParameters("aac", AUDIO_BASE, b"\x14\x08", 16_000, 1)
STREAMS = StreamParameters(VIDEO, None)
STREAMS_WITH_AUDIO = StreamParameters(VIDEO, AUDIO)


def due_ns(number: int) -> int:
    """When the picture of that number is taken, after the first."""
    return number * NS_PER_S // 15


def video_packet(
    number: int, dts: int | None = None, arrived_ns: int | None = None, is_keyframe: bool = False, **changes: object
) -> EncodedPacket:
    """The picture of that number, in time and on time unless said otherwise."""
    packet = EncodedPacket(
        kind="video",
        payload=f"picture {number}".encode(),
        dts=number * STEP if dts is None else dts,
        pts=None,
        duration_ticks=0,
        is_keyframe=is_keyframe,
        arrived_ns=MonotonicNs(START_NS + due_ns(number) if arrived_ns is None else arrived_ns),
    )
    return replace(packet, **changes)  # type: ignore[arg-type]


def audio_packet(number: int, dts: int | None = None, arrived_ns: int | None = None) -> EncodedPacket:
    """The audio frame of that number: 1024 samples at 16 kHz."""
    default_ns = START_NS + number * 1024 * NS_PER_S // 16_000
    return EncodedPacket(
        kind="audio",
        payload=b"sound",
        dts=number * 1024 if dts is None else dts,
        pts=None,
        duration_ticks=1024,
        is_keyframe=True,
        arrived_ns=MonotonicNs(default_ns if arrived_ns is None else arrived_ns),
    )


def in_order(*kinds: Sequence[EncodedPacket]) -> list[EncodedPacket]:
    """Packets of several kinds in the order of their arrival."""
    return sorted((packet for kind in kinds for packet in kind), key=lambda packet: packet.arrived_ns)
