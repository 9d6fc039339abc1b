"""Export a span of one camera's footage as one MP4, stream copied: nothing is re-encoded.

The file starts at the last keyframe before --from, since video cannot be shown from elsewhere. Gaps in the footage are
left out and told. Footage that is still being written can be exported too.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from cli.output import (
    add_data_argument,
    add_json_argument,
    format_size,
    format_time,
    parse_time,
    print_json,
    require_data,
)
from components.shared.catalogue.capture import CaptureReader, SegmentRow
from components.shared.errors import Rejected
from components.shared.wire.units import NS_PER_S

HELP = "export a span as one MP4"

GAP_TOLD_NS = NS_PER_S
"""Shorter holes between segments are frame times, not gaps."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A span without footage."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What the exported file holds; `frames` are of video."""

    file: str
    frames: int
    size_bytes: int
    gaps: tuple[LeftOut, ...]


ANSWER = Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--camera", required=True, metavar="ID", help="whose footage")
    parser.add_argument("--from", dest="begin", required=True, metavar="T", help="ISO 8601, UTC")
    parser.add_argument("--to", dest="end", required=True, metavar="T", help="ISO 8601, UTC")
    parser.add_argument("output", type=Path, metavar="OUT.mp4", help="the file to write; must not exist")
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export and tell what the file holds."""
    begin_ns, end_ns = parse_time(arguments.begin), parse_time(arguments.end)
    if begin_ns >= end_ns:
        raise Rejected(f"--from {arguments.begin} is not before --to {arguments.end}")
    if arguments.output.exists():
        raise Rejected(f"{arguments.output} exists already: nothing was written")
    with closing(CaptureReader.open(require_data(arguments.data))) as reader:
        rows = [
            row
            for row in reader.segments(camera=arguments.camera, since_ns=begin_ns, until_ns=end_ns)
            if row.stream == "main"
        ]
        files = [(row, reader.file_path(row)) for row in rows]
    if not files:
        raise Rejected(f"camera {arguments.camera} has no footage between {arguments.begin} and {arguments.end}")
    partial = arguments.output.with_name(arguments.output.name + ".partial")
    try:
        frames = write(files, begin_ns, end_ns, partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(arguments.output)
    gaps = list(holes(rows))
    size_bytes = arguments.output.stat().st_size
    if arguments.json:
        told = tuple(LeftOut(format_time(start), format_time(end)) for start, end in gaps)
        print_json(Exported(str(arguments.output), frames, size_bytes, told))
        return 0
    print(f"{arguments.output}: {frames} frames, {format_size(size_bytes)}")
    for start, end in gaps:
        print(f"not recorded, left out: {format_time(start)} to {format_time(end)}")
    return 0


def holes(rows: Sequence[SegmentRow]) -> Iterator[tuple[int, int]]:
    """The spans between neighbouring segments that no segment covers."""
    for before, after in itertools.pairwise(rows):
        if before.end_ns is not None and after.start_ns - before.end_ns >= GAP_TOLD_NS:
            yield before.end_ns, after.start_ns


def write(files: Sequence[tuple[SegmentRow, Path]], begin_ns: int, end_ns: int, target: Path) -> int:
    """Copy the packets of all files that lie in the span into one MP4; returns the number of video frames."""
    frames = 0
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        streams: dict[str, Any] = {}
        shift_s = 0.0
        for row, path in files:
            with _opened(path) as source:
                _require_same_video(streams, source, row)
                for stream in (*source.streams.video[:1], *source.streams.audio[:1]):
                    if stream.type not in streams and not (stream.type == "audio" and frames):
                        streams[stream.type] = output.add_stream_from_template(stream)
                copied, shift_s = _copy(source, streams, output, row, (begin_ns, end_ns), shift_s)
                frames += copied
    return frames


def _opened(path: Path) -> Any:
    try:
        return av.open(str(path))
    except FileNotFoundError as error:
        raise Rejected(f"segment file {path} is gone: `./nvr catalogue check` tells more") from error
    except FFmpegError as error:
        raise Rejected(f"segment file {path} cannot be read: {error}") from error


def _require_same_video(streams: dict[str, Any], source: Any, row: SegmentRow) -> None:
    if "video" not in streams:
        return
    have, comes = streams["video"].codec_context, source.streams.video[0].codec_context
    if (have.name, have.width, have.height) != (comes.name, comes.width, comes.height):
        raise Rejected(
            f"the video of camera {row.camera} changes at {format_time(row.start_ns)} from {have.name} {have.width}x"
            f"{have.height} to {comes.name} {comes.width}x{comes.height}: export up to there, and from there, apart"
        )


def _copy(
    source: Any, streams: dict[str, Any], output: Any, row: SegmentRow, span: tuple[int, int], shift_s: float
) -> tuple[int, float]:
    """Copy one file's packets; returns the frames copied and the output time at which the next file starts."""
    inputs = {stream.type: stream for stream in (*source.streams.video[:1], *source.streams.audio[:1])}
    wanted = [stream for kind, stream in inputs.items() if kind in streams]
    packets = [packet for packet in source.demux(wanted) if packet.dts is not None]
    video = [packet for packet in packets if packet.stream.type == "video"]
    if not video:
        return 0, shift_s
    first_s = float(video[0].dts * video[0].time_base)
    begin_s = first_s + (span[0] - row.start_ns) / NS_PER_S
    end_s = first_s + (span[1] - row.start_ns) / NS_PER_S
    start_s = max(
        (float(packet.dts * packet.time_base) for packet in video if packet.is_keyframe and _time(packet) <= begin_s),
        default=first_s,
    )
    frames, last_s = 0, start_s
    for packet in packets:
        if not start_s <= _time(packet) < end_s:
            continue
        if packet.stream.type == "video":
            frames += 1
            last_s = _time(packet) + float((packet.duration or 0) * packet.time_base)
        offset = round((shift_s - start_s) / float(packet.time_base))
        packet.stream, packet.dts = streams[packet.stream.type], packet.dts + offset
        packet.pts = packet.pts + offset if packet.pts is not None else packet.dts
        output.mux(packet)
    return frames, shift_s + (last_s - start_s)


def _time(packet: Any) -> float:
    return float(packet.dts * packet.time_base)
