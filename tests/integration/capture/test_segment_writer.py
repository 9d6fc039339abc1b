"""Segment files as they are written: fragments, run-on times, facts, and what a crash leaves."""

import hashlib
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from components.capture.audio_track import AudioTrack, open_audio_track
from components.capture.core.packets import AudioParameters, EncodedPacket, TimedPacket, VideoCodec, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.recorded_file import DiskFailed, FileRefused, RecordedFile
from components.capture.segment_writer import SegmentName, SegmentWriter, frames_in, seal_segment
from components.shared.errors import Fatal, Rejected
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.units import MonotonicNs, TimeBase, WallNs
from tests.fakes.encoded_pictures import Picture, aac, alaw, pictures
from tests.fakes.packets import START_NS, STEP, VIDEO_BASE, WALL, video_packet

FIRST = 100 * 90_000
"""A segment in the middle of a run: its decode times do not begin at 0."""

NAME = SegmentName("cam-1", "main", "run-1", WALL)


def wall_of(ticks: int) -> WallNs:
    return WallNs(WALL + VIDEO_BASE.to_ns(ticks - FIRST))


def parameters(codec: VideoCodec) -> VideoParameters:
    sets = find_parameter_sets(codec, pictures(codec)[0].payload)
    assert sets is not None
    return VideoParameters(codec, VIDEO_BASE, sets.annex_b, 96, 64)


def timed(stream: Sequence[Picture]) -> list[TimedPacket]:
    found = []
    for number, picture in enumerate(stream):
        packet = video_packet(number, is_keyframe=picture.is_keyframe, payload=picture.payload)
        found.append(TimedPacket(packet, FIRST + number * STEP, FIRST + number * STEP, STEP))
    return found


def sound(payload: bytes, start: int, duration: int) -> TimedPacket:
    packet = EncodedPacket("audio", payload, start, start, duration, True, MonotonicNs(START_NS))
    return TimedPacket(packet, start, start, duration)


def write(
    path: Path, stream: Sequence[TimedPacket], codec: VideoCodec = "h264", audio: AudioTrack | None = None
) -> RecordedFile:
    """All packets in a file that is finished, and not sealed."""
    file = RecordedFile(path, "camera cam-1, segment cam-1_x")
    writer = SegmentWriter(file, parameters(codec), audio)
    for packet in stream:
        writer.write(packet)
    writer.finish()
    return file


def read_back(data: bytes) -> list[tuple[int | None, int | None, bool, int]]:
    with av.open(io.BytesIO(data), "r") as container:
        return [(p.dts, p.duration, p.is_keyframe, p.size) for p in container.demux(video=0) if p.size]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_every_picture_with_its_time(tmp_path: Path, codec: VideoCodec) -> None:
    """Each picture is in the file once, at its decode time in the run and with its duration."""
    stream = timed(pictures(codec, 40, 10))
    file = write(tmp_path / "a.mp4", stream, codec)
    found = read_back((tmp_path / "a.mp4").read_bytes())
    assert [(dts, duration) for dts, duration, _key, _size in found] == [(t.dts, STEP) for t in stream]
    assert [key for _dts, _duration, key, _size in found] == [t.packet.is_keyframe for t in stream]
    assert frames_in(file) == len(stream)


def test_h265_is_called_as_every_player_takes_it(tmp_path: Path) -> None:
    """H.265 is declared as `hvc1`, with its parameter sets in the header, and not as libav's `hev1`."""
    facts, _ = seal_segment(write(tmp_path / "a.mp4", timed(pictures("h265", 40, 10)), "h265"), NAME, wall_of)
    header = (tmp_path / "a.mp4").read_bytes()[: facts.init_bytes]
    assert (header.count(b"hvc1"), header.count(b"hev1"), facts.codec) == (1, 0, "h265")
    with av.open(io.BytesIO((tmp_path / "a.mp4").read_bytes()), "r") as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"
        assert len(container.streams.video[0].codec_context.extradata or b"") > 50
        assert len(list(container.decode(video=0))) == 40


def test_a_fragment_ends_at_a_keyframe_and_soon(tmp_path: Path) -> None:
    """A fragment ends at a keyframe, and at the latest after 0.4 s, so that little is lost with a killed process."""
    short = write(tmp_path / "short.mp4", timed(pictures("h264", 40, 10)))
    long = write(tmp_path / "long.mp4", timed(pictures("h264", 40, 40)))
    per_fragment = [[track.samples for part in file.fragments for track in part.tracks] for file in (short, long)]
    assert per_fragment == [[6, 4] * 4, [6] * 6 + [4]]


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    """The facts given at the seal are those that anybody reads from the file, trailer and hashes included."""
    path = tmp_path / "a.mp4"
    file = write(path, timed(pictures("h264", 40, 10)))
    facts, parts = seal_segment(file, NAME, wall_of)
    read, read_parts, trailer = facts_from_file([path.read_bytes()])
    assert (facts, parts) == (read, read_parts)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.size_bytes == path.stat().st_size
    assert (facts.frames, facts.start_ticks, facts.width, facts.height) == (40, FIRST, 96, 64)
    assert facts.end_ns == wall_of(FIRST + 40 * STEP)
    assert [gop.duration_ticks for gop in facts.gops] == [10 * STEP] * 4
    assert (trailer.camera, trailer.run, trailer.start_ns, trailer.end_ns) == ("cam-1", "run-1", WALL, facts.end_ns)


