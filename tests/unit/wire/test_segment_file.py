"""What a segment file's bytes say."""

from __future__ import annotations

import dataclasses
import io
import struct
from itertools import pairwise

import av
import pytest

from components.shared.errors import Rejected
from components.shared.wire.segment_boxes import MOOF_BYTES_MAX, Header, Track, parse_moof
from components.shared.wire.segment_file import (
    PART_BYTES,
    FragmentScanner,
    SegmentHasher,
    facts_from_file,
    gop_index,
    media_duration_ns,
    scan,
)
from components.shared.wire.segment_trailer import TRAILER_BYTES_MAX, Trailer, decode_trailer, encode_trailer
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs
from tests.fakes.segment_files import FPS, HEIGHT, TIME_BASE, WIDTH, footage
from tests.fakes.segment_files import segment_file as make_file

START_NS = 1_700_000_000_123_456_789
VIDEO = Track(1, "video", "h264", WIDTH, HEIGHT, TIME_BASE, 3000, 100, 0x10000)
HEADER = Header(700, (VIDEO, Track(2, "audio", "aac", 0, 0, TimeBase(1, 8000))))


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def large_box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def full(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def top_level(data: bytes) -> list[tuple[bytes, bytes]]:
    boxes, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        boxes.append((kind, data[at + 8 : at + size]))
        at += size
    return boxes


def decoded(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), "r") as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "h265")])
def test_a_file_of_libav_is_read_whole(codec: str, name: str) -> None:
    """Header, codec, picture, fragments and keyframes of a real file are found, and its ranges touch."""
    data = footage(codec=codec)
    found = scan([data])

    assert found.fault is None and found.trailer is None and found.header is not None
    video = found.header.video
    assert (video.codec, video.width, video.height, video.time_base) == (name, WIDTH, HEIGHT, TIME_BASE)
    runs = [fragment.tracks[0] for fragment in found.fragments]
    assert [run.start_ticks for run in runs] == [90_000 * second for second in range(5)]
    assert [run.starts_with_keyframe for run in runs] == [True, False, True, False, True]
    assert [run.samples for run in runs] == [FPS] * 5
    assert found.fragments[0].offset_bytes == found.header.init_bytes
    assert all(before.end_bytes == after.offset_bytes for before, after in pairwise(found.fragments))
    assert media_duration_ns(found.header, found.fragments) == 5 * NS_PER_S


def test_decode_times_run_on_from_where_they_began() -> None:
    """A file in the middle of a run begins with the decode time of its first picture, not with zero."""
    start_ticks = 90_000 * 3600 * 24 * 400  # beyond 32 bits
    found = scan([footage(start_ticks=start_ticks)])
    assert found.fragments[0].tracks[0].start_ticks == start_ticks


@pytest.mark.parametrize("sound", [False, True])
def test_each_range_of_the_index_plays_by_itself(sound: bool) -> None:
    """The header and one range of the GOP index decode to exactly the pictures of that GOP, keyframe first."""
    data = footage(sound=sound)
    found = scan([data])
    assert found.header is not None
    assert [track.kind for track in found.header.tracks] == (["video", "audio"] if sound else ["video"])
    gops = gop_index(found.header, found.fragments)

    assert [gop.duration_ticks for gop in gops] == [180_000, 180_000, 90_000]
    counts = []
    for gop in gops:
        pictures = decoded(data[: found.header.init_bytes] + data[gop.offset_bytes : gop.offset_bytes + gop.size_bytes])
        assert pictures[0].key_frame
        counts.append(len(pictures))
    assert counts == [20, 20, 10]


def test_footage_before_the_first_keyframe_is_a_range_too() -> None:
    """Fragments that no keyframe precedes are kept in the first range."""
    data = footage()
    found = scan([data])
    assert found.header is not None
    gops = gop_index(found.header, found.fragments[1:])
    assert [gop.duration_ticks for gop in gops] == [90_000, 180_000, 90_000]
    assert gops[0].offset_bytes == found.fragments[1].offset_bytes


def test_without_footage_there_is_no_index() -> None:
    """A file that holds only its header is Rejected by whoever asks for its GOPs."""
    found = scan([footage()[:752]])
    assert found.fault is None and found.header is not None and found.complete_bytes == 752
    with pytest.raises(Rejected, match="no complete fragment"):
        gop_index(found.header, found.fragments)


def test_a_trailer_comes_back_as_it_was_made() -> None:
    """Encoding and decoding a trailer changes nothing."""
    trailer = Trailer("cam-1", "sub", "r1", WallNs(5), WallNs(9), -3, TimeBase(1, 90_000), 12, 700, "ab" * 32)
    assert decode_trailer(encode_trailer(trailer)) == trailer


