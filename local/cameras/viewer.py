"""One client that watches a camera: its RTP state per track, its reports, its counts.

Every client has its own random SSRC, first sequence number and first timestamp, as RFC 3550 asks. A client
that does not read is dropped when its send buffer is full; it never holds up the camera or another client.
It knows nothing of RTSP or of what the camera shows.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from local.cameras.rtp import goodbye, rtp_packet, sender_report

SEND_BUFFER_BYTES_MAX = 1 << 20  # 4 s at 2 Mbit/s: more than a hiccup, less than a client that has stopped
_SEQUENCE_BEFORE_WRAP = 0x10000 - 40
REPORT_INTERVAL_NS = 5_000_000_000  # RFC 3550's least interval, and what cameras do


@dataclass(frozen=True)
class Wire:
    """What happens to a track's packets on their way: each n-th is left out, each n-th comes after the next one.

    0 means none. `one_write` joins the packets of a frame.
    """

    one_write: bool = False
    loses_every: int = 0
    swaps_every: int = 0


class Line(Protocol):
    """The connection a viewer is reached by."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the connection, which keeps what the socket does not take at once."""
        ...

    def backlog_bytes(self) -> int:
        """How many bytes the connection keeps."""
        ...

    def drop(self, reason: str) -> None:
        """End the connection at once."""
        ...


@dataclass
class Track:
    """The RTP state of one track of one client."""

    channel: int
    payload_type: int
    clock_hz: int
    ssrc: int = field(default_factory=lambda: secrets.randbits(32))
    sequence: int = field(default_factory=lambda: secrets.randbits(16))
    first_timestamp: int = field(default_factory=lambda: secrets.randbits(32))
    packets_sent: int = 0
    packets_lost: int = 0
    payload_bytes_sent: int = 0
    held: bytes = b""  # a packet that the next one overtakes

    def wrap_soon(self, since_start_ns: int) -> None:
        """Let the timestamp wrap around at that moment of the camera's time, the sequence number before long."""
        self.first_timestamp, self.sequence = 0, _SEQUENCE_BEFORE_WRAP
        self.first_timestamp = -self.timestamp(since_start_ns) & 0xFFFFFFFF

    def timestamp(self, since_start_ns: int) -> int:
        """The RTP timestamp of a moment of the camera's time."""
        ticks = (since_start_ns * self.clock_hz + 500_000_000) // 1_000_000_000
        return (self.first_timestamp + ticks) & 0xFFFFFFFF


class Viewer:
    """A client from PLAY to its end."""

    def __init__(self, session: str, line: Line, video: Track | None, sound: Track | None) -> None:
        self.session = session
        self.video, self.sound = video, sound
        self.waits_for_keyframe = video is not None
        self.plays_since_ns = 0  # in the camera's time, as all times here
        self.begins_ns = 0  # when the first picture is due: sound before it is held back
        self.first_shown_ns = 0  # what the first picture's timestamp stands for
        self.frames_sent = 0
        self.backlog_bytes_max = SEND_BUFFER_BYTES_MAX
        self._line = line
        self._reported_ns: int | None = None

    def send(self, track: Track, payloads: Sequence[bytes], timestamp: int, wire: Wire) -> bool:
        """Send one frame's payloads, the marker on the last; False when the client was dropped as too slow.

        A packet that is left out has its sequence number.
        """
        if self._line.backlog_bytes() > self.backlog_bytes_max:
            self._line.drop("too slow")
            return False
        packets = []
        last = len(payloads) - 1
        for place, payload in enumerate(payloads):
            sequence = track.sequence
            track.sequence = (sequence + 1) & 0xFFFF
            track.packets_sent += 1
            track.payload_bytes_sent += len(payload)
            if wire.loses_every and track.packets_sent % wire.loses_every == 0:
                track.packets_lost += 1
                continue
            kind, marker = track.payload_type, place == last
            packet = rtp_packet(track.channel, kind, marker, sequence, timestamp, track.ssrc, payload)
            if wire.swaps_every and track.packets_sent % wire.swaps_every == 0 and not track.held:
                track.held = packet
                continue
            packets += [packet, track.held] if track.held else [packet]
            track.held = b""
        if wire.one_write:
            self._line.write(b"".join(packets))
        else:
            for packet in packets:
                self._line.write(packet)
        return True

    def report(self, since_start_ns: int, wall_ns: int, media_ns: Callable[[Track], int]) -> None:
        """Send a sender report for every track when one is due; `media_ns` is what a track's clock shows now."""
        if self._reported_ns is not None and since_start_ns - self._reported_ns < REPORT_INTERVAL_NS:
            return
        self._reported_ns = since_start_ns
        for track in self.tracks():
            self._line.write(
                sender_report(
                    track.channel + 1,
                    track.ssrc,
                    wall_ns,
                    track.timestamp(media_ns(track)),
                    track.packets_sent,
                    track.payload_bytes_sent,
                )
            )

    def say_goodbye(self) -> None:
        """Send the RTCP BYE of every track."""
        for track in self.tracks():
            self._line.write(goodbye(track.channel + 1, track.ssrc))

    def tracks(self) -> list[Track]:
        """The tracks this client has set up."""
        return [track for track in (self.video, self.sound) if track is not None]

    def statistics(self) -> dict[str, object]:
        """What was sent to this client so far."""
        return {
            "session": self.session,
            "frames_sent": self.frames_sent,
            "packets_sent": sum(track.packets_sent for track in self.tracks()),
            "packets_lost": sum(track.packets_lost for track in self.tracks()),
            "payload_bytes_sent": sum(track.payload_bytes_sent for track in self.tracks()),
            "backlog_bytes": self._line.backlog_bytes(),
        }
