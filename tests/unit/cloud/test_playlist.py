"""HLS playlists over stored files: what is played, in what order, and what is said of what is not there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import m3u8
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.playlist import PLAYLIST_BYTES_MAX, StoredFile, playlist, stretches
from components.shared.errors import Rejected
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.segment_metadata import Gop
from components.shared.wire.units import NS_PER_S, Span, TimeBase, WallNs

BASE = TimeBase(1, 90_000)
BEGIN_NS = WallNs(1_763_000_000 * NS_PER_S)
INIT_BYTES = 900


def wall(seconds: float) -> WallNs:
    return WallNs(BEGIN_NS + int(seconds * NS_PER_S))


def span(start_s: float, end_s: float) -> Span:
    return Span(wall(start_s), wall(end_s))


def file(
    at_s: int, length_s: int = 180, gop_s: int = 2, run: str = "r1", run_at_s: int = 0, thing: str = "site-1"
) -> StoredFile:
    """A file of GOPs that differ in size, whose run began at `run_at_s`."""
    offset, gops = INIT_BYTES, []
    for number in range(length_s // gop_s):
        size = 1_000_000 + number
        gops.append(Gop(offset, size, gop_s * 90_000))
        offset += size
    key = object_key(thing, ObjectName("front", "main", wall(at_s), "mp4"))
    return StoredFile(key, run, wall(at_s), BASE, (at_s - run_at_s) * 90_000, INIT_BYTES, tuple(gops))


def parsed(text: str) -> Any:
    return m3u8.loads(text)


def ranges(read: Any) -> list[tuple[str, int, int]]:
    """The address, offset and size of each media segment, with what an omitted offset means."""
    found: list[tuple[str, int, int]] = []
    for segment in read.segments:
        if segment.gap_tag:
            continue
        size, _, offset = segment.byterange.partition("@")
        if not offset:
            assert found[-1][0] == segment.uri, "an offset may be left out within one file only"
        found.append((segment.uri, int(offset) if offset else found[-1][1] + found[-1][2], int(size)))
    return found


def test_every_byte_of_the_index_is_played_once_in_order() -> None:
    """The ranges are those of the GOP index, each after the header of its own file."""
    files = [file(0), file(180)]
    read = parsed(playlist(files, span(0, 360)))
    assert ranges(read) == [
        (f"/{one.object_key}", gop.offset_bytes, gop.size_bytes) for one in files for gop in one.gops
    ]
    assert {(segment.init_section.uri, segment.init_section.byterange) for segment in read.segments} == {
        (f"/{one.object_key}", f"{INIT_BYTES}@0") for one in files
    }
    assert all(segment.init_section.uri == segment.uri for segment in read.segments)
    assert (read.is_endlist, read.playlist_type, int(read.version)) == (True, "vod", 7)
    assert sum(segment.duration for segment in read.segments) == 360


def test_files_of_a_run_follow_without_a_break_and_runs_with_one() -> None:
    """A discontinuity stands between runs only, however many files a run has; each file says when it was."""
    files = [file(0), file(180), file(400, run="r2", run_at_s=400), file(580, run="r2", run_at_s=400)]
    read = parsed(playlist(files, span(0, 1000)))
    breaks = [segment.uri for segment in read.segments if segment.discontinuity]
    assert breaks == [f"/{files[2].object_key}"]
    told = {segment.uri: segment.program_date_time for segment in read.segments if segment.program_date_time}
    assert told == {f"/{one.object_key}": _moment(one.start_ns) for one in files}
    assert not any(segment.gap_tag for segment in read.segments)


def test_what_is_missing_within_a_run_is_a_gap_as_long_as_it_lasted() -> None:
    """A file that is not there leaves a hole of its own length, no discontinuity, no piece beyond the target."""
    files = [file(0), file(360)]
    read = parsed(playlist(files, span(0, 540)))
    gaps = [segment for segment in read.segments if segment.gap_tag]
    assert sum(gap.duration for gap in gaps) == 180
    assert max(gap.duration for gap in gaps) <= read.target_duration
    assert not any(segment.discontinuity for segment in read.segments)
    assert sum(segment.duration for segment in read.segments) == 540
    first_after = read.segments[read.segments.index(gaps[-1]) + 1]
    assert first_after.program_date_time == _moment(files[1].start_ns)


def test_a_picture_that_came_late_is_no_gap() -> None:
    """What players step over by themselves is not told as missing; what they do not, is."""
    late = replace(file(180), start_ticks=180 * 90_000 + 90_000 * 4 // 10)
    assert "GAP" not in playlist([file(0), late], span(0, 360))
    later = replace(file(180), start_ticks=180 * 90_000 + 90_000 // 2)
    assert playlist([file(0), later], span(0, 360)).count("#EXT-X-GAP") == 1


def test_only_what_touches_the_span() -> None:
    """A span is played from the GOP that it begins in to the one that it ends in, and its time is that of this GOP."""
    read = parsed(playlist([file(0), file(180)], span(101, 187)))
    assert sum(segment.duration for segment in read.segments) == 88
    assert read.segments[0].program_date_time == _moment(wall(100))
    assert ranges(read)[0][1:] == (file(0).gops[50].offset_bytes, file(0).gops[50].size_bytes)


def test_a_clip_inside_of_a_file_is_not_played_twice() -> None:
    """Of two files that hold the same moments of a run, each moment is played once."""
    clip = replace(file(60, 40), object_key="sites/site-1/clips/a.mp4")
    for files in ([file(0), clip], [clip, file(0)]):
        read = parsed(playlist(files, span(0, 180)))
        assert {segment.uri for segment in read.segments} == {f"/{file(0).object_key}"}
    reaching_over = replace(file(170, 40), object_key="sites/site-1/clips/b.mp4")
    read = parsed(playlist([file(0), reaching_over], span(0, 400)))
    assert sum(segment.duration for segment in read.segments) == 210
    # Its GOPs have other bounds: the one that holds both what was shown and what was not is played.
    apart = replace(file(171, 40, gop_s=4), object_key="sites/site-1/clips/c.mp4")
    read = parsed(playlist([file(0), apart], span(0, 400)))
    assert ranges(read)[-8:] == [(f"/{apart.object_key}", gop.offset_bytes, gop.size_bytes) for gop in apart.gops[2:]]


def test_long_gops_make_the_target_and_short_ones_are_joined() -> None:
    """No media segment is longer than the target; GOPs of a second are joined to two."""
    read = parsed(playlist([file(0, gop_s=1)], span(0, 180)))
    assert {segment.duration for segment in read.segments} == {2}
    read = parsed(playlist([file(0, gop_s=10)], span(0, 180)))
    assert (read.target_duration, {segment.duration for segment in read.segments}) == (10, {10})


@pytest.mark.parametrize("gop_s", [1, 2, 4])
@pytest.mark.parametrize("thing", ["site-1", "x" * 128])
def test_an_hour_is_below_its_limit(gop_s: int, thing: str) -> None:
    """The playlist of an hour stays below 200 kB, whatever the GOPs and the names, and misses nothing."""
    files = [file(number * 180, gop_s=gop_s, thing=thing) for number in range(20)]
    text = playlist(files, span(0, 3600))
    assert len(text.encode()) <= PLAYLIST_BYTES_MAX == 200_000
    read = parsed(text)
    assert sum(segment.duration for segment in read.segments) == 3600
    if thing == "site-1":
        assert max(segment.duration for segment in read.segments) <= 4, "long media segments make seeks slow"


def test_a_span_that_is_too_long_is_refused() -> None:
    """Rather than a playlist that no player takes, an error that says what to do."""
    files = [file(number * 180) for number in range(20 * 36)]
    with pytest.raises(Rejected, match="shorter"):
        playlist(files, span(0, 36 * 3600))


def test_nothing_is_refused() -> None:
    """A span without footage has no playlist."""
    with pytest.raises(Rejected, match="no footage"):
        playlist([file(0)], span(400, 500))


def test_addresses_are_those_of_the_media() -> None:
    """Keys become addresses as the caller says, escaped where a URL needs it."""
    text = playlist([replace(file(0), object_key="sites/a b/x~sub.mp4")], span(0, 10), "https://x.example/{}".format)
    assert 'URI="https://x.example/sites/a%20b/x~sub.mp4"' in text


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(1, 3)), min_size=1, max_size=8),
    st.integers(0, 200),
    st.integers(1, 200),
)
def test_any_files_of_a_run(pieces: list[tuple[int, int, int]], begin_s: int, length_s: int) -> None:
    """Whatever files of a run there are, every second of footage in the span is played, in order, none twice but where
    GOPs of two files overlap; what is missing between the first and the last is told as a gap.
    """
    files = [file(at_s * 6, gops * gop_s, gop_s) for at_s, gops, gop_s in pieces]
    wanted = span(begin_s, begin_s + length_s)
    held = {
        second
        for one in files
        for second in range((one.start_ns - BEGIN_NS) // NS_PER_S, one.end_ticks // 90_000)
        if begin_s <= second < begin_s + length_s
    }
    if not held:
        return
    found = stretches(files, wanted)
    played = [range(one.start_ticks // 90_000, one.end_ticks // 90_000) for one in found]
    assert held <= {second for seconds in played for second in seconds}
    twice = [max(0, before.stop - after.start) for before, after in itertools.pairwise(played)]
    assert all(overlap < one.gops[0].duration_ticks // 90_000 for overlap, one in zip(twice, found[1:], strict=True))
    read = parsed(playlist(files, wanted))
    told = sum(segment.duration for segment in read.segments)
    assert told == played[-1].stop - played[0].start + sum(twice)
    assert sum(1 for segment in read.segments if segment.discontinuity) == 0


def _moment(wall_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall_ns // 1000)
