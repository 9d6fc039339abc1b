"""Segment files under any bytes: an answer or Rejected, in time proportional to their number."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.shared.errors import Rejected
from components.shared.wire.segment_boxes import parse_moof, parse_moov
from components.shared.wire.segment_file import (
    Fragment,
    FragmentScanner,
    facts_from_file,
    facts_of,
    gop_index,
    scan,
)
from components.shared.wire.segment_quick import QuickReader
from components.shared.wire.segment_trailer import decode_trailer, encode_trailer
from components.shared.wire.units import WallNs
from tests.fakes.segment_files import segment_file

WHOLE = segment_file("cam-1", 1_700_000_000_000_000_000, sound=True, seconds=3)
FOUND = scan([WHOLE])
# Most of a file is footage, which is skipped: changes are made where it is read.
BOXES = [at for fragment in FOUND.fragments for at in range(fragment.offset_bytes, fragment.offset_bytes + 260)]
READ = [*range(FOUND.complete_bytes, len(WHOLE)), *range(FOUND.fragments[0].offset_bytes), *BOXES]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def quick_or_thorough(data: bytes) -> bool:
    """The quick reader gives the facts of a whole file, as the thorough one does, or leaves it to that one."""
    found = QuickReader().read(lambda offset, count: data[offset : offset + count], len(data))
    if found is None:
        return False
    thorough = scan([data])
    assert (thorough.fault, thorough.ends_whole) == (None, True)
    assert (found.header, found.trailer) == (thorough.header, thorough.trailer)
    facts = facts_of(found.header, thorough.fragments, WallNs(0), WallNs(1), "", len(data), "")
    assert (found.gops, found.frames, found.start_ticks) == (facts.gops, facts.frames, facts.start_ticks)
    return True


def bounded(chunks: list[bytes]) -> None:
    """Whatever the bytes are, reading them gives a value or Rejected."""
    found = scan(chunks)
    assert found.complete_bytes <= found.size_bytes == sum(len(chunk) for chunk in chunks)
    ends = [fragment.end_bytes for fragment in found.fragments]
    assert ends == sorted(set(ends))
    if found.header is not None:
        with suppress(Rejected):
            gop_index(found.header, found.fragments)
    with suppress(Rejected):
        facts_from_file(chunks)
    quick_or_thorough(b"".join(chunks))


def test_the_quick_reader_reads_what_we_record() -> None:
    """With and without sound: a file of ours is never left to the thorough reader."""
    for whole in (WHOLE, segment_file("cam-1", 1_700_000_000_000_000_000)):
        assert quick_or_thorough(whole)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=40))
def test_pieces_of_any_length_say_the_same_as_the_whole(cuts: list[int]) -> None:
    """Fragments, header and trailer do not depend on how the bytes arrive."""
    scanner = FragmentScanner()
    fragments: list[Fragment] = []
    for piece in pieces(WHOLE, cuts):
        fragments.extend(scanner.feed(piece))
    assert tuple(fragments) == FOUND.fragments
    assert (scanner.header, scanner.trailer, scanner.complete_bytes) == (
        *(FOUND.header, FOUND.trailer, FOUND.complete_bytes),
    )
    assert facts_from_file(pieces(WHOLE, cuts)) == facts_from_file([WHOLE])


def test_byte_by_byte_says_the_same_as_the_whole() -> None:
    """The shortest pieces are no exception."""
    scanner = FragmentScanner()
    fragments = [fragment for at in range(len(WHOLE)) for fragment in scanner.feed(WHOLE[at : at + 1])]
    assert tuple(fragments) == FOUND.fragments and scanner.trailer == FOUND.trailer


@pytest.mark.slow
def test_a_file_cut_off_anywhere_keeps_its_complete_fragments() -> None:
    """At every offset: no fault, the fragments that end before it, and never facts of a whole file."""
    scanner = FragmentScanner()
    known = 0
    ends = [fragment.end_bytes for fragment in FOUND.fragments]
    for at in range(len(WHOLE)):
        known += len(scanner.feed(WHOLE[at : at + 1]))
        assert known == sum(end <= at + 1 for end in ends)
    for at in READ[::7]:
        cut = scan([WHOLE[:at]])
        assert cut.fault is None and cut.trailer is None
        assert list(cut.fragments) == [fragment for fragment in FOUND.fragments if fragment.end_bytes <= at]
        try:
            facts_from_file([WHOLE[:at]])
        except Rejected:
            continue
        raise AssertionError(f"a file cut off at {at} gave facts")


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
def test_random_bytes_are_bounded(data: bytes, cuts: list[int]) -> None:
    """Random bytes never raise anything but Rejected."""
    bounded(pieces(data, [min(cut, len(data)) for cut in cuts]))
    bounded([WHOLE[: FOUND.fragments[0].end_bytes] + data])


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(READ), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_bounded(changes: list[tuple[int, int]]) -> None:
    """A real file with changed heads, counts and sizes never raises anything but Rejected."""
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    bounded([bytes(data)])


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=600))
def test_random_boxes_are_bounded(data: bytes) -> None:
    """Random content of moov, moof and trailer never raises anything but Rejected."""
    assert FOUND.header is not None and FOUND.trailer is not None
    for attempt in (
        lambda: parse_moov(data, len(data)),
        lambda: parse_moof(data, FOUND.header, 0),
        lambda: decode_trailer(encode_trailer(FOUND.trailer)[:24] + data),
    ):
        with suppress(Rejected):
            attempt()
