"""Properties of names, times and the GOP index: what is written is read back, and order is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shared.errors import Rejected
from components.shared.wire.object_keys import (
    ObjectName,
    object_key,
    parse_object_key,
    parse_relative_path,
    relative_path,
)
from components.shared.wire.segment_metadata import (
    TRACE_METADATA,
    Gop,
    SegmentFacts,
    decode,
    encode,
    pack_gops,
    unpack_gop_columns,
    unpack_gops,
)
from components.shared.wire.units import (
    NS_PER_MS,
    TimeBase,
    WallNs,
    format_stamp,
    from_datetime,
    parse_stamp,
    to_datetime,
)

WALL_MS = st.integers(0, 253_402_300_799_999)  # to the end of the year 9999
IDS = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
NAMES = st.builds(
    ObjectName,
    IDS,
    st.sampled_from(["main", "sub"]),
    WALL_MS.map(lambda ms: WallNs(ms * NS_PER_MS)),
    st.sampled_from(["mp4", "jpg", "json"]),
)
S3_METADATA_BYTES_MAX = 2_048


@given(WALL_MS)
def test_stamp_round_trip(wall_ms: int) -> None:
    """A stamp gives back the moment it was made from."""
    assert parse_stamp(format_stamp(wall_ms * NS_PER_MS)) == wall_ms * NS_PER_MS
    assert from_datetime(to_datetime(wall_ms * NS_PER_MS)) == wall_ms * NS_PER_MS


@given(WALL_MS, WALL_MS)
def test_stamps_sort_as_times_do(first: int, second: int) -> None:
    """The order of the texts is the order of the moments."""
    assert (format_stamp(first * NS_PER_MS) < format_stamp(second * NS_PER_MS)) == (first < second)


@given(NAMES)
def test_path_and_key_round_trip(name: ObjectName) -> None:
    """A path under a volume and a key in S3 tell what they were made from."""
    assert parse_relative_path(relative_path(name)) == name
    assert parse_object_key(object_key("site-1", name)) == ("site-1", name)


@given(NAMES, st.integers(1, 10**10 - 1))
def test_key_of_a_clip_round_trips_and_is_no_path_of_a_volume(name: ObjectName, duration_ms: int) -> None:
    """A clip's key tells its start and its duration; a file of that name on a volume is none of ours."""
    clip = replace(name, kind="clip", duration_ms=duration_ms)
    assert parse_object_key(object_key("site-1", clip)) == ("site-1", clip)
    with pytest.raises(Rejected):
        parse_relative_path(relative_path(clip))


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text does anything but parse or be refused."""
    for parse in (parse_relative_path, parse_object_key, parse_stamp):
        try:
            parse(text)
        except Rejected as refusal:
            assert repr(text) in str(refusal)


GOPS = st.tuples(
    st.integers(0, 5_000),
    st.lists(st.tuples(st.integers(1, 5_000_000), st.integers(0, 900_000)), max_size=700),
).map(lambda drawn: touching(*drawn))


def touching(offset: int, parts: list[tuple[int, int]]) -> tuple[Gop, ...]:
    """GOPs that follow each other without a hole."""
    gops = []
    for size, duration in parts:
        gops.append(Gop(offset, size, duration))
        offset += size
    return tuple(gops)


@given(GOPS)
def test_gop_index_round_trip(gops: tuple[Gop, ...]) -> None:
    """Packed GOPs are the same GOPs."""
    assert unpack_gops(pack_gops(gops)) == gops


@given(
    st.integers(0, 2**21),
    st.lists(st.tuples(st.integers(2**14 - 2, 2**21 + 1), st.integers(2**14 - 2, 2**21 + 1)), min_size=1, max_size=9),
)
def test_usual_gops_round_trip(offset: int, parts: list[tuple[int, int]]) -> None:
    """Sizes and durations as most cameras have them, just below, in and just above what takes three bytes."""
    gops = touching(offset, parts)
    assert unpack_gops(pack_gops(gops)) == gops
    assert unpack_gop_columns(pack_gops(gops)) == (offset, [part[0] for part in parts], [part[1] for part in parts])


@given(st.binary(max_size=60))
def test_any_bytes_are_an_index_or_refused(packed: bytes) -> None:
    """No bytes do anything but unpack or be refused."""
    try:
        unpack_gops(packed)
    except Rejected as refusal:
        assert "GOP index" in str(refusal)


@given(GOPS)
def test_metadata_fits_and_covers_the_same_bytes(gops: tuple[Gop, ...]) -> None:
    """Whatever the GOPs, the metadata fits in S3's limit, and its ranges cover the same bytes and time."""
    facts = SegmentFacts(
        start_ns=WallNs(1_760_000_000_000_000_000),
        end_ns=WallNs(1_760_000_600_000_000_000),
        run="front-door-camera-number-one-abcd_20251020T140300.123Z",
        codec="hevc",
        width=3840,
        height=2160,
        frames=18_000,
        size_bytes=9_000_000_000,
        sha256="f" * 64,
        time_base=TimeBase(1, 90_000),
        start_ticks=2**40,
        init_bytes=1_200,
        gops=gops,
    )
    metadata = {**encode(facts), TRACE_METADATA: "f" * 32}
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= S3_METADATA_BYTES_MAX
    back = decode(metadata, facts.size_bytes)
    assert sum(gop.size_bytes for gop in back.gops) == sum(gop.size_bytes for gop in gops)
    assert sum(gop.duration_ticks for gop in back.gops) == sum(gop.duration_ticks for gop in gops)
    assert [gop.offset_bytes for gop in back.gops[:1]] == [gop.offset_bytes for gop in gops[:1]]
