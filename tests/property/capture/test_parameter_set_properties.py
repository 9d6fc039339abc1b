"""Whatever bytes a camera sends: reading its parameter sets gives an answer, never an error."""

from hypothesis import given, settings
from hypothesis import strategies as st

from components.capture.core.packets import VideoCodec
from components.capture.core.parameter_sets import find_parameter_sets, nal_units, picture_size

codecs: st.SearchStrategy[VideoCodec] = st.sampled_from(["h264", "h265"])
SIDE_MAX = 16_384


@settings(max_examples=60)
@given(codecs, st.binary(max_size=300))
def test_any_bytes_have_a_size_or_none(codec: VideoCodec, sequence_set: bytes) -> None:
    """A size is within what the codecs allow, or it is none."""
    size = picture_size(codec, sequence_set)
    assert size is None or (0 < size[0] <= SIDE_MAX and 0 < size[1] <= SIDE_MAX)


@settings(max_examples=60)
@given(codecs, st.lists(st.binary(min_size=1, max_size=40).filter(lambda unit: unit[-1] != 0), max_size=8))
def test_units_are_found_again(codec: VideoCodec, units: list[bytes]) -> None:
    """Units without a start code in them, written with start codes, are found again."""
    plain = [unit for unit in units if b"\0\0\0" not in unit and b"\0\0\1" not in unit]
    written = b"".join(b"\0\0\0\1" + unit for unit in plain)
    assert list(nal_units(written)) == plain
    found = find_parameter_sets(codec, written)
    assert found is None or set(found.units) <= set(plain)
