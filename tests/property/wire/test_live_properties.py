"""Whatever comes over a live socket, the parser gives frames or refuses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.shared.errors import Rejected
from components.shared.wire.live import AccessUnit, Frame, Hello, LiveParser
from tests.unit.wire.test_live import HELLO, STREAM, said, unit


@st.composite
def streams(draw: st.DrawFn) -> list[Frame]:
    """A hello, a keyframe, and units of both kinds in the order of their times."""
    video = sorted(draw(st.sets(st.integers(1, 2**62), max_size=8)))
    audio = sorted(draw(st.sets(st.integers(0, 2**62), max_size=8)))
    units = [unit(dts, draw(st.booleans()), payload=draw(st.binary(min_size=1, max_size=50))) for dts in video]
    units += [unit(dts, True, "audio", draw(st.binary(min_size=1, max_size=50))) for dts in audio]
    return [HELLO, unit(0, is_keyframe=True), *units]


@given(streams(), st.lists(st.integers(1, 40), min_size=1))
def test_what_is_said_is_understood_in_any_pieces(frames: list[Frame], pieces: list[int]) -> None:
    """Frames come out as they went in, however the bytes are cut."""
    data = said(*frames)
    parser = LiveParser()
    found: list[Frame] = []
    number = 0
    while data:
        size = pieces[number % len(pieces)]
        found += parser.feed(data[:size])
        data = data[size:]
        number += 1
    assert found == frames
    assert parser.waiting_bytes == 0


@given(st.integers(0, len(said(*STREAM)) - 1), st.binary(max_size=20), st.integers(0, 30))
def test_damage_is_refused_or_harmless(place: int, damage: bytes, removed: int) -> None:
    """Bytes that were changed anywhere give legal frames, a wait for more, or Rejected: nothing else."""
    data = said(*STREAM)
    try:
        frames = LiveParser().feed(data[:place] + damage + data[place + removed :])
    except Rejected:
        return
    assert all(isinstance(frame, Hello | AccessUnit) for frame in frames)
    assert not frames or isinstance(frames[0], Hello)


@given(st.binary(max_size=300))
def test_random_bytes_are_no_stream(data: bytes) -> None:
    """Noise is refused as soon as a header's worth of it has come."""
    try:
        frames = LiveParser().feed(data)
    except Rejected:
        return
    assert frames == []
    assert len(data) < 8 or data.startswith(b"NV\x01")