def test_a_trailer_from_the_future_is_understood() -> None:
    """Fields that a later release adds are passed over."""
    box_bytes = encode_trailer(Trailer("cam-1", "main", "r1", WallNs(5), WallNs(9), 0, TIME_BASE, 12, 700, "ab" * 32))
    body = box_bytes[24:].replace(b'{"v":1', b'{"v":2,"weather":"rain"')
    assert decode_trailer(struct.pack(">I", 24 + len(body)) + box_bytes[4:24] + body).camera == "cam-1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"camera":"cam-1"', b'"camera":"Cam 1"'),
        (b'"stream":"main"', b'"stream":"both"'),
        (b'"frames":12', b'"frames":true'),
        (b'"frames":12', b'"frames":1.5'),
        (b'"time_base":[1,90000]', b'"time_base":[1,0]'),
        (b'"time_base":[1,90000]', b'"time_base":[1]'),
        (b'"start_ns":5,', b""),
        (b"ab" * 32, b"AB" * 32),
        (b'{"v":1', b'["v",1'),
    ],
)
def test_a_wrong_trailer_is_rejected(old: bytes, new: bytes) -> None:
    """A field that is missing, of another type or impossible is Rejected."""
    box_bytes = encode_trailer(Trailer("cam-1", "main", "r1", WallNs(5), WallNs(9), 0, TIME_BASE, 12, 700, "ab" * 32))
    assert old in box_bytes
    body = box_bytes[24:].replace(old, new)
    with pytest.raises(Rejected):
        decode_trailer(struct.pack(">I", 24 + len(body)) + box_bytes[4:24] + body)


def test_a_trailer_stays_within_its_limit() -> None:
    """A run id that would make a trailer too long to be found again is Rejected when it is written."""
    trailer = Trailer("cam-1", "main", "r", WallNs(5), WallNs(9), 0, TIME_BASE, 12, 700, "ab" * 32)
    room = TRAILER_BYTES_MAX - len(encode_trailer(trailer)) + 1
    assert len(encode_trailer(dataclasses.replace(trailer, run="r" * room))) == TRAILER_BYTES_MAX
    with pytest.raises(Rejected, match="limit"):
        encode_trailer(dataclasses.replace(trailer, run="r" * (room + 1)))


def test_a_complete_file_tells_its_facts() -> None:
    """A file with its trailer gives all that its row needs, with the hash of the whole file."""
    data = make_file("cam-1", START_NS, run="run-7")
    facts, parts, trailer = facts_from_file([data])

    hasher = SegmentHasher()
    hasher.feed(data)
    assert (trailer.camera, trailer.stream) == ("cam-1", "main")
    assert (facts.start_ns, facts.end_ns, facts.run) == (START_NS, START_NS + 5 * NS_PER_S, "run-7")
    assert (facts.frames, facts.size_bytes, facts.sha256) == (50, len(data), hasher.sha256)
    assert (facts.codec, facts.width, facts.height, facts.start_ticks) == ("h264", WIDTH, HEIGHT, 0)
    assert parts == (hasher.sha256,)


