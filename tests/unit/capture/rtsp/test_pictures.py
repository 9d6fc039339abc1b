"""RTP payloads become access units: whole, in pieces, aggregated, damaged, with markers that lie."""

from collections.abc import Iterable
from collections.abc import Sequence as Sequence_
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.packets import VideoCodec
from components.capture.core.rtsp.dialogue import Garbled, Incoming
from components.capture.core.rtsp.lane import Lane
from components.capture.core.rtsp.pictures import Picture, Pictures
from components.capture.core.rtsp.rtp import Payload, RtpPacket, Sequence, parse_rtp

CODE = b"\0\0\0\1"
SPS, PPS, IDR, SLICE = b"\x67sps", b"\x68pps", b"\x65\x88picture", b"\x41\x9aslice"
SECOND_SLICE = b"\x41\x1anot the first"
RECOVERY = b"\x06\x06\x01\xc4\x80"
H265_IDR, H265_SLICE = b"\x26\x01\xaf idr", b"\x02\x01\xd0 slice"


def packet(payload: bytes, timestamp: int = 0, marked: bool = False) -> RtpPacket:
    return RtpPacket(96, marked, 0, timestamp, 1, payload)


def feed(pictures: Pictures, each: RtpPacket, is_after_hole: bool = False) -> list[Picture]:
    return list(pictures.feed(each.timestamp, each.is_marked, each.payload, is_after_hole))


def put(pictures: Pictures, packets: Iterable[RtpPacket]) -> list[Picture]:
    return [picture for each in packets for picture in feed(pictures, each)]


def pieces(codec: VideoCodec, unit: bytes, size: int) -> list[bytes]:
    """A unit in fragments of that size."""
    if codec == "h264":
        head, rest = bytes([unit[0] & 0xE0 | 28]), unit[1:]
        kind = unit[0] & 0x1F
    else:
        head, rest = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), unit[2:]
        kind = unit[0] >> 1 & 0x3F
    parts = [rest[at : at + size] for at in range(0, len(rest), size)]
    last = len(parts) - 1
    return [
        head + bytes([kind | 0x80 * (place == 0) | 0x40 * (place == last)]) + part for place, part in enumerate(parts)
    ]


def test_units_up_to_the_marker_are_a_picture() -> None:
    """Each with a start code; an IDR slice makes it a keyframe."""
    pictures = Pictures("h264")
    found = put(pictures, [packet(SPS, 5), packet(PPS, 5), packet(IDR, 5, True), packet(SLICE, 9, True)])
    assert found == [
        Picture(CODE + SPS + CODE + PPS + CODE + IDR, 5, True),
        Picture(CODE + SLICE, 9, False),
    ]
    assert pictures.damaged == 0


def test_another_timestamp_ends_a_picture() -> None:
    """For senders that never set the marker; the last one ends with the stream."""
    pictures = Pictures("h264")
    assert put(pictures, [packet(IDR, 5), packet(SLICE, 9)]) == [Picture(CODE + IDR, 5, True)]
    assert list(pictures.finish()) == [Picture(CODE + SLICE, 9, False)]


@pytest.mark.parametrize(("codec", "unit"), [("h264", IDR * 9), ("h265", H265_IDR * 9)])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_fragments(codec: VideoCodec, unit: bytes, size: int) -> None:
    """Pieces of any size make the unit they were cut from."""
    parts = pieces(codec, unit, size)
    if len(parts) == 1:
        parts = [unit]  # a fragment may not be a whole unit (RFC 6184 5.8)
    packets = [packet(part, 5, place == len(parts) - 1) for place, part in enumerate(parts)]
    assert put(Pictures(codec), packets) == [Picture(CODE + unit, 5, True)]


def test_aggregates() -> None:
    """Several units in one packet: STAP-A of H.264, AP of H.265."""
    stap = b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (SPS, PPS, IDR))
    assert put(Pictures("h264"), [packet(stap, 5, True)])[0].payload == CODE + SPS + CODE + PPS + CODE + IDR
    aggregate = b"\x60\x01" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (H265_IDR, H265_IDR))
    assert put(Pictures("h265"), [packet(aggregate, 5, True)])[0].payload == (CODE + H265_IDR) * 2


