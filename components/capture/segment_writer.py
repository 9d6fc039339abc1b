"""Packets of a run into one segment file, by libav's MP4 muxer, unchanged.

Fragmented MP4: the header at once, then a fragment at every keyframe and at the latest after 0.4 s, each given to
the file as soon as it is complete, in one write. Decode times run on from segment to segment (`frag_discont` with
`use_editlist=0` and `avoid_negative_ts=disabled`; otherwise libav begins each file at 0).

- The muxer's parameter sets are those of the first picture. A camera that tells them only when it describes itself has
  them put before the first picture of each segment.
- Audio and video are written in the order of their times, but video waits for audio at most `AUDIO_WAIT_NS`: audio that
  stalls or stops never holds video back.
- libav can write a valid header and then drop pictures without a word. So what was really written is counted by the
  file's own bytes: `frames` at the end is that count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.packet import Packet
from av.stream import Stream

from components.capture.audio_track import AudioTrack
from components.capture.core.packets import TimedPacket, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.recorded_file import FileRefused, RecordedFile
from components.shared.errors import Fatal
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import Fragment, Header, Trailer, encode_trailer, facts_of
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import NS_PER_MS, WallNs

FRAGMENT_NS = 400 * NS_PER_MS
"""With what is on its way (queue, libav, sound) a killed process loses less than a second. It costs 0.05 % of the bytes
and no CPU that could be measured."""

AUDIO_WAIT_NS = 300 * NS_PER_MS
"""Sound arrives with its pictures; half of that would do."""

WRITE_BYTES = 256 * 1024
"""A fragment of 2 Mbit/s in one write; libav keeps a buffer of this size per segment."""

_US = 1000
_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont+skip_trailer",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "frag_duration": str(FRAGMENT_NS // _US),
    "max_interleave_delta": str(AUDIO_WAIT_NS // _US),
    "flush_packets": "1",
}
_MUXED_CODECS = {"h264": "h264", "h265": "hevc"}


@dataclass(frozen=True, slots=True)
class SegmentName:
    """Whose segment it is: what its trailer says beside what its bytes say."""

    camera: str
    stream: StreamName
    run: str
    start_ns: WallNs


SOUND_LEAD_NS_MAX = 600 * NS_PER_MS
"""Sound may begin before the first picture by the two frames that an encoder at 8 kHz holds, 256 ms, and by as much as
a camera sends it late. What is older was said before recording paused.
"""


class SegmentWriter:
    """Writes one segment; the file is its caller's to create, and to look after when this fails."""

    def __init__(self, file: RecordedFile, video: VideoParameters, audio: AudioTrack | None) -> None:
        self._file = file
        self._parameters = video
        self._audio = audio
        try:
            self._container = av.open(file, "w", format="mp4", buffer_size=WRITE_BYTES, options=dict(_OPTIONS))
            self._video_stream = self._container.add_mux_stream(
                _MUXED_CODECS[video.codec], width=video.width, height=video.height, time_base=video.time_base.fraction
            )
            self._audio_stream = self._container.add_stream_from_template(audio.template) if audio else None
        except (av.error.FFmpegError, ValueError) as error:
            raise FileRefused(f"{file.path.name}: the muxer does not take these streams: {error}") from error
        self._video_base: Fraction | None = video.time_base.fraction
        self._audio_base = audio.time_base.fraction if audio is not None else None
        self._knows_base = False
        self._begun_ns = 0
        self.frames = 0
        """Pictures given to the muxer so far."""

    def write(self, timed: TimedPacket) -> None:
        """Take the next packet of the run. DiskFailed when the disk does not take it."""
        if timed.packet.kind == "video":
            payload = timed.packet.payload
            if not self.frames:
                self._begun_ns = self._parameters.time_base.to_ns(timed.dts)
            if not self.frames and find_parameter_sets(self._parameters.codec, payload) is None:
                payload = self._parameters.extradata + payload
            self.frames += 1
            self._mux(self._video_stream, self._video_base, timed, payload)
            if not self._knows_base and (header := self._file.header) is not None:
                self._knows_base = True
                if header.video.time_base == self._parameters.time_base:
                    self._video_base = None
        elif self._audio is not None and self._audio_stream is not None and self.frames:
            for converted in self._audio.convert(timed):
                if self._audio.time_base.to_ns(converted.dts) >= self._begun_ns - SOUND_LEAD_NS_MAX:
                    self._mux(self._audio_stream, self._audio_base, converted, converted.packet.payload)

    def finish(self) -> None:
        """Write the last fragment. DiskFailed when the disk does not take it."""
        try:
            self._container.close()
        except (av.error.FFmpegError, ValueError) as error:
            raise FileRefused(f"{self._file.path.name}: the muxer cannot finish: {error}") from error
        self._file.check()  # libav writes no end to a file that has failed, and does not say so

    def _mux(self, stream: Stream, base: Fraction | None, timed: TimedPacket, payload: bytes) -> None:
        """`base` is None for times in the muxer's own, which libav takes as they are."""
        packet = Packet(payload)
        packet.stream = stream
        if base is not None:
            packet.time_base = base
        packet.dts = timed.dts
        packet.pts = timed.pts
        packet.duration = timed.duration_ticks
        if timed.packet.is_keyframe:
            packet.is_keyframe = True
        try:
            self._container.mux_one(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise FileRefused(f"{self._file.path.name}: the muxer refuses a packet: {error}") from error
        self._file.check()  # libav may keep a failed write to itself for a while


def seal_segment(
    file: RecordedFile, name: SegmentName, wall_of: Callable[[int], WallNs]
) -> tuple[SegmentFacts, tuple[str, ...]]:
    """Write the trailer of a file that is complete and has footage, make it durable; its facts and part hashes.

    `wall_of` gives the wall time of a decode time of the run: a segment ends exactly where the next one begins.
    """
    header = file.header
    if header is None:
        raise Fatal(f"{file.path.name}: sealed without a header")
    begins, ends = media_span(header, file.fragments)
    offset_bytes = file.size_bytes
    trailer = Trailer(
        camera=name.camera,
        stream=name.stream,
        run=name.run,
        start_ns=name.start_ns,
        end_ns=wall_of(ends),
        start_ticks=begins,
        time_base=header.video.time_base,
        frames=frames_in(file),
        offset_bytes=offset_bytes,
        sha256=file.sha256,
    )
    file.seal(encode_trailer(trailer))
    facts = facts_of(header, file.fragments, name.start_ns, trailer.end_ns, name.run, file.size_bytes, file.sha256)
    return facts, file.part_sha256s


def frames_in(file: RecordedFile) -> int:
    """How many pictures the complete fragments of a file hold."""
    header = file.header
    if header is None:
        return 0
    tracks = (fragment.track(header.video.track_id) for fragment in file.fragments)
    return sum(track.samples for track in tracks if track is not None)


def media_span(header: Header, fragments: Sequence[Fragment]) -> tuple[int, int]:
    """The decode times where the video of these fragments begins and ends; there must be some."""
    runs = [run for fragment in fragments if (run := fragment.track(header.video.track_id)) is not None]
    return runs[0].start_ticks, runs[-1].start_ticks + runs[-1].duration_ticks