def test_any_changed_byte_of_a_complete_file_is_noticed() -> None:
    """A file whose trailer does not match its bytes is Rejected, wherever the change is."""
    data = make_file("cam-1", START_NS)
    for at in range(0, len(data), len(data) // 97):
        changed = bytearray(data)
        changed[at] ^= 0x01
        with pytest.raises(Rejected):
            facts_from_file([bytes(changed)])


def test_bytes_after_the_trailer_are_a_fault() -> None:
    """A trailer ends a file: what is behind it makes the file wrong, and the footage before it is still found."""
    data = make_file("cam-1", START_NS)
    found = scan([data + box(b"free", b"more")])
    assert found.fault is not None and "after the trailer" in found.fault
    assert found.trailer is None and len(found.fragments) == 5


def test_a_trailer_in_another_place_is_a_fault() -> None:
    """A trailer that was cut off one file and appended to another is not believed."""
    data = make_file("cam-1", START_NS)
    trailer = data[scan([data]).complete_bytes :]
    found = scan([data[: scan([data]).fragments[2].end_bytes] + trailer])
    assert found.fault is not None and "says that it is at" in found.fault


def test_a_foreign_uuid_box_is_passed_over() -> None:
    """Somebody else's uuid box between fragments changes nothing but the range it belongs to."""
    data = footage()
    found = scan([data])
    at = found.fragments[0].end_bytes
    foreign = box(b"uuid", bytes(range(16)), b"theirs")
    with_foreign = scan([data[:at] + foreign + data[at:]])
    assert with_foreign.fault is None and len(with_foreign.fragments) == 5
    assert with_foreign.fragments[1].offset_bytes == at
    assert with_foreign.fragments[1].size_bytes == found.fragments[1].size_bytes + len(foreign)


def test_boxes_with_64_bit_sizes_are_read() -> None:
    """A file whose boxes all have 64-bit sizes says the same as the one with 32-bit sizes."""
    data = footage()
    large = b"".join(large_box(kind, content) for kind, content in top_level(data))
    small, wide = scan([data]), scan([large])
    assert wide.fault is None
    assert [fragment.tracks for fragment in wide.fragments] == [fragment.tracks for fragment in small.fragments]


def test_a_fragment_counts_when_its_last_byte_is_there() -> None:
    """One byte short of a fragment's end it is not there; with that byte it is."""
    data = footage()
    end = scan([data]).fragments[2].end_bytes
    scanner = FragmentScanner()
    assert len(scanner.feed(data[: end - 1])) == 2
    assert [fragment.end_bytes for fragment in scanner.feed(data[end - 1 : end])] == [end]
    assert scanner.complete_bytes == end == scanner.fed_bytes


def test_the_bytes_before_a_fault_are_told_first() -> None:
    """What is complete before bytes that make no sense is kept; the next call tells the fault, and every later one."""
    data = footage()
    end = scan([data]).fragments[2].end_bytes
    scanner = FragmentScanner()
    assert len(scanner.feed(data[:end] + b"\0" * 64)) == 3
    for _ in range(2):
        with pytest.raises(Rejected, match=f"offset {end}"):
            scanner.feed(data[end:])
    assert scanner.complete_bytes == end


@pytest.mark.parametrize(
    ("boxes", "why"),
    [
        ((b"moov",), "begins with"),
        ((b"ftyp", b"moof"), "before the header"),
        ((b"ftyp", b"moov", b"moov"), "second moov"),
        ((b"ftyp", b"moov", b"mdat"), "without its moof"),
        ((b"ftyp", b"moov", b"moof", b"moof"), "second moof"),
    ],
)
def test_boxes_out_of_order_are_a_fault(boxes: tuple[bytes, ...], why: str) -> None:
    """Each box has its place; in another one the file makes no sense from there on."""
    contents = dict(reversed(top_level(footage())))
    found = scan([b"".join(box(kind, contents[kind]) for kind in boxes)])
    assert found.fault is not None and why in found.fault


def test_an_unbounded_box_is_never_held() -> None:
    """A moof that claims more than the limit is refused by its head, before anything of it is kept."""
    data = footage()[:752]
    assert scan([data + struct.pack(">I4s", MOOF_BYTES_MAX, b"moof")]).fault is None
    found = scan([data + struct.pack(">I4s", MOOF_BYTES_MAX + 1, b"moof")])
    assert found.fault is not None and "limit" in found.fault


def test_too_many_fragments_are_a_fault() -> None:
    """A file at the limit of fragments is read, one above it is not."""
    assert len(FragmentScanner(fragments_max=5).feed(footage())) == 5
    above = FragmentScanner(fragments_max=4)
    assert len(above.feed(footage())) == 4
    with pytest.raises(Rejected, match="too many"):
        above.feed(b"")


def test_footage_is_never_held() -> None:
    """While a long mdat goes by, the scanner keeps nothing of it."""
    scanner = FragmentScanner()
    scanner.feed(footage()[:2000])
    assert scanner.held_bytes == 0


def test_a_box_of_no_size_is_a_fault() -> None:
    """Size 0 means "to the end of the file", which a growing file cannot say."""
    found = scan([footage()[:752] + struct.pack(">I4s", 0, b"mdat")])
    assert found.fault is not None and found.complete_bytes == 752


def moof(*trafs: bytes) -> bytes:
    return full(b"mfhd", 0, 0, u32(1)) + b"".join(trafs)


def traf(tfhd: bytes, tfdt: bytes, *truns: bytes) -> bytes:
    return box(b"traf", tfhd, tfdt, *truns)


TFDT = full(b"tfdt", 0, 0, u32(77))


def test_defaults_of_header_and_fragment_hold_where_samples_say_nothing() -> None:
    """Duration, size and flags come from the sample, else from the fragment, else from the header."""
    plain = full(b"trun", 0, 0, u32(4))
    (run,) = parse_moof(moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, plain)), HEADER, 0)
    assert (run.start_ticks, run.duration_ticks, run.samples, run.size_bytes) == (77, 12_000, 4, 400)
    assert not run.starts_with_keyframe

    tfhd = full(b"tfhd", 0, 0x3B, u32(1), struct.pack(">Q", 5), u32(1, 1500, 50, 0x02000000))
    (run,) = parse_moof(moof(traf(tfhd, TFDT, plain)), HEADER, 0)
    assert (run.duration_ticks, run.size_bytes, run.starts_with_keyframe) == (6000, 200, True)


