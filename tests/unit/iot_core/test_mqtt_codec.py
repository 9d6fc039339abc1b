"""The codec's promises, for packets and bytes of all kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.iot_core import mqtt_codec
from local.iot_core.mqtt_codec import Decoder, Malformed, Packet, PacketTooLarge, encode

LARGE = 1_000_000

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
ids = st.integers(1, 65_535)
qos = st.integers(0, 1)


@st.composite
def connects(draw: st.DrawFn) -> mqtt_codec.Connect:
    will = draw(st.none() | st.builds(mqtt_codec.Will, texts, st.binary(max_size=40), qos, st.booleans()))
    username = draw(st.none() | texts)
    password = None if username is None else draw(st.none() | st.binary(max_size=40))
    keep_alive_s = draw(st.integers(0, 65_535))
    return mqtt_codec.Connect(draw(texts), keep_alive_s, draw(st.booleans()), username, password, will)


@st.composite
def publishes(draw: st.DrawFn) -> mqtt_codec.Publish:
    level = draw(qos)
    packet_id, dup = (draw(ids), draw(st.booleans())) if level else (0, False)
    payload = draw(st.binary(max_size=300))
    return mqtt_codec.Publish(draw(texts), payload, level, packet_id, draw(st.booleans()), dup)


filters = st.lists(st.tuples(texts, qos), min_size=1, max_size=5).map(tuple)
names = st.lists(texts, min_size=1, max_size=5).map(tuple)
codes = st.lists(st.sampled_from([0, 1, 0x80]), min_size=1, max_size=5).map(tuple)
packets: st.SearchStrategy[Packet] = st.one_of(
    connects(),
    st.builds(mqtt_codec.ConnAck, st.integers(0, 5), st.booleans()),
    publishes(),
    st.builds(mqtt_codec.PubAck, ids),
    st.builds(mqtt_codec.Subscribe, ids, filters),
    st.builds(mqtt_codec.SubAck, ids, codes),
    st.builds(mqtt_codec.Unsubscribe, ids, names),
    st.builds(mqtt_codec.UnsubAck, ids),
    st.sampled_from([mqtt_codec.PingReq(), mqtt_codec.PingResp(), mqtt_codec.Disconnect()]),
)


@pytest.mark.slow
@given(st.lists(packets, max_size=8), st.randoms(use_true_random=False))
def test_packets_survive_the_wire_however_it_cuts(sent: list[Packet], random: object) -> None:
    """Encoded packets decode to themselves, in order, whatever the pieces they arrive in."""
    wire = b"".join(encode(packet) for packet in sent)
    decoder, received, at = Decoder(LARGE), [], 0
    while at < len(wire):
        step = random.randint(1, 9)  # type: ignore[attr-defined]
        received += decoder.feed(wire[at : at + step])
        at += step
    assert received == sent


@given(st.binary(max_size=200))
def test_any_bytes_give_packets_or_malformed(noise: bytes) -> None:
    """Bytes of any kind decode to packets, wait for more, or raise Malformed; nothing else happens."""
    try:
        decoded = Decoder(LARGE).feed(noise)
    except Malformed:
        return
    for packet in decoded:
        if not (isinstance(packet, mqtt_codec.Connect) and packet.protocol_level != 4):
            assert Decoder(LARGE).feed(encode(packet)) == [packet]


@given(packets, st.data())
def test_a_damaged_packet_gives_packets_or_malformed(packet: Packet, data: st.DataObject) -> None:
    """A packet with one byte changed decodes to something or raises Malformed."""
    wire = bytearray(encode(packet))
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        Decoder(LARGE).feed(bytes(wire))
    except Malformed as error:
        assert str(error)


# packets of the specification's examples and figures, written out
KNOWN = [
    (mqtt_codec.PingReq(), "c000"),
    (mqtt_codec.PingResp(), "d000"),
    (mqtt_codec.Disconnect(), "e000"),
    (mqtt_codec.ConnAck(), "20020000"),
    (mqtt_codec.ConnAck(0, True), "20020100"),
    (mqtt_codec.ConnAck(5), "20020005"),
    (mqtt_codec.PubAck(0x1234), "40021234"),
    (mqtt_codec.Publish("a/b", b""), "30050003612f62"),
    (mqtt_codec.Publish("a/b", b"hi", 1, 10, True, True), "3b090003612f62000a6869"),
    (mqtt_codec.Subscribe(10, (("a/b", 1), ("c/d", 0))), "820e000a0003612f62010003632f6400"),
    (mqtt_codec.SubAck(10, (1, 0x80)), "9004000a0180"),
    (mqtt_codec.Unsubscribe(10, ("a/b", "c/d")), "a20c000a0003612f620003632f64"),
    (mqtt_codec.UnsubAck(10), "b002000a"),
    (mqtt_codec.Connect("c", 10), "100d00044d5154540402000a000163"),
    (
        mqtt_codec.Connect("c", 0, False, "u", b"p", mqtt_codec.Will("w", b"gone", 1, True)),
        "101c00044d51545404ec0000" + "000163" + "000177" + "0004676f6e65" + "000175" + "000170",
    ),
]


@pytest.mark.parametrize(("packet", "wire"), KNOWN)
def test_bytes_are_those_of_the_specification(packet: Packet, wire: str) -> None:
    """The bytes of a packet are the ones written in the specification."""
    assert encode(packet).hex() == wire
    assert Decoder(LARGE).feed(bytes.fromhex(wire)) == [packet]


@pytest.mark.parametrize(
    ("length", "prefix"),
    [(127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (2_097_151, "ffff7f"), (2_097_152, "80808001")],
)
def test_remaining_length_grows_at_its_borders(length: int, prefix: str) -> None:
    """The remaining length takes one byte more at 128, 16 384 and 2 097 152."""
    packet = mqtt_codec.Publish("t", b"x" * (length - 3))
    wire = encode(packet)
    assert wire[1 : len(wire) - length].hex() == prefix
    assert Decoder(length + 10).feed(wire) == [packet]


def test_too_large_is_known_before_the_body() -> None:
    """A packet above the limit is refused when its length has arrived; one of exactly the limit is taken."""
    wire = encode(mqtt_codec.Publish("t", b"x" * 95))
    assert len(Decoder(100).feed(wire)) == 1
    with pytest.raises(PacketTooLarge):
        Decoder(99).feed(wire[:2])


@pytest.mark.parametrize(
    "wire",
    [
        "0000",  # type 0
        "f000",  # type 15
        "340500016100 01",  # QoS 2
        "3605000161 0001",  # QoS 3
        "3205000161 0000",  # packet id 0
        "3803000161",  # duplicate of QoS 0
        "3004 0002c328",  # not UTF-8
        "3003000100",  # U+0000
        "30020005",  # topic longer than the packet
        "80060001000161 00",  # SUBSCRIBE with wrong flags
        "82020001",  # SUBSCRIBE without a filter
        "82060001000161 02",  # QoS 2 asked for
        "a2020001",  # UNSUBSCRIBE without a filter
        "90020001",  # SUBACK without a code
        "9003000102",  # SUBACK with QoS 2
        "400100",  # PUBACK cut short
        "4003000100",  # PUBACK with a byte left over
        "c00100",  # PINGREQ with a body
        "20020200",  # CONNACK with reserved flags
        "100d00044d5154540403000a000163",  # CONNECT with the reserved flag
        "100d00044d515454040a000a000163",  # QoS of a will that is not there
        "100d00044d5154540442000a000163",  # password without user name
        "30ffffffff01",  # five bytes of length
    ],
)
def test_what_the_specification_forbids_is_malformed(wire: str) -> None:
    """Packets that the specification forbids raise Malformed."""
    with pytest.raises(Malformed):
        Decoder(LARGE).feed(bytes.fromhex(wire))


def test_another_protocol_version_is_told_not_refused() -> None:
    """A CONNECT of another version decodes so far that the server can refuse it by its code."""
    wire = bytes.fromhex("100d00044d5154540502000a00") + b"xx"
    assert Decoder(LARGE).feed(wire) == [mqtt_codec.Connect("", protocol_level=5)]


@pytest.mark.parametrize(
    "packet",
    [
        mqtt_codec.Publish("t" * 65_536, b""),
        mqtt_codec.Connect("c", will=mqtt_codec.Will("t", b"x" * 65_536)),
    ],
)
def test_what_does_not_fit_is_not_encoded(packet: Packet) -> None:
    """A field above the place the format has for it raises ValueError."""
    with pytest.raises(ValueError, match="at most"):
        encode(packet)
