"""MQTT 3.1.1 packets to bytes and back; pure.

Knows the wire format (OASIS MQTT 3.1.1, chapters 2 and 3) and nothing of sessions, topics or sockets. It speaks
for both sides, so that a client can be written with it too. QoS 2 does not exist here: AWS IoT Core has none.

Keeps: `decode(encode(packet)) == packet` for every packet, however the bytes are cut; bytes that are no packet raise
`Malformed` and nothing else; a packet above the given size raises `PacketTooLarge` before its body has arrived.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

REMAINING_LENGTH_MAX = 268_435_455  # four bytes of seven bits (2.2.3)
STRING_BYTES_MAX = 65_535  # a string's length has 16 bits (1.5.3)
SUBSCRIBE_REFUSED = 0x80  # SUBACK return code of a filter that was not granted (3.9.3)

CONNECTED = 0  # CONNACK return codes (3.2.2.3)
REFUSED_PROTOCOL = 1
REFUSED_CLIENT_ID = 2
REFUSED_UNAVAILABLE = 3


class Malformed(ValueError):  # noqa: N818  says whose fault it is, as h11 does
    """These bytes are not an MQTT 3.1.1 packet; the connection has to be closed."""


class PacketTooLarge(Malformed):
    """A packet is larger than the receiver allows."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the server publishes when the client vanishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """A client's first packet."""

    client_id: str
    keep_alive_s: int = 0
    clean_session: bool = True
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    protocol_name: str = "MQTT"
    protocol_level: int = 4


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The server's answer to CONNECT."""

    code: int = CONNECTED
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """A message, in either direction; `packet_id` is 0 exactly when `qos` is 0."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False


@dataclass(frozen=True, slots=True)
class PubAck:
    """A QoS 1 message has arrived."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters with the QoS asked for each."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SubAck:
    """A code per filter: the QoS granted, or SUBSCRIBE_REFUSED."""

    packet_id: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Filters to give up."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """The filters are given up."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class PingReq:
    """I am alive."""


@dataclass(frozen=True, slots=True)
class PingResp:
    """So am I."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client leaves on purpose; its will is not published."""


Packet: TypeAlias = (
    Connect | ConnAck | Publish | PubAck | Subscribe | SubAck | Unsubscribe | UnsubAck | PingReq | PingResp | Disconnect
)


