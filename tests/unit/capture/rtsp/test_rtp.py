"""RTP and RTCP packets, their order and their losses."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.rtsp.rtp import (
    REORDER_NS_MAX,
    REORDER_PACKETS_MAX,
    RESTART_PACKETS,
    LongTimes,
    RtpPacket,
    SenderReport,
    Sequence,
    parse_rtcp,
    parse_rtp,
    receiver_report,
)


def packet(sequence: int, source: int = 1) -> RtpPacket:
    return RtpPacket(96, False, sequence & 0xFFFF, 0, source, b"x")


def order(sequence: Sequence, numbers: list[int]) -> list[tuple[int, bool]]:
    return [(turn.sequence, hole) for number in numbers for turn, hole in sequence.feed(packet(number))]


def test_header_fields() -> None:
    """Version, marker, type, sequence, timestamp, source, payload."""
    data = struct.pack("!BBHII", 0x80, 0xE0, 7, 9_000, 42) + b"payload"
    assert parse_rtp(data) == RtpPacket(96, True, 7, 9_000, 42, b"payload")


def test_extension_contributors_and_padding_are_left_out() -> None:
    """What is around the payload is not the payload."""
    head = struct.pack("!BBHII", 0xB2, 96, 1, 2, 3) + bytes(8)
    extension = struct.pack("!HH", 0xABAC, 1) + bytes(4)
    found = parse_rtp(head + extension + b"payload" + b"\0\0\3")
    assert found is not None
    assert found.payload == b"payload"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(20),
        b"\x8f" + bytes(20),
        b"\x90" + bytes(13),
        b"\x90" + bytes(13) + b"\xff\xff",
        b"\xa0" + bytes(11) + b"\xff",
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    """Too short, another version, more contributors, extension or padding than there is."""
    assert parse_rtp(data) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_not(data: bytes) -> None:
    """Nothing is raised."""
    parse_rtp(data)
    parse_rtcp(data)


@pytest.mark.parametrize("waits", [True, False])
def test_in_order_over_the_wrap(waits: bool) -> None:
    """Sequence numbers wrap at 16 bits."""
    sequence = Sequence(waits)
    assert order(sequence, [65_534, 65_535, 0, 1]) == [(65_534, False), (65_535, False), (0, False), (1, False)]
    assert sequence.missed == 0


def test_a_hole_over_tcp_is_a_loss_at_once() -> None:
    """Nothing overtakes on one connection."""
    sequence = Sequence(waits=False)
    assert order(sequence, [1, 2, 5, 6]) == [(1, False), (2, False), (5, True), (6, False)]
    assert sequence.missed == 2


def test_udp_packets_wait_for_earlier_ones() -> None:
    """What comes in another order is put into order; what comes twice or too late is left out."""
    sequence = Sequence(waits=True)
    assert order(sequence, [1, 3, 2, 2, 4, 1]) == [(1, False), (2, False), (3, False), (4, False)]
    assert sequence.missed == 0


def test_udp_gives_up_waiting() -> None:
    """After `REORDER_PACKETS_MAX` packets the missing one is lost."""
    sequence = Sequence(waits=True)
    numbers = [1, *range(3, 3 + REORDER_PACKETS_MAX)]
    assert order(sequence, numbers) == [(1, False)]
    last = 3 + REORDER_PACKETS_MAX
    assert order(sequence, [last]) == [(3, True), *((number, False) for number in range(4, last + 1))]
    assert sequence.missed == 1


def test_udp_gives_up_waiting_in_time() -> None:
    """A missing packet is lost after `REORDER_NS_MAX`, however few come after it; each hole is waited for anew."""
    sequence = Sequence(waits=True)
    assert order(sequence, [1, 3, 4, 6]) == [(1, False)]
    assert list(sequence.look(1_000)) == []
    assert list(sequence.look(1_000 + REORDER_NS_MAX - 1)) == []
    turns = sequence.look(1_000 + REORDER_NS_MAX)
    assert [(turn.sequence, hole) for turn, hole in turns] == [(3, True), (4, False)]
    assert sequence.missed == 1
    assert list(sequence.look(1_000 + REORDER_NS_MAX + 1)) == []
    assert order(sequence, [5]) == [(5, False), (6, False)]
    assert list(sequence.look(1_000 + 9 * REORDER_NS_MAX)) == []
    assert sequence.missed == 1


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("ahead", [RESTART_PACKETS + 1, 30_000])
def test_another_beginning_is_no_loss(waits: bool, ahead: int) -> None:
    """A number that is far away is a sender that began anew: a hole of unknown size, and nothing is counted."""
    sequence = Sequence(waits)
    assert order(sequence, [1, 2 + ahead]) == [(1, False), (2 + ahead, True)]
    assert sequence.missed == 0


def test_back_over_tcp_is_another_beginning() -> None:
    """A camera that counts anew is recorded on, at once."""
    sequence = Sequence(waits=False)
    assert order(sequence, [500, 10, 11]) == [(500, False), (10, True), (11, False)]


def test_another_source_begins_anew() -> None:
    """An encoder that restarted has another source and any number."""
    sequence = Sequence(waits=True)
    assert order(sequence, [500, 501]) == [(500, False), (501, False)]
    turns = sequence.feed(packet(499, source=2))
    assert [(turn.sequence, hole) for turn, hole in turns] == [(499, True)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_order_is_kept_and_nothing_is_there_twice(jitter: list[int]) -> None:
    """Whatever order they come in, over UDP they leave in order, each once."""
    arriving = [number for _late, number in sorted((place + late, place) for place, late in enumerate(jitter))]
    sequence = Sequence(waits=True)
    left = [number for number, _hole in order(sequence, [1000, *(1001 + number for number in arriving)])]
    assert left == sorted(set(left))


def test_long_times_do_not_wrap() -> None:
    """A wrap is a small step, and so is one back over it; a jump is as large as it is."""
    times = LongTimes()
    assert [times.feed(stamp) for stamp in (2**32 - 10, 2**32 - 1, 5, 2**32 - 3, 10)] == [
        *(2**32 - 10, 2**32 - 1, 2**32 + 5, 2**32 - 3, 2**32 + 10),
    ]
    assert times.feed(1_000_010) == 2**32 + 1_000_010


def test_sender_report() -> None:
    """NTP time in two halves, and the RTP timestamp of that moment; a goodbye behind it."""
    seconds = 2_208_988_800 + 1_700_000_000
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 42, seconds, 1 << 31, 90_000, 1, 1)
    control = parse_rtcp(report + struct.pack("!BBHI", 0x81, 203, 1, 42))
    assert control.report == SenderReport(42, 1_700_000_000_500_000_000, 90_000)
    assert control.is_goodbye


def test_a_sender_without_a_clock_says_nothing() -> None:
    """NTP time 0 is no time (RFC 3550 6.4.1)."""
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 42, 0, 0, 90_000, 1, 1)
    assert parse_rtcp(report).report is None


def test_receiver_report() -> None:
    """32 bytes that name us, the source, the loss and the highest number."""
    sequence = Sequence(waits=False)
    order(sequence, [1, 4])
    data = receiver_report(7, sequence)
    assert len(data) == 32
    assert struct.unpack_from("!BBHIIII", data) == (0x81, 201, 7, 7, 1, 2, 4)
