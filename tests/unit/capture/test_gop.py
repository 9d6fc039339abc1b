"""The newest GOP is remembered, within limits."""

from __future__ import annotations

from components.capture.core.gop import GopMemory
from components.capture.core.packets import TimedPacket
from tests.fakes.packets import STEP, audio_packet, video_packet


def picture(number: int, is_keyframe: bool = False, size: int = 10) -> TimedPacket:
    packet = video_packet(number, is_keyframe=is_keyframe, payload=bytes(size))
    return TimedPacket(packet, number * STEP, number * STEP, STEP)


def sound(number: int) -> TimedPacket:
    return TimedPacket(audio_packet(number), number * 1024, number * 1024, 1024)


def test_remembers_from_the_newest_keyframe_on() -> None:
    """A keyframe begins the memory anew; pictures and sound after it are kept in order."""
    gop = GopMemory()
    first, second, third = picture(0, is_keyframe=True), sound(0), picture(1)
    for timed in (first, second, third):
        gop.add(timed)
    assert gop.packets == [first, second, third]
    newest = picture(2, is_keyframe=True)
    gop.add(newest)
    assert gop.packets == [newest]
    assert gop.keyframe == newest


def test_what_comes_before_a_keyframe_is_not_remembered() -> None:
    """Sound is not taken for a keyframe, though each of its frames can be decoded by itself."""
    gop = GopMemory()
    gop.add(sound(0))
    gop.add(picture(0))
    assert gop.packets == []
    assert gop.keyframe is None


def test_a_gop_that_is_too_long_is_forgotten_until_the_next() -> None:
    """At the limit of bytes or packets a GOP is remembered, above it only its keyframe is."""
    for gop in (GopMemory(bytes_max=30), GopMemory(packets_max=3)):
        keyframe = picture(0, is_keyframe=True)
        for timed in (keyframe, picture(1), picture(2)):
            gop.add(timed)
        assert len(gop.packets) == 3
        gop.add(picture(3))
        gop.add(picture(4))
        assert gop.packets == []
        assert gop.keyframe == keyframe
        gop.add(picture(5, is_keyframe=True))
        gop.add(picture(6))
        assert len(gop.packets) == 2


def test_a_broken_off_stream_leaves_its_keyframe() -> None:
    """After a connection broke off nothing is added to its GOP; its newest keyframe stays until the next begins."""
    gop = GopMemory()
    keyframe = picture(0, is_keyframe=True)
    gop.add(keyframe)
    gop.break_off()
    gop.add(picture(1))
    assert gop.packets == []
    assert gop.keyframe == keyframe
    gop.forget()
    assert gop.keyframe is None
