"""Decode times of a stream's first pictures, where the source does not know them yet."""

from components.capture.core.first_times import HELD_MAX, FirstTimes
from components.capture.core.packets import EncodedPacket, StreamKind
from components.shared.wire.units import MonotonicNs

STEP = 6_000


def packet(pts: int | None, dts: int | None, kind: StreamKind = "video") -> EncodedPacket:
    return EncodedPacket(kind, b"x", dts, pts, STEP, False, MonotonicNs(0))


def passed(*packets: EncodedPacket) -> list[tuple[int | None, int | None]]:
    """(pts, dts) of what comes out, the held ones at the end included."""
    times = FirstTimes()
    found = [out for given in packets for out in times.feed(given)] + list(times.finish())
    assert [out.kind for out in found] == [given.kind for given in packets]
    return [(out.pts, out.dts) for out in found]


def test_counted_back_from_the_first_decode_time() -> None:
    """Two B-frames: what libav tells of such a stream, and the decode times that it has from its first picture on."""
    given = [
        packet(None, None),
        packet(18_000, None),
        packet(6_000, None),
        packet(12_000, 6_000),
        packet(30_000, 12_000),
    ]
    assert passed(*given) == [(0, -12_000), (18_000, -6_000), (6_000, 0), (12_000, 6_000), (30_000, 12_000)]


def test_one_picture_without_times_is_left_alone() -> None:
    """Without B-frames only the first picture has no times: what it lasted is not known here."""
    assert passed(packet(None, None), packet(STEP, STEP)) == [(None, None), (STEP, STEP)]


def test_known_times_pass_at_once() -> None:
    """A stream that tells decode times from the start is not held."""
    times = FirstTimes()
    first = packet(0, 0)
    assert times.feed(first) == [first]
    later = packet(None, None)
    assert times.feed(later) == (later,)


def test_sound_keeps_its_place() -> None:
    """Sound between held pictures comes out between them, unchanged."""
    sound = packet(77, 77, "audio")
    given = [packet(None, None), sound, packet(18_000, None), packet(6_000, 0)]
    assert passed(*given) == [(0, -12_000), (77, 77), (18_000, -6_000), (6_000, 0)]


def test_holding_has_an_end() -> None:
    """A source that never tells decode times is not held for ever, nor changed."""
    times = FirstTimes()
    given = [packet(number * STEP, None) for number in range(HELD_MAX)]
    held = [times.feed(one) for one in given]
    assert list(held[-1]) == given
    assert not any(held[:-1])