def _string(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > STRING_BYTES_MAX:
        raise ValueError(f"string of {len(raw)} bytes, at most {STRING_BYTES_MAX} fit")
    return struct.pack(">H", len(raw)) + raw


def _blob(raw: bytes) -> bytes:
    if len(raw) > STRING_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes, at most {STRING_BYTES_MAX} fit")
    return struct.pack(">H", len(raw)) + raw


def _remaining_length(length: int) -> bytes:
    if length > REMAINING_LENGTH_MAX:
        raise ValueError(f"packet of {length} bytes, at most {REMAINING_LENGTH_MAX} fit")
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


def _frame(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _remaining_length(len(body)) + body


def _encode_connect(packet: Connect) -> bytes:
    flags = 0x02 if packet.clean_session else 0
    tail = _string(packet.client_id)
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | (0x20 if packet.will.retain else 0)
        tail += _string(packet.will.topic) + _blob(packet.will.payload)
    if packet.username is not None:
        flags |= 0x80
        tail += _string(packet.username)
    if packet.password is not None:
        flags |= 0x40
        tail += _blob(packet.password)
    head = _string(packet.protocol_name) + struct.pack(">BBH", packet.protocol_level, flags, packet.keep_alive_s)
    return _frame(0x10, head + tail)


def _encode_publish(packet: Publish) -> bytes:
    first = 0x30 | (8 if packet.dup else 0) | packet.qos << 1 | (1 if packet.retain else 0)
    packet_id = struct.pack(">H", packet.packet_id) if packet.qos else b""
    return _frame(first, _string(packet.topic) + packet_id + packet.payload)


def encode(packet: Packet) -> bytes:  # noqa: PLR0911  one line per packet type
    """Return the packet's bytes; ValueError when a field does not fit its place."""
    match packet:
        case Publish():
            return _encode_publish(packet)
        case Connect():
            return _encode_connect(packet)
        case ConnAck():
            return _frame(0x20, bytes((packet.session_present, packet.code)))
        case PubAck():
            return _frame(0x40, struct.pack(">H", packet.packet_id))
        case Subscribe():
            filters = b"".join(_string(name) + bytes((qos,)) for name, qos in packet.filters)
            return _frame(0x82, struct.pack(">H", packet.packet_id) + filters)
        case SubAck():
            return _frame(0x90, struct.pack(">H", packet.packet_id) + bytes(packet.codes))
        case Unsubscribe():
            names = b"".join(_string(name) for name in packet.filters)
            return _frame(0xA2, struct.pack(">H", packet.packet_id) + names)
        case UnsubAck():
            return _frame(0xB0, struct.pack(">H", packet.packet_id))
        case PingReq():
            return _frame(0xC0, b"")
        case PingResp():
            return _frame(0xD0, b"")
        case Disconnect():
            return _frame(0xE0, b"")


class _Body:
    """Reads the fields of one packet's body in order."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._raw):
            raise Malformed("packet ends inside a field")
        part = self._raw[self._at : self._at + count]
        self._at += count
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def packet_id(self) -> int:
        number = self.number()
        if not number:
            raise Malformed("packet id 0")
        return number

    def blob(self) -> bytes:
        return self.take(self.number())

    def string(self) -> str:
        try:
            text = self.blob().decode()
        except UnicodeDecodeError as error:
            raise Malformed("string is not UTF-8") from error
        if "\0" in text:
            raise Malformed("string holds U+0000")
        return text

    def rest(self) -> bytes:
        return self.take(len(self._raw) - self._at)

    @property
    def is_read(self) -> bool:
        return self._at == len(self._raw)


def _qos(value: int) -> int:
    if value not in (0, 1):
        raise Malformed(f"QoS {value}: only 0 and 1 are served")
    return value


def _decode_connect(body: _Body) -> Connect:
    name = body.string()
    level = body.byte()
    if (name, level) != ("MQTT", 4):
        # the fields that follow are another version's: enough is known to refuse it
        body.rest()
        return Connect(client_id="", protocol_name=name, protocol_level=level)
    flags = body.byte()
    keep_alive_s = body.number()
    client_id = body.string()
    if flags & 0x01:
        raise Malformed("CONNECT with the reserved flag")
    will = None
    if flags & 0x04:
        topic, payload = body.string(), body.blob()
        will = Will(topic, payload, _qos(flags >> 3 & 3), bool(flags & 0x20))
    elif flags & 0x38:
        raise Malformed("CONNECT with flags of a will but without a will")
    username = body.string() if flags & 0x80 else None
    if flags & 0x40 and username is None:
        raise Malformed("CONNECT with a password but without a user name")
    password = body.blob() if flags & 0x40 else None
    return Connect(client_id, keep_alive_s, bool(flags & 0x02), username, password, will)


def _decode_publish(flags: int, body: _Body) -> Publish:
    qos = _qos(flags >> 1 & 3)
    topic = body.string()
    packet_id = body.packet_id() if qos else 0
    if flags & 8 and not qos:
        raise Malformed("PUBLISH of QoS 0 marked as a duplicate")
    return Publish(topic, body.rest(), qos, packet_id, bool(flags & 1), bool(flags & 8))


def _decode_subscribe(body: _Body) -> Subscribe:
    packet_id = body.packet_id()
    filters = []
    while not body.is_read:
        filters.append((body.string(), _qos(body.byte())))
    if not filters:
        raise Malformed("SUBSCRIBE without a filter")
    return Subscribe(packet_id, tuple(filters))


def _decode_unsubscribe(body: _Body) -> Unsubscribe:
    packet_id = body.packet_id()
    filters = []
    while not body.is_read:
        filters.append(body.string())
    if not filters:
        raise Malformed("UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters))


def _decode_suback(body: _Body) -> SubAck:
    packet_id = body.packet_id()
    codes = tuple(body.rest())
    if not codes or any(code not in (0, 1, SUBSCRIBE_REFUSED) for code in codes):
        raise Malformed("SUBACK with an unknown return code")
    return SubAck(packet_id, codes)


def _decode_connack(body: _Body) -> ConnAck:
    flags, code = body.byte(), body.byte()
    if flags > 1:
        raise Malformed("CONNACK with reserved flags")
    return ConnAck(code, bool(flags))


# type: (flags the specification fixes for it, its reader); PUBLISH has flags of its own
_READERS: dict[int, tuple[int, Callable[[_Body], Packet]]] = {
    1: (0, _decode_connect),
    2: (0, _decode_connack),
    4: (0, lambda body: PubAck(body.packet_id())),
    8: (2, _decode_subscribe),
    9: (0, _decode_suback),
    10: (2, _decode_unsubscribe),
    11: (0, lambda body: UnsubAck(body.packet_id())),
    12: (0, lambda _: PingReq()),
    13: (0, lambda _: PingResp()),
    14: (0, lambda _: Disconnect()),
}


def _decode(first: int, raw: bytes) -> Packet:
    kind, flags = first >> 4, first & 0x0F
    body = _Body(raw)
    packet: Packet
    if kind == 3:
        packet = _decode_publish(flags, body)
    elif kind in _READERS:
        flags_due, reader = _READERS[kind]
        if flags != flags_due:
            raise Malformed(f"packet type {kind} with flags {flags:#x}")
        packet = reader(body)
    else:
        raise Malformed(f"packet type {kind} is not served")
    if not body.is_read:
        raise Malformed(f"packet type {kind} has bytes left over")
    return packet


class Decoder:
    """Cuts a stream of bytes into packets. After it has raised it is of no more use."""

    def __init__(self, packet_bytes_max: int) -> None:
        self._packet_bytes_max = packet_bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that `data` completes."""
        self._buffer += data
        packets = []
        while (frame := self._next_frame()) is not None:
            packets.append(_decode(*frame))
        return packets

    def _next_frame(self) -> tuple[int, bytes] | None:
        length = 0
        for index in range(1, 5):
            if index >= len(self._buffer):
                return None
            byte = self._buffer[index]
            length |= (byte & 0x7F) << 7 * (index - 1)
            if not byte & 0x80:
                break
        else:
            raise Malformed("remaining length of more than four bytes")
        end = index + 1 + length
        if end > self._packet_bytes_max:
            raise PacketTooLarge(f"packet of {end} bytes, at most {self._packet_bytes_max} are taken")
        if len(self._buffer) < end:
            return None
        first, raw = self._buffer[0], bytes(self._buffer[index + 1 : end])
        del self._buffer[:end]
        return first, raw