def test_a_recovery_point_is_a_keyframe() -> None:
    """An open GOP begins without an IDR picture."""
    assert put(Pictures("h264"), [packet(RECOVERY, 5), packet(SLICE, 5, True)])[0].is_keyframe
    assert not put(Pictures("h264"), [packet(b"\x06\x05\x01\xc4\x80", 5), packet(SLICE, 5, True)])[0].is_keyframe


@pytest.mark.parametrize(("first", "is_key"), [(0x26, True), (0x2A, True), (0x20, True), (0x02, False), (0x00, False)])
def test_h265_keyframes(first: int, is_key: bool) -> None:
    """IDR, CRA and BLA pictures are; others are not."""
    assert put(Pictures("h265"), [packet(bytes([first]) + H265_SLICE[1:], 5, True)])[0].is_keyframe is is_key


def test_a_marker_on_parameter_sets_is_not_believed() -> None:
    """They belong to the picture that follows, even with a timestamp of their own."""
    found = put(Pictures("h264"), [packet(SPS, 4, True), packet(PPS, 4, True), packet(IDR, 5, True)])
    assert found == [Picture(CODE + SPS + CODE + PPS + CODE + IDR, 5, True)]


def test_a_marker_on_every_slice_is_believed_once() -> None:
    """From the first lie on, pictures end where the timestamp changes."""
    slices = [packet(SLICE, 5, True), packet(SECOND_SLICE, 5, True)]
    following = [packet(SLICE, 9, True), packet(SECOND_SLICE, 9, True), packet(SLICE, 12, True)]
    found = put(Pictures("h264"), [*slices, *following])
    assert [(picture.timestamp, picture.payload) for picture in found] == [
        (5, CODE + SLICE),
        (5, CODE + SECOND_SLICE),
        (9, CODE + SLICE + CODE + SECOND_SLICE),
    ]


def test_a_unit_that_lost_a_piece_is_dropped_whole() -> None:
    """The rest of its picture stays, and the damage is counted."""
    pictures = Pictures("h264")
    parts = pieces("h264", IDR * 9, 10)
    assert (feed(pictures, packet(SLICE, 5), False)) == []
    assert (feed(pictures, packet(parts[0], 5), False)) == []
    assert (feed(pictures, packet(parts[2], 5), True)) == []
    assert (feed(pictures, packet(parts[-1], 5, True), False)) == [Picture(CODE + SLICE, 5, False)]
    assert pictures.damaged == 1


@pytest.mark.parametrize(
    "payload", [b"\x7f\0\0", b"\x78\0\xff\0", b"\x00\0", b"\x7c", b"\x7c\x85", b"\x63\x01\x80", b"\x65"]
)
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_what_is_no_unit_is_damage(codec: VideoCodec, payload: bytes) -> None:
    """Unknown kinds and lengths beyond the packet give nothing and break nothing."""
    pictures = Pictures(codec)
    put(pictures, [packet(payload, 5, True), packet(payload, 6)])
    good = (SLICE, H265_SLICE)[codec == "h265"]
    assert put(pictures, [packet(good, 9, True)])[-1].payload.endswith(CODE + good)


@given(st.lists(st.tuples(st.binary(max_size=12), st.integers(0, 3), st.booleans(), st.booleans()), max_size=40))
def test_any_payloads(packets: list[tuple[bytes, int, bool, bool]]) -> None:
    """Nothing is raised, and a picture always has a slice."""
    codecs: tuple[VideoCodec, ...] = ("h264", "h265")
    for codec in codecs:
        pictures = Pictures(codec)
        for payload, timestamp, marked, hole in packets:
            assert all(picture.payload for picture in feed(pictures, packet(payload, timestamp, marked), hole))


def interleaved(codec: VideoCodec, units: list[bytes], size: int, timestamps: list[int] | None = None) -> bytes:
    """Units on channel 0, fragmented, each with a marker at its end; a picture of its own without `timestamps`."""
    packets: list[bytes] = []
    for number, unit in zip(timestamps or range(len(units)), units, strict=False):
        parts = pieces(codec, unit, size)
        for place, part in enumerate(parts):
            second = 96 | 0x80 * (place == len(parts) - 1)
            header = bytes([0x80, second]) + (len(packets) & 0xFFFF).to_bytes(2, "big") + bytes([0, 0, number, 0])
            packets.append(header + (7).to_bytes(4, "big") + part)
    return b"".join(b"$\0" + len(each).to_bytes(2, "big") + each for each in packets)


