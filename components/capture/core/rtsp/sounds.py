"""RTP payloads of AAC and G.711 taken apart to audio frames, each with its RTP timestamp.

Sources: RFC 3640 3.2.1 and 3.3.6 (AAC in mode AAC-hbr and AAC-lbr), RFC 3551 4.5.14 (G.711).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.capture.core.rtsp.rtp import RtpPacket
from components.shared.errors import Rejected

AAC_SAMPLES = 1024
FRAME_BYTES_MAX = 8 * 1024
"""Six channels of AAC have at most 768 bytes each (ISO 14496-3 4.5.3.1)."""

Sound = tuple[bytes, int, int]
"""An audio frame: its bytes, its RTP timestamp, how many samples it lasts."""


class AacFrames:
    """Takes AAC frames out of packets; one that comes in pieces is put together."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        """`fields` are those of the fmtp line; Rejected for a form that is not known."""
        try:
            self._size_bits = int(fields.get("sizelength", "13"))
            self._index_bits = int(fields.get("indexlength", "3"))
            self._delta_bits = int(fields.get("indexdeltalength", "3"))
        except ValueError as error:
            raise Rejected(
                "its AAC audio says the form of its packets in no numbers: recorded without sound"
            ) from error
        if not (1 <= self._size_bits <= 16 and 0 <= self._index_bits <= 8 and 0 <= self._delta_bits <= 8):
            raise Rejected("its AAC audio is packed in an unknown form: recorded without sound")
        self._pieces: list[bytes] = []
        self._pieces_timestamp = 0

    def feed(self, packet: RtpPacket, is_after_hole: bool) -> Iterator[Sound]:
        """The frames that are complete with this packet."""
        payload = bytes(packet.payload)
        if is_after_hole or packet.timestamp != self._pieces_timestamp:
            self._pieces.clear()
        if len(payload) < 2:
            return
        header_bits = payload[0] << 8 | payload[1]
        place = 2 + (header_bits + 7) // 8
        sizes = list(self._sizes(payload[2:place], header_bits))
        if len(sizes) == 1 and sizes[0] > len(payload) - place:
            yield from self._go_on(payload[place:], packet.timestamp, sizes[0])
            return
        for number, size in enumerate(sizes):
            frame = payload[place : place + size]
            if len(frame) < size or not size:
                return
            yield frame, packet.timestamp + number * AAC_SAMPLES, AAC_SAMPLES
            place += size

    def _sizes(self, headers: bytes, header_bits: int) -> Iterator[int]:
        value = int.from_bytes(headers, "big")
        left = 8 * len(headers)
        index_bits = self._index_bits
        used = 0
        while used + self._size_bits + index_bits <= min(header_bits, 8 * len(headers)):
            left -= self._size_bits + index_bits
            used += self._size_bits + index_bits
            yield value >> (left + index_bits) & ((1 << self._size_bits) - 1)
            index_bits = self._delta_bits

    def _go_on(self, piece: bytes, timestamp: int, size: int) -> Iterator[Sound]:
        self._pieces.append(piece)
        self._pieces_timestamp = timestamp
        have = sum(map(len, self._pieces))
        if have > FRAME_BYTES_MAX:
            self._pieces.clear()
        elif have >= size:
            frame = b"".join(self._pieces)[:size]
            self._pieces.clear()
            yield frame, timestamp, AAC_SAMPLES


class G711Frames:
    """A packet of G.711 is a frame: a byte per sample and channel."""

    def __init__(self, channels: int) -> None:
        self._channels = max(1, channels)

    def feed(self, packet: RtpPacket, is_after_hole: bool) -> Iterator[Sound]:
        """The packet's samples."""
        del is_after_hole
        if packet.payload:
            yield bytes(packet.payload), packet.timestamp, len(packet.payload) // self._channels
