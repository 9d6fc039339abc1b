"""Parameter sets: found before the first slice, and read for the picture's size."""

import pytest

from components.capture.core.packets import VideoCodec
from components.capture.core.parameter_sets import find_parameter_sets, nal_units, picture_size
from tests.fakes.encoded_pictures import pictures, probe_size, with_sizes


@pytest.mark.parametrize(("codec", "width", "height"), with_sizes())
def test_size_is_that_of_the_decoder(codec: VideoCodec, width: int, height: int) -> None:
    """The size read from a sequence parameter set is the one a decoder shows, cropping included."""
    keyframe = pictures(codec, 1, 5, width, height)[0].payload
    sets = find_parameter_sets(codec, keyframe)
    assert sets is not None
    assert picture_size(codec, sets.sequence[0]) == (width, height) == probe_size(codec, keyframe)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_sets_are_found_and_put_together_again(codec: VideoCodec) -> None:
    """The sets of a keyframe, written with start codes, are found again; a picture without any has none."""
    stream = pictures(codec)
    sets = find_parameter_sets(codec, stream[0].payload)
    assert sets is not None
    assert find_parameter_sets(codec, sets.annex_b) == sets
    assert len(sets.units) == (2 if codec == "h264" else 3)
    assert find_parameter_sets(codec, stream[1].payload) is None


def test_sets_after_the_first_slice_do_not_count() -> None:
    """What stands behind a slice belongs to the next picture."""
    stream = pictures("h264")
    assert find_parameter_sets("h264", stream[1].payload + stream[0].payload) is None


def test_nal_units_of_both_start_codes() -> None:
    """Start codes have three or four bytes; zeros in front of them belong to no unit."""
    assert list(nal_units(b"\0\0\1\x09a\0\0\0\1\x65b\0\0\0\0\1\x41c")) == [b"\x09a", b"\x65b", b"\x41c"]


@pytest.mark.parametrize("payload", [b"", b"garbage", b"\0\0\1", b"\0\0\0\1", b"\0\0\1\0\0\1", b"\x67\x42"])
def test_nothing_in_nothing(payload: bytes) -> None:
    """Bytes without a NAL unit hold no sets."""
    assert find_parameter_sets("h264", payload) is None
    assert find_parameter_sets("h265", payload) is None


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_damaged_sets_say_nothing(codec: VideoCodec) -> None:
    """A set that is cut short has no size, at whatever byte."""
    sets = find_parameter_sets(codec, pictures(codec)[0].payload)
    assert sets is not None
    whole = sets.sequence[0]
    sizes = [picture_size(codec, whole[:length]) for length in range(len(whole))]
    assert sizes[0] is None
    assert set(sizes) <= {None, (96, 64)}
