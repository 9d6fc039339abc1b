"""Frames of the event stream protocol."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.nucleus.event_stream import (
    FRAME_BYTES_MAX,
    NAME_BYTES_MAX,
    STRING_BYTES_MAX,
    Frame,
    FramingError,
    decode,
    decode_prelude,
    encode,
)

PROPERTY = settings(max_examples=60, deadline=None)  # a loaded machine stops for seconds

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=NAME_BYTES_MAX // 4)
values = st.one_of(st.integers(-(2**31), 2**31 - 1), st.text(st.characters(codec="utf-8"), max_size=200))
frames = st.builds(
    Frame,
    st.lists(st.tuples(names, values), max_size=8).map(tuple),
    st.binary(max_size=2_000),
)

# The connect message of the official Python client (awsiotsdk 1.31), token "ABC", read from its socket.
CONNECT = bytes.fromhex(
    "0000006c0000004841e78c87"
    "083a76657273696f6e070005302e312e30"
    "0d3a6d6573736167652d747970650400000004"
    "0e3a6d6573736167652d666c6167730400000000"
    "0a3a73747265616d2d69640400000000"
    "7b2261757468546f6b656e223a2022414243227d"
    "4c827885"
)


@PROPERTY
@given(frames)
def test_every_frame_decodes_to_itself(frame: Frame) -> None:
    """A frame that was encoded and decoded is the same frame."""
    data = encode(frame)
    assert decode(data) == frame
    assert decode_prelude(data).total_bytes == len(data)


@PROPERTY
@given(frames, st.data())
def test_a_truncated_frame_is_refused(frame: Frame, data: st.DataObject) -> None:
    """A frame that lacks bytes at its end is refused, however many."""
    whole = encode(frame)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FramingError):
        decode(whole[:length])


@PROPERTY
@given(frames, st.data())
def test_a_changed_byte_is_noticed(frame: Frame, data: st.DataObject) -> None:
    """A frame of which any one byte was changed is refused."""
    damaged = bytearray(encode(frame))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FramingError):
        decode(bytes(damaged))


@PROPERTY
@given(st.binary(max_size=64))
def test_garbage_is_refused_as_such(garbage: bytes) -> None:
    """Bytes that are no frame raise FramingError and nothing else."""
    with pytest.raises(FramingError):
        decode(garbage)


@pytest.mark.parametrize(
    ("frame", "fits"),
    [
        (Frame((("n" * NAME_BYTES_MAX, 1),)), True),
        (Frame((("n" * (NAME_BYTES_MAX + 1), 1),)), False),
        (Frame((("", 1),)), False),
        (Frame((("n", "v" * STRING_BYTES_MAX),)), True),
        (Frame((("n", "v" * (STRING_BYTES_MAX + 1)),)), False),
        (Frame((("n", 2**31 - 1),)), True),
        (Frame((("n", 2**31),)), False),
        (Frame((), bytes(FRAME_BYTES_MAX - 16)), True),
        (Frame((), bytes(FRAME_BYTES_MAX - 15)), False),
    ],
)
def test_limits_of_a_frame(frame: Frame, fits: bool) -> None:
    """Names, strings, numbers and the whole frame have limits, and just at the limit they fit."""
    if fits:
        assert decode(encode(frame)) == frame
    else:
        with pytest.raises(FramingError):
            encode(frame)


def test_layout_is_that_of_the_official_client() -> None:
    """A message of the official client is read, and written again it has the same bytes."""
    frame = decode(CONNECT)
    assert frame.text(":version") == "0.1.0"
    assert frame.number(":message-type") == 4
    assert frame.payload == b'{"authToken": "ABC"}'
    assert encode(frame) == CONNECT