def test_ranges_of_the_index_play(tmp_path: Path) -> None:
    """Header plus any range of the index is a film that begins with that keyframe."""
    path = tmp_path / "a.mp4"
    facts, _ = seal_segment(write(path, timed(pictures("h264", 40, 10))), NAME, wall_of)
    data = path.read_bytes()
    for number, gop in enumerate(facts.gops):
        part = data[: facts.init_bytes] + data[gop.offset_bytes : gop.offset_bytes + gop.size_bytes]
        with av.open(io.BytesIO(part), "r") as container:
            shown = list(container.decode(video=0))
        assert len(shown) == 10
        assert shown[0].pts == FIRST + number * 10 * STEP


def test_parameter_sets_that_were_only_described(tmp_path: Path) -> None:
    """A camera that sends no parameter sets in its stream is recorded so that each segment decodes."""
    given = parameters("h264").extradata
    bare = [Picture(picture.payload.replace(given, b""), picture.is_keyframe) for picture in pictures("h264", 40, 10)]
    assert find_parameter_sets("h264", bare[0].payload) is None
    write(tmp_path / "a.mp4", timed(bare))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 40


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.5, 0.77, 0.99])
def test_a_file_cut_anywhere_plays_to_its_last_fragment(tmp_path: Path, kept: float) -> None:
    """Whatever a crash leaves of a file, all complete fragments in it play."""
    path = tmp_path / "a.mp4"
    file = write(path, timed(pictures("h264", 40, 10)))
    data = path.read_bytes()[: int(path.stat().st_size * kept)]
    whole = [fragment for fragment in file.fragments if fragment.end_bytes <= len(data)]
    assert file.header is not None
    if len(data) > file.header.init_bytes:
        end = whole[-1].end_bytes if whole else file.header.init_bytes
        assert len(read_back(data[:end])) == sum(track.samples for part in whole for track in part.tracks)


def test_aac_is_copied(tmp_path: Path) -> None:
    """AAC packets are in the file as they came, with their own times."""
    config, packets = aac(40)
    track = open_audio_track(AudioParameters("aac", TimeBase(1, 16_000), config, 16_000, 1))
    stream = timed(pictures("h264", 40, 10))
    spoken = [sound(payload, 100 * 16_000 + n * 1024, 1024) for n, payload in enumerate(packets)]
    write(tmp_path / "a.mp4", [stream[0], *spoken[:20], *stream[1:], *spoken[20:]], audio=track)
    with av.open(str(tmp_path / "a.mp4")) as container:
        found = [(p.dts, bytes(p)) for p in container.demux(audio=0) if p.size]
    assert found == [(t.dts, t.packet.payload) for t in spoken]


def test_audio_that_never_comes_holds_nothing_back(tmp_path: Path) -> None:
    """A track whose audio stalls does not hold the video back: fragments are written all the same."""
    config, _ = aac(1)
    track = open_audio_track(AudioParameters("aac", TimeBase(1, 16_000), config, 16_000, 1))
    file = RecordedFile(tmp_path / "a.mp4", "segment")
    writer = SegmentWriter(file, parameters("h264"), track)
    for number, packet in enumerate(timed(pictures("h264", 60, 10))):
        writer.write(packet)
        assert frames_in(file) >= number - 10 - 15 * 0.3 - 2
    writer.finish()
    assert frames_in(file) == 60


def test_g711_becomes_aac(tmp_path: Path) -> None:
    """A-law is encoded to AAC as long as it was, and lies where it lay."""
    track = open_audio_track(AudioParameters("pcma", TimeBase(1, 8_000), b"", 8_000, 1))
    spoken = [sound(payload, 100 * 8_000 + n * 160, 160) for n, payload in enumerate(alaw(130))]
    stream = timed(pictures("h264", 40, 10))
    write(tmp_path / "a.mp4", [stream[0], *spoken, *stream[1:]], audio=track)
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [p.dts for p in container.demux(audio=0) if p.size and p.dts is not None]
    assert packets[0] == pytest.approx(100 * 8_000, abs=1024)
    assert {second - first for first, second in itertools.pairwise(packets)} == {1024}
    assert 130 * 160 - 3 * 1024 <= len(packets) * 1024 <= 130 * 160 + 1024


