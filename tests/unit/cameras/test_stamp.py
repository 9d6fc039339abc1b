"""The stamp in an access unit, and the NAL units around it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cameras.nal import escape, split_annexb, split_lengths, split_units, unescape
from local.cameras.stamp import STAMP_UUID, Stamp, read_stamp, read_user_data, stamp_nal

_STAMPS = st.builds(
    Stamp,
    st.integers(0, 9_999_999_999),
    st.integers(0, 65_535),
    st.text("abcxyz019-", min_size=1, max_size=32),
)
_OTHERS = {
    "h264": [bytes([0x67, 0x42, 1, 2]), bytes([6, 4, 2, 9, 9, 0x80]), bytes([6, 5, 16]) + bytes(range(16)) + b"\x80"],
    "h265": [bytes([0x40, 1, 2, 3]), bytes([0x4E, 1, 4, 2, 9, 9, 0x80])],
}


def _with_start_codes(nals: list[bytes]) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)


def _with_lengths(nals: list[bytes]) -> bytes:
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


@pytest.mark.parametrize("codec", ["h264", "h265"])
@settings(max_examples=40)
@given(stamp=_STAMPS, size=st.integers(1, 600))
def test_a_stamp_comes_back(codec: str, stamp: Stamp, size: int) -> None:
    """The stamp is found among other units and other SEI, with start codes and with lengths, for both codecs."""
    picture = (b"\x65" if codec == "h264" else b"\x26\x01") + b"\xaa" * size
    nals = [*_OTHERS[codec], stamp_nal(codec, stamp), picture]
    assert read_stamp(_with_start_codes(nals)) == stamp
    assert read_stamp(_with_lengths(nals)) == stamp


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_without_a_stamp_there_is_none(codec: str) -> None:
    """Other SEI messages, strangers' user data included, are no stamp."""
    assert read_stamp(_with_start_codes(_OTHERS[codec])) is None
    assert read_stamp(b"") is None


@settings(max_examples=40)
@given(st.binary(max_size=80))
def test_damaged_bytes_are_no_stamp(data: bytes) -> None:
    """Whatever the bytes are, reading ends, with None unless they are a stamp."""
    assert read_stamp(b"\x00\x00\x01\x06" + data) is None
    assert read_user_data(STAMP_UUID.bytes + data) is None
    read_stamp(data)


def test_a_second_message_in_one_unit_is_found() -> None:
    """The stamp need not be the first message of its SEI unit."""
    stamp = Stamp(3, 14, "cam-1")
    payload = stamp_nal("h264", stamp)[1:]
    assert read_stamp(_with_start_codes([bytes([6, 0xFF, 1, 0]) + bytes([7] * 256) + payload])) is None
    assert read_stamp(_with_start_codes([bytes([6, 4, 2, 9, 9]) + payload])) == stamp


@settings(max_examples=40)
@given(st.binary(max_size=60).map(lambda data: bytes(byte % 5 for byte in data)))
def test_escaped_payloads_hold_no_start_code(payload: bytes) -> None:
    """Escaping leaves no start code inside and unescaping gives the payload back."""
    escaped = escape(payload)
    assert not any(bytes([0, 0, last]) in escaped for last in (0, 1, 2))
    assert unescape(escaped) == payload


def test_units_are_split_in_either_form() -> None:
    """Three- and four-byte start codes, and lengths that look like start codes, are told apart."""
    assert split_annexb(b"\x00\x00\x01ab\x00\x00\x00\x01cd\x00") == [b"ab", b"cd"]
    long = b"\x06" + b"\xaa" * 299
    assert split_units(_with_lengths([long, b"xy"])) == [long, b"xy"]
    assert split_units(b"\x00\x00\x01ab") == [b"ab"]
    assert split_lengths(b"\x00\x00\x00\x05ab") is None
    assert split_lengths(b"\x00\x00\x00\x00") is None
