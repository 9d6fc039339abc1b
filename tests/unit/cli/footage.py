"""Recorded footage whose every frame can be told from its picture: its left half says the tens, its right the ones.

Real H.264 by PyAV in real segment files with real rows, small enough that a second of it takes milliseconds.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from components.shared.catalogue.capture import RunRow, SegmentRow
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import SegmentHasher, Trailer, encode_trailer, facts_from_file, scan
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs, to_datetime
from tests.fakes.archive import START_NS, Archive, at
from tests.fakes.segment_files import MOVFLAGS

FPS, GOP_FRAMES = 10, 10
TIME_BASE = TimeBase(1, 90_000)
LEVEL_MIN, LEVEL_STEP = 20, 22
"""The grey of a digit: ten levels, further apart than what encoding does to them."""


@functools.cache
def footage(
    first: int,
    count: int,
    width: int = 64,
    height: int = 48,
    codec: str = "libx264",
    preset: str = "ultrafast",
    sound: int = 0,
    more_sound: int = 0,
) -> bytes:
    """A fragmented MP4 of `count` frames from `first` on (all below 100), at their place in the run; sound in Hz.

    The sound goes on for `more_sound` frames after the last picture.
    """
    out = io.BytesIO()
    movie = {
        "movflags": MOVFLAGS,
        "use_editlist": "0",
        "avoid_negative_ts": "disabled",
        "frag_duration": "500000",
    }
    options = {
        "g": str(GOP_FRAMES),
        "keyint_min": str(GOP_FRAMES),
        "sc_threshold": "0",
        "preset": preset,
        "bf": "0",
    }
    quiet = {"x264-params": "threads=1", "x265-params": "log-level=none:pools=1"}
    with av.open(out, "w", format="mp4", options=movie) as container:
        video = container.add_stream(codec, rate=FPS, options=options | quiet)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = TIME_BASE.fraction
        audio = container.add_stream("aac", rate=sound, layout="mono") if sound else None
        for number in range(first, first + count + more_sound):
            if number < first + count:
                container.mux(video.encode(_picture(number, width, height)))
            if audio is not None:
                container.mux(audio.encode(_silence(number, sound)))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return out.getvalue()


def _picture(number: int, width: int, height: int) -> av.VideoFrame:
    digits = np.repeat(np.array(divmod(number, 10), np.uint8), width // 2) * LEVEL_STEP + LEVEL_MIN
    grey = np.broadcast_to(digits[None, :, None], (height, width, 3)).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
    picture.pts, picture.time_base = number * TIME_BASE.denominator // FPS, TIME_BASE.fraction
    return picture


def _silence(number: int, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, rate // FPS), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, number * (rate // FPS), Fraction(1, rate)
    return frame


def numbers(path: Path) -> list[int]:
    """The numbers of the frames of a file, decoded in order."""
    found = []
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            halves = np.split(picture.to_ndarray(format="rgb24"), 2, axis=1)
            tens, ones = (round((float(half.mean()) - LEVEL_MIN) / LEVEL_STEP) for half in halves)
            found.append(10 * tens + ones)
    return found


def times(path: Path, kind: str = "video") -> list[Fraction]:
    """When the packets of a track are shown, in seconds."""
    with av.open(str(path)) as container:
        tracks = {"video": container.streams.video, "audio": container.streams.audio}[kind]
        return [packet.pts * packet.time_base for packet in container.demux(tracks) if packet.pts is not None]


class Footage:
    """An archive whose segments hold numbered frames: second 0 of the run is frame 0."""

    def __init__(self, data: Path) -> None:
        self.archive = Archive(data)

    def record(
        self,
        first: int,
        count: int,
        camera: str = "cam-1",
        late_s: float = 0.0,
        stream: StreamName = "main",
        **form: Any,
    ) -> SegmentRow:
        """A closed segment with the frames `first` to `first + count`, at their time, or so much later."""
        row, data = self._begin(first, camera, stream, late_s, footage(first, count, **form))
        scanned = scan([data])
        assert scanned.header is not None
        body = data[: scanned.complete_bytes]
        hasher = SegmentHasher()
        hasher.feed(body)
        runs = [fragment.track(scanned.header.video.track_id) for fragment in scanned.fragments]
        trailer = Trailer(
            camera=camera,
            stream=stream,
            run=row.run,
            start_ns=row.start_ns,
            end_ns=WallNs(row.start_ns + count * NS_PER_S // FPS),
            start_ticks=first * TIME_BASE.denominator // FPS,
            time_base=TIME_BASE,
            frames=sum(run.samples for run in runs if run is not None),
            offset_bytes=len(body),
            sha256=hasher.sha256,
        )
        whole = body + encode_trailer(trailer)
        self.path(row).write_bytes(whole)
        facts, part_sha256s, _ = facts_from_file([whole])
        self.archive.writer.close_segment(row.segment, facts, part_sha256s)
        return row

    def leave_open(self, first: int, count: int, kept_bytes: int | None = None) -> SegmentRow:
        """A segment that is still being written: so many bytes of it are there, or all, without a trailer."""
        return self._begin(first, "cam-1", "main", 0.0, footage(first, count)[:kept_bytes])[0]

    def path(self, row: SegmentRow) -> Path:
        """The file of a segment."""
        return self.archive.root / row.path

    def _begin(
        self, first: int, camera: str, stream: StreamName, late_s: float, data: bytes
    ) -> tuple[SegmentRow, bytes]:
        run = f"run-{camera}{'' if stream == 'main' else '-sub'}-{late_s:g}"
        self.archive.writer.begin_run(RunRow(run, camera, stream, START_NS, None, "h264", 64, 48, TIME_BASE))
        row = self.archive.open(at(first / FPS + late_s), camera, stream, run)
        self.archive.put(row, data)
        return row, data


def spelt(seconds: float) -> str:
    """A time of the run as an operator gives it."""
    return to_datetime(at(seconds)).isoformat()


def is_rising(values: Sequence[Fraction]) -> bool:
    """Whether each value is above the one before."""
    return all(before < after for before, after in itertools.pairwise(values))
