"""Every source of packets that reads real cameras: what is true of one is asked of all.

A new source is added here, and its suite is tests/contract/packet_source and tests/integration/capture/pathologies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.capture.libav_source import open_libav
from components.capture.packet_source import OpenSource
from components.capture.rtsp_source import open_rtsp
from components.shared.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: how it is made (with the limits, in s, of opening and of waiting for a packet), what it can."""

    make: Callable[[Clock, float, float], OpenSource]
    holds_back_max: int = 0
    """Pictures that are whole and not given out before the next ones come: what a connection that hangs costs."""
    sees_loss_over_tcp: bool = False
    """Whether it tells RTP packets that a camera left out of a connection that loses nothing."""
    follows_sequence_back: bool = False
    """Whether it goes on when sequence numbers jump back over UDP; others wait until the stream counts as frozen."""


SOURCES = {
    "libav": SourceKind(open_libav, holds_back_max=1),
    "rtsp": SourceKind(open_rtsp, sees_loss_over_tcp=True, follows_sequence_back=True),
}