@pytest.mark.parametrize(
    ("flags", "content", "duration", "size", "keyframe"),
    [
        (0x001, u32(2, 9), 6000, 200, False),
        (0x004, u32(2, 0x02000000), 6000, 200, True),
        (0x005, u32(2, 9, 0x02000000), 6000, 200, True),
        (0x100, u32(2, 10, 20), 30, 200, False),
        (0x200, u32(2, 10, 20), 6000, 30, False),
        (0x400, u32(2, 0x02000000, 0x10000), 6000, 200, True),
        (0xF01, u32(2, 9, 10, 11, 0x10000, 0, 20, 21, 0x02000000, 0), 30, 32, False),
        (0x800, u32(2, 5, 6), 6000, 200, False),
    ],
)
def test_every_combination_of_sample_fields_is_read(
    flags: int, content: bytes, duration: int, size: int, keyframe: bool
) -> None:
    """The fields that a trun's flags announce are found in their order, whichever are there."""
    trun = full(b"trun", 1, flags, content)
    (run,) = parse_moof(moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, trun)), HEADER, 0)
    assert (run.duration_ticks, run.size_bytes, run.starts_with_keyframe) == (duration, size, keyframe)


def test_decode_times_of_both_versions_are_read() -> None:
    """A decode time has 32 bits in version 0 and 64 in version 1, where libav also writes negative ones."""
    trun = full(b"trun", 0, 0, u32(1))
    tfhd = full(b"tfhd", 0, 0, u32(1))
    for version, packed, ticks in (
        (0, u32(2**32 - 1), 2**32 - 1),
        (1, struct.pack(">Q", 2**40), 2**40),
        (1, struct.pack(">q", -1024), -1024),
    ):
        (run,) = parse_moof(moof(traf(tfhd, full(b"tfdt", version, 0, packed), trun)), HEADER, 0)
        assert run.start_ticks == ticks


def test_tracks_and_their_runs_are_told_apart() -> None:
    """A fragment with several tracks, and a track with several boxes, gives one answer per track."""
    trun = full(b"trun", 0, 0x301, u32(2, 0, 5, 10, 5, 10))
    video, audio = full(b"tfhd", 0, 0, u32(1)), full(b"tfhd", 0, 0, u32(2))
    runs = parse_moof(moof(traf(video, TFDT, trun, trun), traf(audio, TFDT, trun), traf(audio, TFDT, trun)), HEADER, 0)
    assert [(run.track_id, run.samples, run.duration_ticks, run.size_bytes) for run in runs] == [
        (1, 4, 20, 40),
        (2, 4, 20, 40),
    ]


@pytest.mark.parametrize(
    "content",
    [
        moof(),
        moof(traf(full(b"tfhd", 0, 0, u32(3)), TFDT, full(b"trun", 0, 0, u32(1)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT)),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, full(b"trun", 0, 0, u32(0)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, full(b"trun", 0, 0, u32(2**32 - 1)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, full(b"trun", 0, 0x100, u32(2, 1)))),
        moof(traf(full(b"tfhd", 0, 8, u32(1)), TFDT, full(b"trun", 0, 0, u32(1)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), full(b"tfdt", 1, 0, u32(1)), full(b"trun", 0, 0, u32(1)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), full(b"tfdt", 1, 0, b"\x7f" * 8), full(b"trun", 0, 0, u32(1)))),
        moof(box(b"traf", TFDT, full(b"trun", 0, 0, u32(1)))),
        moof(traf(full(b"tfhd", 0, 0, u32(1)), TFDT, full(b"trun", 0, 0, u32(1)))) + b"1234",
    ],
    ids=range(11),
)
def test_a_moof_that_contradicts_itself_is_rejected(content: bytes) -> None:
    """Unknown tracks, missing or short boxes, samples that are not there: Rejected, whatever they claim."""
    with pytest.raises(Rejected, match="offset"):
        parse_moof(content, HEADER, 0)


def test_parts_are_hashed_at_their_limit() -> None:
    """A file of exactly a part has one hash, a byte more makes a second, and pieces of any length give the same."""
    data = bytes(range(256)) * (PART_BYTES // 256)
    at, above = SegmentHasher(), SegmentHasher()
    at.feed(data)
    for piece in (data[:1000], data[1000:], b"x"):
        above.feed(piece)
    assert len(at.part_sha256s) == 1 and at.part_sha256s[0] == at.sha256
    assert len(above.part_sha256s) == 2 and above.part_sha256s[0] == at.sha256