def test_g711_with_a_hole_begins_anew(tmp_path: Path) -> None:
    """After a hole in the audio, what follows lies beside its pictures, not where the hole began."""
    track = open_audio_track(AudioParameters("pcmu", TimeBase(1, 8_000), b"", 8_000, 1))
    made = []
    for number, payload in enumerate(alaw(200)):
        start = number * 160 + (8_000 * 5 if number >= 100 else 0)
        made += track.convert(sound(payload, start, 160))
    starts = [packet.dts for packet in made]
    assert starts == sorted(starts)
    before = [start for start in starts if start < 100 * 160]
    after = starts[len(before) :]
    assert after[0] == pytest.approx(100 * 160 + 8_000 * 5, abs=1024)
    assert starts[-1] == pytest.approx(200 * 160 + 8_000 * 5, abs=4 * 1024)


def test_damaged_g711_is_left_out() -> None:
    """An empty or odd packet of audio is not an error."""
    track = open_audio_track(AudioParameters("pcma", TimeBase(1, 8_000), b"", 8_000, 2))
    assert track.convert(sound(b"x", 0, 160)) == []


def test_aac_that_makes_no_sense() -> None:
    """A configuration of AAC that libav does not understand is refused, with words."""
    with pytest.raises(Rejected, match=r"aac audio cannot be understood .* recorded without sound"):
        open_audio_track(AudioParameters("aac", TimeBase(1, 16_000), b"", 0, 0))


def test_a_disk_that_takes_nothing_more(tmp_path: Path) -> None:
    """When a write fails the writer says so, and the file takes nothing after the hole."""
    file = RecordedFile(tmp_path / "a.mp4", "camera cam-1, segment cam-1_x")
    writer = SegmentWriter(file, parameters("h264"), None)
    stream = timed(pictures("h264", 40, 10))
    for packet in stream[:15]:
        writer.write(packet)
    os.dup2(os.open("/dev/full", os.O_WRONLY), file._descriptor)
    with pytest.raises(DiskFailed, match="cam-1_x, write file: No space left"):
        for packet in stream[15:]:
            writer.write(packet)
    assert file.closed
    with pytest.raises(DiskFailed):
        file.write(b"more")
    with pytest.raises(DiskFailed, match="write file: No space left"):
        seal_segment(file, NAME, wall_of)
    file.close()
    assert frames_in(file) == 10


def test_pictures_that_libav_drops_are_noticed(tmp_path: Path) -> None:
    """What libav drops without a word is known, because what is in the file is counted, not what was given."""
    good = timed(pictures("h264", 1))
    empty = [
        TimedPacket(video_packet(n, None, None, True, payload=b"no NAL unit"), FIRST + n * STEP, FIRST + n * STEP, STEP)
        for n in range(1, 5)
    ]
    file = RecordedFile(tmp_path / "a.mp4", "segment")
    writer = SegmentWriter(file, parameters("h264"), None)
    for packet in [*good, *empty]:
        writer.write(packet)
    writer.finish()
    assert (writer.frames, frames_in(file)) == (5, 1)


def test_bytes_that_make_no_file(tmp_path: Path) -> None:
    """Bytes that are no segment are refused, and nothing is taken after them."""
    file = RecordedFile(tmp_path / "a.mp4", "camera cam-1, segment cam-1_x")
    for _attempt in range(2):
        with pytest.raises(FileRefused, match="cam-1_x: what was received makes no segment"):
            file.write(b"\0\0\0\x10nonsense" + bytes(100))
    file.close()


def test_half_a_fragment_is_not_sealed(tmp_path: Path) -> None:
    """A seal says that all before it is whole: one in the middle of a fragment would be a broken promise."""
    write(tmp_path / "whole.mp4", timed(pictures("h264", 40, 10)))
    file = RecordedFile(tmp_path / "a.mp4", "segment")
    file.write((tmp_path / "whole.mp4").read_bytes()[:-100])
    with pytest.raises(Fatal, match="in the middle of a fragment"):
        seal_segment(file, NAME, wall_of)
    file.close()


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    """A segment never takes the place of a file that is there."""
    (tmp_path / "a.mp4").write_bytes(b"footage")
    with pytest.raises(DiskFailed, match="create file"):
        RecordedFile(tmp_path / "a.mp4", "segment")
    assert (tmp_path / "a.mp4").read_bytes() == b"footage"


def test_sync_only_when_there_is_something(tmp_path: Path) -> None:
    """A file that has not grown is not synced, a closed one neither."""
    file = RecordedFile(tmp_path / "a.mp4", "segment")
    file.sync()
    file.write(b"\0\0\0\x10ftypiso5\0\0\0\0")
    file.sync()
    file.sync()
    file.close()
    file.sync()
    assert not file.is_complete