@given(
    st.sampled_from(["h264", "h265"]),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.binary(min_size=30, max_size=200)), max_size=6),
    st.integers(3, 40),
    st.lists(st.integers(1, 60), max_size=20),
    st.data(),
)
def test_the_lane_changes_nothing(
    codec: VideoCodec, drawn: list[tuple[int, int, bytes]], size: int, reads: list[int], data: st.DataObject
) -> None:
    """With and without it the same pictures come of the same bytes, damaged ones too, however they are read.

    Units are keyframes, other slices or none; some are of the picture before, whose marker has lied then.
    """
    heads = (
        [IDR, SECOND_SLICE, SLICE, b"\x06\x05"] if codec == "h264" else [H265_IDR, H265_IDR, H265_SLICE, b"\x4e\x01"]
    )
    units = [heads[kind] + body for kind, _step, body in drawn]
    stream = bytearray(interleaved(codec, units, size, list(accumulate(step for _kind, step, _body in drawn))))
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), max_size=3)) if stream else []:
        if stream[place] != ord("$"):
            stream[place] ^= 0x41
    assert _run(codec, bytes(stream), reads, True) == _run(codec, bytes(stream), reads, False)


def _run(codec: VideoCodec, stream: bytes, reads: list[int], has_lane: bool) -> tuple[list[Picture], int, int, str]:
    sequence, pictures, incoming = Sequence(waits=False), Pictures(codec), Incoming()
    found: list[Picture] = []
    if has_lane:
        incoming.lane = Lane(codec, 0, 96, sequence, pictures, found.append)

    def take(channel: int, payload: memoryview) -> None:
        packet = parse_rtp(payload) if channel == 0 else None
        if packet is not None and packet.payload_type == 96:
            for turn, hole in sequence.feed(packet):
                found.extend(feed(pictures, turn, hole))

    place = 0
    try:
        for read in [*reads, len(stream)]:
            incoming.feed(stream[place : place + read], take)
            place += read
    except Garbled as error:
        return found, sequence.missed, pictures.damaged, type(error).__name__
    return found, sequence.missed, pictures.damaged, ""


def test_the_lane_hears_a_marker_in_the_middle_of_a_unit() -> None:
    """A picture that a marker ends there ends there, whichever way the packet goes."""
    first = interleaved("h264", [IDR + bytes(20)], 1000)
    second = bytearray(interleaved("h264", [IDR + bytes(60)], 20))
    size = 4 + int.from_bytes(second[2:4], "big")
    for number, place in enumerate(range(0, len(second), size), start=1):
        second[place + 6 : place + 8] = number.to_bytes(2, "big")  # its sequence goes on where the first ends
    second[size + 5] |= 0x80  # the second piece has the marker
    whole = bytearray(first)
    whole[5] &= 0x7F  # the picture before has none, so that its slice is still at hand
    found, *rest = _run("h264", bytes(whole + second), [], True)
    assert (found, *rest) == _run("h264", bytes(whole + second), [], False)
    assert [picture.payload for picture in found] == [CODE + IDR + bytes(20)]


class CountingPictures(Pictures):
    """Counts the packets that go the long way."""

    fed = 0

    def feed(self, timestamp: int, is_marked: bool, payload: Payload, is_after_hole: bool) -> Sequence_[Picture]:
        self.fed += 1
        return super().feed(timestamp, is_marked, payload, is_after_hole)


@pytest.mark.parametrize(("codec", "unit"), [("h264", SLICE), ("h265", H265_SLICE)])
def test_whole_pictures_go_the_short_way(codec: VideoCodec, unit: bytes) -> None:
    """Nothing of a picture of one slice that is there as a whole is taken packet by packet, but for the very first."""
    pictures, sequence, incoming = CountingPictures(codec), Sequence(waits=False), Incoming()
    found: list[Picture] = []
    incoming.lane = Lane(codec, 0, 96, sequence, pictures, found.append)

    def take(_channel: int, payload: memoryview) -> None:
        packet = parse_rtp(payload)
        assert packet is not None
        for turn, hole in sequence.feed(packet):
            found.extend(feed(pictures, turn, hole))

    incoming.feed(interleaved(codec, [unit + bytes(100)] * 4, 30), take)
    first = len(pieces(codec, unit + bytes(100), 30))
    assert len(found) == 4
    assert pictures.fed <= first
